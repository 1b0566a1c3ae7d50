public import ShardKit

/// A file of a repository as its listing has it.
public struct HubFile: Equatable, Sendable {
  public var path: String
  public var bytes: Int64
  /// Git's name for what it stores: of a large file that is the pointer.
  public var blob: String
  /// Of a large file, its SHA-256.
  public var sha256: String?
}

extension HubClient {
  /// The files of a commit, page by page. Paths are as the server writes them: check before they become files.
  public func files(of commit: String, maximumFiles: Int) throws(NetError) -> [HubFile] {
    var url = try WebURL(repository.api("tree", commit).text + "?recursive=true&expand=false")
    var seen: Set<String> = []
    var files: [HubFile] = []
    while seen.insert(url.text).inserted {
      let response = try send(request(.get, url))
      guard response.head.isSuccess else { throw refusal(response) }
      guard let entries = try json(response).array else { throw malformed(url, "a listing is no list") }
      for entry in entries where entry["type"]?.string == "file" { files.append(try file(entry, url)) }
      guard files.count <= maximumFiles else {
        throw NetError(
          .content, url.shown, "the repository has more than \(maximumFiles) files", hint: "Raise the limit if it may.")
      }
      guard let next = Self.next(in: response.headers["Link"] ?? "") else { return files }
      guard !entries.isEmpty else { throw malformed(url, "a page of its listing is empty and leads on") }
      url = try page(next, from: url)
    }
    throw malformed(url, "its listing leads in a circle")
  }

  /// The text of a small file of a commit.
  public func text(of path: String, commit: String, maximumBytes: Int) throws(NetError) -> [UInt8] {
    var request = request(.get, try repository.file(path, revision: commit))
    request.maximumBytes = maximumBytes
    let response = try send(request)
    guard response.head.isSuccess else { throw refusal(response) }
    return response.body
  }

  private func page(_ next: String, from url: WebURL) throws(NetError) -> WebURL {
    let page = try url.resolving(next)
    guard page.origin == repository.origin else { throw malformed(url, "its listing goes on at \(page.origin)") }
    return page
  }

  func file(_ entry: JSONValue, _ url: WebURL) throws(NetError) -> HubFile {
    guard let path = entry["path"]?.string, let bytes = entry["size"]?.integer, bytes >= 0,
      let blob = entry["oid"]?.string, HubRepository.isCommit(blob)
    else { throw malformed(url, "a file of its listing has no path, size or oid") }
    var file = HubFile(path: path, bytes: Int64(bytes), blob: blob)
    guard let large = entry["lfs"], large != .null else { return file }
    guard let sha = large["oid"]?.string.flatMap({ Checksum(.sha256, hex: $0) }), let size = large["size"]?.integer,
      size >= 0
    else { throw malformed(url, "a large file of its listing has no SHA-256 or size") }
    file.sha256 = sha.hex
    file.bytes = Int64(size)
    return file
  }

  /// The address of `rel="next"` in a `Link` field (RFC 8288).
  static func next(in field: String) -> String? {
    for link in field.split(separator: ",") {
      guard let open = link.firstIndex(of: "<"), let close = link.firstIndex(of: ">"), open < close else { continue }
      let parameters = link[link.index(after: close)...].lowercased().filter { $0 != " " && $0 != "\"" }
      if parameters.split(separator: ";").contains("rel=next") { return String(link[link.index(after: open)..<close]) }
    }
    return nil
  }
}

/// Git's name for a file's bytes (SHA-1 over `blob LENGTH\0` and the bytes), by which the Hub knows its small files.
public struct GitBlob {
  private var sum = Checksummer(.sha1)

  public init(bytes: Int64) { Array("blob \(bytes)\0".utf8).withUnsafeBytes { sum.update($0) } }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) { sum.update(bytes) }
  public func finish() -> String { sum.finish().hex }

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
