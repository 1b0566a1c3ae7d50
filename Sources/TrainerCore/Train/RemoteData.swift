import ShardKit

/// A data set of a job that lies elsewhere and is read through a cache.
public struct RemoteData: Equatable, Sendable {
  /// Whatever whoever opens it understands: `s3://bucket/prefix`, a folder.
  public var place = ""
  /// Of a service that speaks S3; empty for what the environment says.
  public var endpoint = ""
  public var allowsPrivateAddresses = false
  /// Folder of the shards that have come.
  public var cache = ""
  public var cacheBytes = 0

  public init() {}

  public init(path: String) throws {
    guard let data = RemoteData(try JSONValue.parse(FileSystem.read(path, limit: 1 << 20)).value) else {
      throw TorchError(.file, path, "does not say where data lies")
    }
    self = data
  }

  public var json: JSONValue {
    [
      "place": .string(place), "endpoint": .string(endpoint), "allowsPrivateAddresses": .bool(allowsPrivateAddresses),
      "cache": .string(cache), "cacheBytes": .integer(cacheBytes),
    ]
  }

  init?(_ json: JSONValue) {
    guard let place = json["place"]?.string, let endpoint = json["endpoint"]?.string,
      let isAllowed = json["allowsPrivateAddresses"]?.bool, let cache = json["cache"]?.string,
      let bytes = json["cacheBytes"]?.integer
    else { return nil }
    self.place = place
    self.endpoint = endpoint
    allowsPrivateAddresses = isAllowed
    self.cache = cache
    cacheBytes = bytes
  }
}
