import Glibc
import NetKit
import ShardKit
import Synchronization

/// The log of a multipart upload, on disk before anything relies on it: its id, then one line per finished part.
///
/// A line that a kill cut off is ignored: the parts on the server are always checked.
final class PartLog: Sendable {
  /// What must be the same for an upload to be resumed.
  struct Subject: Equatable {
    var place: String
    var digest: Digest
    var partBytes: Int64
    var withChecksums: Bool

    fileprivate func json(_ upload: String) -> JSONValue {
      [
        "upload": .string(upload), "place": .string(place), "sha256": .string(digest.hex),
        "partBytes": .integer(Int(partBytes)), "checksums": .bool(withChecksums),
      ]
    }
  }

  let upload: String
  let known: [Int: S3Part]
  /// Whether the service was asked to complete the object.
  let wasCompleting: Bool
  private let path: String
  private let descriptor: Mutex<Int32>

  /// Starts a log.
  init(_ path: String, upload: String, of subject: Subject) throws {
    try FileSystem.write(Array(subject.json(upload).text().utf8) + [10], to: path)
    self.path = path
    self.upload = upload
    known = [:]
    wasCompleting = false
    descriptor = Mutex(try Self.open(path))
  }

  /// Opens an existing log; nil if there is none for this subject.
  /// - Parameter abandoned: called with the upload id of a log for another subject.
  init?(_ path: String, of subject: Subject, abandoned: inout String?) throws {
    guard FileSystem.exists(path) else { return nil }
    let lines = try FileSystem.read(path, limit: 16 << 20).split(separator: 10)
    let values = lines.map { try? JSONValue.parse(Array($0)).value }
    guard let head = values.first ?? nil, let upload = head["upload"]?.string else { return nil }
    guard head == subject.json(upload) else {
      abandoned = upload
      return nil
    }
    var known: [Int: S3Part] = [:]
    for line in values.dropFirst() {
      guard let number = line?["part"]?.integer, let bytes = line?["bytes"]?.integer, let etag = line?["etag"]?.string
      else { continue }
      known[number] = S3Part(number: number, bytes: Int64(bytes), etag: etag, checksum: line?["sha256"]?.string)
    }
    self.path = path
    self.upload = upload
    self.known = known
    wasCompleting = values.contains { $0?["completing"]?.bool == true }
    descriptor = Mutex(try Self.open(path))
  }

  deinit { descriptor.withLock { _ = close($0) } }

  private static func open(_ path: String) throws(ShardError) -> Int32 {
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be written") }
    return descriptor
  }

  func add(_ part: S3Part) throws {
    let json: JSONValue = [
      "part": .integer(part.number), "bytes": .integer(Int(part.bytes)), "etag": .string(part.etag),
      "sha256": part.checksum.map { .string($0) } ?? .null,
    ]
    try append(json)
  }

  /// Records that the object may appear at any time from now on.
  func beginCompletion() throws { try append(["completing": true]) }

  private func append(_ json: JSONValue) throws {
    // A preceding line that was cut off must not merge with this one.
    let line = [10] + Array(json.text().utf8) + [10]
    let count = descriptor.withLock { descriptor in line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
    guard count == line.count else { throw FileSystem.error(path, "cannot be written") }
  }
}
