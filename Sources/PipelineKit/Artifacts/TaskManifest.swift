import ShardKit

/// A file that a task published.
public struct PublishedFile: Equatable, Sendable {
  public var port: String
  /// Path below the port's folder.
  public var name: String
  public var bytes: Int64
  public var digest: Digest
  public var documents: Int
  public var textBytes: Int64
}

/// All that a finished task leaves behind, stored beside its files so that a lost database row can be adopted again.
///
/// Holds nothing that differs between two runs over the same input: times live in the database alone.
public struct TaskManifest: Equatable, Sendable {
  public var phase: String
  public var key: String
  public var fingerprint: Digest
  public var files: [PublishedFile]
  public var ledger: Ledger
  /// Named warnings and how often each was raised, with the first message.
  public var warnings: [String: Warning]
  public var metrics: [String: Double]

  public struct Warning: Equatable, Sendable {
    public var count: Int
    public var example: String
  }
}

extension PublishedFile {
  var json: JSONValue {
    [
      "port": .string(port), "name": .string(name), "bytes": .integer(Int(bytes)), "digest": .string(digest.hex),
      "documents": .integer(documents), "textBytes": .integer(Int(textBytes)),
    ]
  }

  init?(json: JSONValue) {
    guard let port = json["port"]?.string, let name = json["name"]?.string, let bytes = json["bytes"]?.integer,
      let digest = json["digest"]?.string.flatMap(Digest.init(hex:)), let documents = json["documents"]?.integer,
      let textBytes = json["textBytes"]?.integer, [bytes, documents, textBytes].allSatisfy((0...1 << 46).contains)
    else { return nil }
    self.init(
      port: port, name: name, bytes: Int64(bytes), digest: digest, documents: documents, textBytes: Int64(textBytes))
  }
}

extension TaskManifest {
  public var json: JSONValue {
    [
      "format": 1, "phase": .string(phase), "key": .string(key), "fingerprint": .string(fingerprint.hex),
      "files": .list(files.map(\.json)), "ledger": ledger.json,
      "warnings": .object(
        warnings.sorted { $0.key < $1.key }.map {
          JSONMember($0.key, ["count": .integer($0.value.count), "example": .string($0.value.example)])
        }),
      "metrics": .object(metrics.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number($0.value)) }),
    ]
  }

  public init?(json: JSONValue) {
    guard json["format"]?.integer == 1, let phase = json["phase"]?.string, let key = json["key"]?.string,
      let fingerprint = json["fingerprint"]?.string.flatMap(Digest.init(hex:)),
      let files = json["files"]?.array?.map(PublishedFile.init(json:)), !files.contains(nil),
      let ledger = json["ledger"].flatMap(Ledger.init(json:))
    else { return nil }
    var warnings: [String: Warning] = [:]
    for member in json["warnings"]?.members ?? [] {
      warnings[member.key] = Warning(
        count: member.value["count"]?.integer ?? 0, example: member.value["example"]?.string ?? "")
    }
    var metrics: [String: Double] = [:]
    for member in json["metrics"]?.members ?? [] { metrics[member.key] = member.value.double }
    self.init(
      phase: phase, key: key, fingerprint: fingerprint, files: files.compactMap { $0 }, ledger: ledger,
      warnings: warnings, metrics: metrics)
  }
}
