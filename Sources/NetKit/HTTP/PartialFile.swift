import Glibc
import ShardKit

/// A partial download: `NAME.partial`, next to a file that describes the complete resource.
final class PartialFile: ResponseReceiver {
  private let path: String
  private let url: WebURL
  private let expected: DownloadExpectation
  private let maximumBytes: Int64
  private let descriptor: Int32
  private var validators = Validators()
  private var sums: [Checksummer]
  /// The number of bytes from earlier attempts that this one continues.
  private(set) var resumed: Int64 = 0
  private(set) var bytes: Int64 = 0
  /// The length of the complete resource, if the server stated it.
  private var total: Int64?

  private var partial: String { path + ".partial" }
  private static func state(_ path: String) -> String { path + ".partial.json" }

  init(_ path: String, _ request: HTTPRequest, expecting expected: DownloadExpectation) throws(NetError) {
    self.path = path
    url = request.url
    maximumBytes = Int64(request.maximumBytes)
    self.expected = expected
    sums = Self.fresh(expected)
    descriptor = open(path + ".partial", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw NetError(FileSystem.error(path, "cannot be written")) }
    try takeUp()
  }

  deinit { close(descriptor) }

  private static func fresh(_ expected: DownloadExpectation) -> [Checksummer] {
    Set(expected.checksums.map(\.algorithm)).union([.sha256]).sorted { $0.rawValue < $1.rawValue }.map(Checksummer.init)
  }

  static func discard(_ path: String) throws(NetError) {
    do throws(ShardError) {
      try FileSystem.remove(state(path))
      try FileSystem.remove(path + ".partial")
    } catch { throw NetError(error) }
  }

  /// The validator of the resource that the bytes so far belong to; nil to start from zero.
  var resumable: String? { bytes > 0 ? validators.forRange : nil }
  var etag: String { validators.etag ?? "" }

  // MARK: Resuming

  /// Continues what an earlier attempt left, if its resource is known.
  private func takeUp() throws(NetError) {
    guard let text = try? FileSystem.read(Self.state(path), limit: 1 << 20),
      let json = try? JSONValue.parse(text).value, json["url"]?.string == url.text
    else { return try restart() }
    validators = Validators(etag: json["etag"]?.string, lastModified: json["lastModified"]?.string)
    total = json["bytes"]?.integer.map { Int64($0) }
    guard validators.forRange != nil else { return try restart() }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw NetError(FileSystem.error(partial, "cannot be read")) }
    bytes = Int64(status.st_size)
    if let total, bytes > total { return try restart() }
    try sumPrefix()
    resumed = bytes
  }

  private func sumPrefix() throws(NetError) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    do throws(ShardError) {
      let source = try FileSource(partial)
      while true {
        let count = try source.read(into: block)
        if count == 0 { return }
        for i in sums.indices { sums[i].update(UnsafeRawBufferPointer(rebasing: block[..<count])) }
      }
    } catch { throw NetError(error) }
  }

  func restart() throws(NetError) {
    do throws(ShardError) { try FileSystem.remove(Self.state(path)) } catch { throw NetError(error) }
    guard ftruncate(descriptor, 0) == 0 else { throw NetError(FileSystem.error(partial, "cannot be written")) }
    (bytes, resumed, total, validators) = (0, 0, nil, Validators())
    sums = Self.fresh(expected)
  }

  private func rememberState() throws(NetError) {
    let json: JSONValue = [
      "url": .string(url.text), "etag": validators.etag.map { .string($0) } ?? .null,
      "lastModified": validators.lastModified.map { .string($0) } ?? .null,
      "bytes": total.map { .integer(Int($0)) } ?? .null,
    ]
    do throws(ShardError) { try FileSystem.write(Array(json.prettyText().utf8), to: Self.state(path)) } catch {
      throw NetError(error)
    }
  }

  // MARK: Receiving

  func begin(_ head: HTTPResponse.Head) throws(NetError) -> Bool {
    switch head.status {
    case 206:
      try checkRange(head)
      return true
    case 200:
      try restart()
      validators = Validators(head.headers)
      total = head.headers["Content-Encoding"] == nil ? head.contentLength : nil
      if let wanted = expected.bytes, let total, total != wanted { throw wrongLength(total, wanted) }
      if validators.forRange != nil { try rememberState() }
      return true
    default: return false
    }
  }

  /// The response's range must begin where the file ends, and the resource's version and length must match.
  private func checkRange(_ head: HTTPResponse.Head) throws(NetError) {
    let range = head.headers["Content-Range"] ?? ""
    let parts = range.split(whereSeparator: { " -/".contains($0) })
    let isBytes = parts.count == 4 && parts[0] == "bytes"
    let whole = isBytes ? Int64(parts[3]) : nil
    guard resumable != nil, isBytes, Int64(parts[1]) == bytes, total == nil || whole == nil || whole == total else {
      throw NetError(
        .content, url.shown, "bytes from \(bytes) were requested, but the server sent another range (\(shown(range)))"
      )
    }
    if let etag = head.headers["ETag"], etag != self.etag {
      throw NetError(.content, url.shown, "the server sent a range of another version of the file")
    }
    total = total ?? whole
  }

  private func shown(_ text: String) -> String {
    text.isEmpty ? "without Content-Range" : String(text.prefix(80))
  }

  private func wrongLength(_ found: Int64, _ wanted: Int64) -> NetError {
    NetError(
      .content, url.shown, "the file has \(found) bytes instead of \(wanted)", hint: "It may have been replaced.")
  }

  func receive(_ part: UnsafeRawBufferPointer) throws(NetError) {
    // Counted over all attempts: the client limits a single response.
    guard bytes + Int64(part.count) <= maximumBytes else {
      throw NetError(
        .content, url.shown, "the file has more bytes than the limit of \(maximumBytes)",
        hint: "Raise the limit if this size is expected.")
    }
    var rest = part
    while !rest.isEmpty {
      let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(bytes))
      if count < 0 {
        if errno == EINTR { continue }
        throw NetError(FileSystem.error(partial, "cannot be written"))
      }
      for i in sums.indices { sums[i].update(UnsafeRawBufferPointer(rebasing: rest[..<count])) }
      bytes += Int64(count)
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  // MARK: Publishing

  func publish(_ url: WebURL) throws(NetError) -> DownloadedFile {
    if let wanted = expected.bytes ?? total, bytes != wanted { throw wrongLength(bytes, wanted) }
    let found = sums.map { $0.finish() }
    for wanted in expected.checksums {
      guard let have = found.first(where: { $0.algorithm == wanted.algorithm }), have != wanted else { continue }
      let resumed = self.resumed
      try restart()
      self.resumed = resumed
      throw NetError(
        .content, url.shown, "its \(wanted.algorithm.rawValue) is \(have.hex) instead of \(wanted.hex)",
        hint: "It may have been replaced, or damaged in transit.")
    }
    guard fsync(descriptor) == 0 else { throw NetError(FileSystem.error(partial, "cannot be synced")) }
    do throws(ShardError) {
      try FileSystem.rename(partial, to: path)
      try FileSystem.remove(Self.state(path))
      try FileSystem.syncDirectory(ArchivePath.parent(of: path) ?? ".")
    } catch { throw NetError(error) }
    return DownloadedFile(
      bytes: bytes, digest: found.first { $0.algorithm == .sha256 }!, validators: validators, resumedBytes: resumed)
  }
}
