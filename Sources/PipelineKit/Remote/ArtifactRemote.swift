public import ShardKit

/// A shared place for artifacts: a folder or a bucket. Every object is named after the SHA-256 of its content, so what a
/// server sends is trusted only as far as its digest.
public protocol ArtifactRemote: Sendable {
  /// For messages: `s3://bucket/prefix` or an absolute path.
  var name: String { get }

  /// Whether an object is there and is what it should be, as far as the place can tell: what is not is stored again.
  /// - Throws: an error if the place cannot be asked.
  func has(_ digest: Digest, bytes: Int64) throws -> Bool

  /// Writes an object to a file.
  /// - Parameter bytes: what it must have; not more is written.
  /// - Returns: false if it is not there.
  /// - Throws: an error if the place cannot be read, or the file cannot be written.
  func fetch(_ digest: Digest, bytes: Int64, to path: String) throws -> Bool

  /// Stores a file's content.
  /// - Throws: an error if the file cannot be read, or the place cannot be written.
  func store(_ path: String, _ digest: Digest, bytes: Int64) throws
}

extension Digest {
  /// The key of an object of a remote: `objects/ab/abcd…`
  public var remoteKey: String { "objects/\(hex.prefix(2))/\(hex)" }
}

/// A folder that several people or machines share.
public struct FolderRemote: ArtifactRemote {
  private let root: String

  /// - Parameter root: absolute.
  public init(_ root: String) { self.root = root }

  public var name: String { root }

  private func path(_ digest: Digest) -> String { "\(root)/\(digest.remoteKey)" }

  /// Whether the file is there with this content. It is read: a folder has no record of what was stored in it.
  public func has(_ digest: Digest, bytes: Int64) -> Bool {
    let path = path(digest)
    guard FileSystem.status(path)?.bytes == bytes else { return false }
    return (try? Digester.digest(file: path)) == digest
  }

  /// Copies the file.
  /// - Throws: `ShardError` if it is no regular file, or cannot be read or written.
  public func fetch(_ digest: Digest, bytes: Int64, to target: String) throws -> Bool {
    let path = path(digest)
    guard FileSystem.exists(path) else { return false }
    try Self.copy(path, to: target, bytes: bytes)
    return true
  }

  /// Copies the file to its place, complete or not at all.
  /// - Throws: `ShardError` if it cannot be read or written.
  public func store(_ source: String, _ digest: Digest, bytes: Int64) throws {
    let path = path(digest)
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    let part = "\(path).part-\(UInt64.random(in: 0...UInt64.max))"
    do {
      try Self.copy(source, to: part, bytes: bytes)
      try FileSystem.rename(part, to: path)
    } catch {
      try? FileSystem.remove(part)
      throw error
    }
  }

  private static func copy(_ source: String, to target: String, bytes: Int64) throws(ShardError) {
    let sink = try FileSink(target)
    try sink.copy(from: FileSource(source, length: bytes))
    try sink.commit()
  }
}
