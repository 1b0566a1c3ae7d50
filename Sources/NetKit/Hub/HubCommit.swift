public import ShardKit

/// A file to upload to a repository.
public struct HubCandidate: Sendable {
  public var path: String
  /// The local path of its content.
  public var file: String
  public var bytes: Int64
  public var sha256: Digest

  public init(path: String, file: String, bytes: Int64, sha256: Digest) {
    self.path = path
    self.file = file
    self.bytes = bytes
    self.sha256 = sha256
  }
}

/// How a file is added to a commit.
public enum HubMode: String, Sendable {
  /// With its content, stored by git.
  case regular
  /// By its digest; its content is uploaded to the storage first.
  case lfs
  /// Not at all: the repository's .gitignore excludes it.
  case ignored
}

/// A finished commit.
public struct HubCommit: Equatable, Sendable {
  public var commit: String
  public var url: String
}

extension HubClient {
  /// The mode that the Hub requires for each file, in the given order. It receives the first 512 bytes.
  /// - Throws: `NetError` if a file cannot be read (`.storage`), or the Hub refuses or names no mode (`.content`).
  public func modes(of candidates: [HubCandidate], revision: String) throws(NetError) -> [HubMode] {
    var modes: [HubMode] = []
    for start in stride(from: 0, to: candidates.count, by: 256) {
      modes += try askModes(Array(candidates[start..<min(start + 256, candidates.count)]), revision)
    }
    return modes
  }

  private func askModes(_ candidates: [HubCandidate], _ revision: String) throws(NetError) -> [HubMode] {
    let url = try repository.api("preupload", revision)
    var files: [JSONValue] = []
    for candidate in candidates {
      files.append([
        "path": .string(candidate.path), "size": .integer(Int(candidate.bytes)),
        "sample": .string(base64(try head(of: candidate))),
      ])
    }
    let answer = try ask(post(url, ["files": .list(files)]))
    var modes: [ExactText: HubMode] = [:]
    for entry in answer["files"]?.array ?? [] {
      guard let path = entry["path"]?.string else { continue }
      let mode = entry["uploadMode"]?.string.flatMap(HubMode.init(rawValue:))
      modes[ExactText(path)] = entry["shouldIgnore"]?.bool == true ? .ignored : mode
    }
    var out: [HubMode] = []
    for candidate in candidates {
      guard let mode = modes[ExactText(candidate.path)] else {
        throw malformed(url, "it contains no upload mode for \(candidate.path)")
      }
      // The storage does not accept empty objects.
      out.append(candidate.bytes == 0 && mode == .lfs ? .regular : mode)
    }
    return out
  }

  private func head(of candidate: HubCandidate) throws(NetError) -> [UInt8] {
    do throws(ShardError) {
      let room = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(min(512, candidate.bytes)), alignment: 8)
      defer { room.deallocate() }
      return Array(room[..<(try fill(room, from: FileSource(candidate.file)))])
    } catch { throw NetError(error) }
  }

  /// Makes the commit whose lines are in the file `body`, if the branch is still at the parent that the body names.
  ///
  /// The request may be retried after a broken connection: it names the parent, so a second commit is refused (412).
  /// - Throws: `NetError` if the Hub cannot be reached or refuses (`.status`), or names no commit (`.content`).
  public func commit(body: String, bytes: Int64, revision: String) throws(NetError) -> HubCommit {
    let url = try repository.api("commit", revision)
    var request = request(.post, url)
    request.isRepeatable = true
    request.headers["Content-Type"] = "application/x-ndjson"
    request.body = .file(path: body, length: bytes)
    let answer = try ask(request)
    guard let commit = answer["commitOid"]?.string, HubRepository.isCommit(commit) else {
      throw malformed(url, "it does not name the new commit")
    }
    return HubCommit(commit: commit, url: "\(repository.page)/commit/\(commit)")
  }
}

/// Writes the lines of a commit to a file one by one, so that small files are never all in memory.
public final class HubCommitBody {
  private let sink: any ByteSink

  /// Begins the commit with its header.
  /// - Throws: `ShardError` if the sink cannot be written.
  public init(to sink: any ByteSink, message: String, parent: String) throws(ShardError) {
    self.sink = sink
    try write("header", ["summary": .string(message), "description": "", "parentCommit": .string(parent)])
  }

  private func write(_ key: String, _ value: JSONValue) throws(ShardError) {
    let line: JSONValue = ["key": .string(key), "value": value]
    try sink.write(line.text() + "\n")
  }

  /// Adds a file whose content is in the storage.
  /// - Throws: `ShardError` if the sink cannot be written.
  public func addLarge(_ candidate: HubCandidate) throws(ShardError) {
    try write(
      "lfsFile",
      [
        "path": .string(candidate.path), "algo": "sha256", "oid": .string(candidate.sha256.hex),
        "size": .integer(Int(candidate.bytes)),
      ])
  }

  /// Adds a file with its content.
  /// - Throws: `ShardError` if it cannot be read, has changed (`.malformed`), or the sink cannot be written.
  public func add(_ candidate: HubCandidate) throws(ShardError) {
    let path = JSONValue.string(candidate.path).text()
    try sink.write("{\"key\":\"file\",\"value\":{\"path\":\(path),\"encoding\":\"base64\",\"content\":\"")
    let source = try FileSource(candidate.file)
    var digester = Digester()
    // A multiple of three bytes becomes complete groups.
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 3 << 16, alignment: 64)
    defer { block.deallocate() }
    while true {
      let count = try fill(block, from: source)
      digester.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
      try sink.write(base64(Array(block[..<count])))
      if count < block.count { break }
    }
    guard digester.finish() == candidate.sha256 else {
      throw ShardError(
        .malformed, candidate.file, "has changed since it was written", hint: "Check the store with `pipeline verify`.")
    }
    try sink.write("\"}}\n")
  }
}

/// Reads until the buffer is full or the source ends.
private func fill(_ room: UnsafeMutableRawBufferPointer, from source: FileSource) throws(ShardError) -> Int {
  var count = 0
  while count < room.count {
    let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: room[count...]))
    if read == 0 { break }
    count += read
  }
  return count
}

/// RFC 4648, section 4.
func base64(_ bytes: [UInt8]) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var out: [UInt8] = []
  out.reserveCapacity((bytes.count + 2) / 3 * 4)
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
    for place in 0..<4 {
      out.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
    }
  }
  return String(decoding: out, as: UTF8.self)
}
