public import ShardKit

/// Where the files of a data set come from, one at a time: a folder here, a server elsewhere.
public protocol ShardSource: Sendable {
  /// The place, for messages.
  var name: String { get }
  /// Copies a file of the data set to `path`, which is a temporary name. May be called from several threads.
  func fetch(_ basename: String, to path: String) throws(ShardError)
}

/// A folder, perhaps of a slow or distant file system.
public struct FolderSource: ShardSource {
  public let name: String

  public init(_ folder: String) { name = folder }

  public func fetch(_ basename: String, to path: String) throws(ShardError) {
    let file = try FileSource("\(name)/\(basename)")
    let sink = try FileSink(path)
    try sink.copy(from: file)
    try sink.commit()
  }
}
