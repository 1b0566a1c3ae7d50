public import ShardKit

/// A data set of a job that lies elsewhere and is read through a cache.
public struct RemoteData: JSONRecord, Equatable, Sendable {
  /// Whatever whoever opens it understands: `s3://bucket/prefix`, a folder.
  public var place = ""
  /// Of a service that speaks S3; empty for what the environment says.
  public var endpoint = ""
  public var allowsPrivateAddresses = false
  /// Folder of the shards that have come.
  public var cache = ""
  public var cacheBytes = 0

  public init() {}

  public init(path: String) throws { try self.init(jsonFile: path) }
}
