public import ShardKit

/// A data set that is stored elsewhere and read through a cache.
public struct RemoteData: JSONRecord, Equatable, Sendable {
  /// `s3://bucket/prefix`, or a folder.
  public var place = ""
  /// URL of an S3 service; empty: what the environment says.
  public var endpoint = ""
  public var allowsPrivateAddresses = false
  /// Folder of the fetched shards.
  public var cache = ""
  public var cacheBytes = 0

  public init() {}

  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member.
  public init(path: String) throws { try self.init(jsonFile: path) }
}
