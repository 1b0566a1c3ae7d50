public import ShardKit

/// A file's entry in a repository listing.
public struct HubFile: Equatable, Sendable {
  public var path: String
  public var bytes: Int64
  /// Git's hash of the stored content; for a large file, of its pointer.
  public var blob: String
  /// The SHA-256 of a large file.
  public var sha256: String?
}

extension HubClient {
  /// The files of a commit, page by page. Paths are unchecked server input: check them before creating files.
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`), or lists too many files (`.content`).
  public func files(of commit: String, maximumFiles: Int) throws(NetError) -> [HubFile] {
    var url = try WebURL(repository.api("tree", commit).text + "?recursive=true&expand=false")
    var seen: Set<String> = []
    var files: [HubFile] = []
    while seen.insert(url.text).inserted {
      let response = try send(request(.get, url))
      guard response.head.isSuccess else { throw refusal(response) }
      guard let entries = try json(response).array else { throw malformed(url, "a listing is not a JSON array") }
      for entry in entries where entry["type"]?.string == "file" { files.append(try file(entry, url)) }
      guard files.count <= maximumFiles else {
        throw NetError(
          .content, url.shown, "the repository has more than \(maximumFiles) files",
          hint: "Raise the limit if this is expected.")
      }
      guard let next = Self.next(in: response.headers["Link"] ?? "") else { return files }
      guard !entries.isEmpty else { throw malformed(url, "a page of its listing is empty but has a next page") }
      url = try page(next, from: url)
    }
    throw malformed(url, "the pages of its listing form a loop")
  }

  /// The content of a small file of a commit.
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`), or the file is too large (`.content`).
  public func text(of path: String, commit: String, maximumBytes: Int) throws(NetError) -> [UInt8] {
    var request = request(.get, try repository.file(path, revision: commit))
    request.maximumBytes = maximumBytes
    let response = try send(request)
    guard response.head.isSuccess else { throw refusal(response) }
    return response.body
  }

  private func page(_ next: String, from url: WebURL) throws(NetError) -> WebURL {
    let page = try url.resolving(next)
    guard page.origin == repository.origin else { throw malformed(url, "its listing continues at \(page.origin)") }
    return page
  }

  func file(_ entry: JSONValue, _ url: WebURL) throws(NetError) -> HubFile {
    guard let path = entry["path"]?.string, let bytes = entry["size"]?.integer, bytes >= 0,
      let blob = entry["oid"]?.string, HubRepository.isCommit(blob)
    else { throw malformed(url, "a file in its listing has no path, size or oid") }
    var file = HubFile(path: path, bytes: Int64(bytes), blob: blob)
    guard let large = entry["lfs"], large != .null else { return file }
    guard let sha = large["oid"]?.string.flatMap({ Checksum(.sha256, hex: $0) }), let size = large["size"]?.integer,
      size >= 0
    else { throw malformed(url, "a large file in its listing has no SHA-256 or size") }
    file.sha256 = sha.hex
    file.bytes = Int64(size)
    return file
  }

  /// The URL of `rel="next"` in a `Link` field (RFC 8288).
  static func next(in field: String) -> String? {
    for link in field.split(separator: ",") {
      guard let open = link.firstIndex(of: "<"), let close = link.firstIndex(of: ">"), open < close else { continue }
      let parameters = link[link.index(after: close)...].lowercased().filter { $0 != " " && $0 != "\"" }
      if parameters.split(separator: ";").contains("rel=next") { return String(link[link.index(after: open)..<close]) }
    }
    return nil
  }
}

/// Git's hash of a file (SHA-1 over `blob LENGTH\0` and the bytes), by which the Hub identifies small files.
public struct GitBlob {
  private var sum = Checksummer(.sha1)

  public init(bytes: Int64) { Array("blob \(bytes)\0".utf8).withUnsafeBytes { sum.update($0) } }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) { sum.update(bytes) }
  public func finish() -> String { sum.finish().hex }

  /// The hash of a file on disk.
  /// - Throws: `ShardError` if it cannot be read.
  public static func name(file path: String, bytes: Int64) throws(ShardError) -> String {
    var blob = GitBlob(bytes: bytes)
    let source = try FileSource(path)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { block.deallocate() }
    while true {
      let count = try source.read(into: block)
      if count == 0 { return blob.finish() }
      blob.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
    }
  }
}
