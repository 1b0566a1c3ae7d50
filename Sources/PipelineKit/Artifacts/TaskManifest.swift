public import ShardKit

/// A file that a task published.
public struct PublishedFile: Codable, Equatable, Sendable {
  public var port: String
  /// Path below the port's folder.
  public var name: String
  public var bytes: Int64
  public var digest: Digest
  public var documents: Int
  public var textBytes: Int64
  /// See `isPassed`; nil for a file that is one.
  var passed: Bool?

  private enum CodingKeys: CodingKey { case port, name, bytes, digest, documents, textBytes, passed }
}

/// The version of manifests; other versions are not read.
enum ManifestFormat: Int, Codable { case current = 1 }

/// Everything a finished task leaves, stored next to its files so that a lost database row can be restored.
///
/// Contains nothing that differs between two runs over the same input: times are stored only in the database.
public struct TaskManifest: JSONRecord, Equatable, Sendable {
  var format = ManifestFormat.current
  public var phase: String
  public var key: String
  public var fingerprint: Digest
  public var files: [PublishedFile]
  public var ledger: Ledger
  /// Named warnings with their counts and first messages.
  public var warnings: [String: Warning]
  @JSONFigures public var metrics: [String: Double]
  /// See `LossLimits`.
  var limits: [String: JSONValue]?

  public struct Warning: Codable, Equatable, Sendable {
    public var count: Int
    public var example: String
  }
}

extension PublishedFile {
  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    port = try members.decode(String.self, forKey: .port)
    name = try members.decode(String.self, forKey: .name)
    bytes = try members.decode(Int64.self, forKey: .bytes, in: 0...1 << 46)
    digest = try members.decode(Digest.self, forKey: .digest)
    documents = try members.decode(Int.self, forKey: .documents, in: 0...1 << 46)
    textBytes = try members.decode(Int64.self, forKey: .textBytes, in: 0...1 << 46)
    passed = try members.decodeIfPresent(Bool.self, forKey: .passed)
  }
}
