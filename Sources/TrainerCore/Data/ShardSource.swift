public import ShardKit

/// A place that files of a data set are fetched from, one at a time: a folder, or a server.
public protocol ShardSource: Sendable {
  /// The place, for messages.
  var name: String { get }
  /// Copies a file of the data set to `path`, which is a temporary name. May be called from several threads.
  /// - Throws: `ShardError` if the file cannot be fetched or written.
  func fetch(_ basename: String, to path: String) throws(ShardError)
}

/// A folder, such as one of a slow or remote file system.
public struct FolderSource: ShardSource {
  public let name: String

  public init(_ folder: String) { name = folder }

  /// - Throws: `ShardError` if the file cannot be read or written.
  public func fetch(_ basename: String, to path: String) throws(ShardError) {
    let file = try FileSource("\(name)/\(basename)")
    let sink = try FileSink(path)
    try sink.copy(from: file)
    try sink.commit()
  }
}
