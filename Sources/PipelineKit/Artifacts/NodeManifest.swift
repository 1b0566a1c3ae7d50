import ShardKit

/// A sealed node: all that its stage published, in the order of phases and tasks. Stored beside the files.
public struct NodeManifest: Equatable, Sendable {
  public var stage: String
  public var fingerprint: Digest
  public var identity: NodeIdentity
  /// Every published file, hidden ports, drops and ids included.
  public var files: [PublishedFile]
  public var ledger: Ledger
  public var warnings: [String: TaskManifest.Warning]
  public var metrics: [String: Double]
  public var tasks: Int

  public init(stage: String, identity: NodeIdentity, tasks manifests: [TaskManifest]) {
    self.stage = stage
    self.identity = identity
    fingerprint = identity.fingerprint
    files = manifests.flatMap(\.files)
    ledger = manifests.reduce(into: Ledger()) { $0 += $1.ledger }
    warnings = [:]
    metrics = [:]
    for manifest in manifests {
      for (name, warning) in manifest.warnings {
        warnings[name, default: .init(count: 0, example: warning.example)].count += warning.count
      }
      for (name, value) in manifest.metrics { metrics[name, default: 0] += value }
    }
    tasks = manifests.count
  }

  public func files(of port: String) -> [PublishedFile] { files.filter { $0.port == port } }

  /// Content identity of a port: names and digests of its files, in order.
  public func digest(of port: String) -> Digest {
    var digester = Digester()
    for file in files where file.port == port {
      digester.update(field: file.name)
      digester.update(field: file.digest.hex)
    }
    return digester.finish()
  }
}

extension NodeManifest {
  public var json: JSONValue {
    [
      "format": 1, "stage": .string(stage), "fingerprint": .string(fingerprint.hex), "identity": identity.json,
      "tasks": .integer(tasks), "files": .list(files.map(\.json)), "ledger": ledger.json,
      "warnings": .object(
        warnings.sorted { $0.key < $1.key }.map {
          JSONMember($0.key, ["count": .integer($0.value.count), "example": .string($0.value.example)])
        }),
      "metrics": .object(metrics.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number($0.value)) }),
    ]
  }

  public init?(json: JSONValue) {
    guard json["format"]?.integer == 1, let stage = json["stage"]?.string,
      let identity = json["identity"].flatMap(NodeIdentity.init(json:)),
      let files = json["files"]?.array?.map(PublishedFile.init(json:)), !files.contains(nil),
      let ledger = json["ledger"].flatMap(Ledger.init(json:)), let tasks = json["tasks"]?.integer
    else { return nil }
    self.init(stage: stage, identity: identity, tasks: [])
    self.files = files.compactMap { $0 }
    self.ledger = ledger
    self.tasks = tasks
    for member in json["warnings"]?.members ?? [] {
      warnings[member.key] = .init(
        count: member.value["count"]?.integer ?? 0, example: member.value["example"]?.string ?? "")
    }
    for member in json["metrics"]?.members ?? [] { metrics[member.key] = member.value.double }
    guard json["fingerprint"]?.string == fingerprint.hex else { return nil }
  }
}
