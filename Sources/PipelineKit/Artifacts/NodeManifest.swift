public import ShardKit

/// A sealed node: everything that its stage published, in the order of phases and tasks. Stored next to the files.
public struct NodeManifest: JSONRecord, Equatable, Sendable {
  var format = ManifestFormat.current
  public var stage: String
  public var fingerprint: Digest
  public var identity: NodeIdentity
  public var tasks: Int
  /// Every published file, including hidden ports, drops and ids.
  public var files: [PublishedFile]
  public var ledger: Ledger
  public var warnings: [String: TaskManifest.Warning]
  @JSONFigures public var metrics: [String: Double]
  /// See `LossLimits`.
  var limits: [String: JSONValue]?

  public init(stage: String, identity: NodeIdentity, tasks manifests: [TaskManifest]) {
    self.stage = stage
    self.identity = identity
    fingerprint = identity.fingerprint
    tasks = manifests.count
    files = manifests.flatMap(\.files)
    ledger = manifests.reduce(into: Ledger()) { $0 += $1.ledger }
    warnings = [:]
    metrics = [:]
    for manifest in manifests {
      for (name, warning) in manifest.warnings {
        warnings[name, default: .init(count: 0, example: warning.example)].count += warning.count
      }
      for (name, value) in manifest.metrics { metrics[name, default: 0] += value }
      for (name, value) in manifest.limits ?? [:] { limits = (limits ?? [:]).merging([name: value]) { $1 } }
    }
  }

  public func files(of port: String) -> [PublishedFile] { files.filter { $0.port == port } }

  /// `PORT/FILE` of the files that only stand for documents, which were handed on in memory.
  func passedFiles() -> Set<ExactText> {
    Set(files.lazy.filter(\.isPassed).map { ExactText("\($0.port)/\($0.name)") })
  }

  /// Content identity of a port: names and digests of its files, in order.
  public func digest(of port: String) -> Digest {
    var digester = Digester()
    for file in files where file.port == port {
      digester.update(field: file.name)
      digester.update(field: file.digest)
    }
    return digester.finish()
  }
}

extension NodeManifest {
  /// The fingerprint must match the identity.
  /// - Throws: `JSONCodingError` if a member is missing or of another type, or the fingerprint does not match.
  public init(json: JSONValue) throws(JSONCodingError) {
    self = try json.decode(Self.self)
    guard fingerprint == identity.fingerprint else {
      throw JSONCodingError("fingerprint", "belongs to another identity")
    }
  }
}
