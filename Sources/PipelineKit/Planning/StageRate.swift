internal import GRDB
import ShardKit

/// What earlier runs took for a kind of stage: the basis of an estimate.
public struct StageRate: Equatable, Sendable {
  /// The size of an artifact: of its text where that is counted, otherwise of its files; and of its files on disk.
  public struct Size: Equatable, Sendable {
    public var content: Int64 = 0
    public var stored: Int64 = 0

    public init(content: Int64 = 0, stored: Int64 = 0) {
      self.content = content
      self.stored = stored
    }

    static func += (a: inout Size, b: Size) {
      a.content += b.content
      a.stored += b.stored
    }

    func scaled(_ factor: Double) -> Size {
      Size(
        content: Int64(boundedCount(Double(content) * factor)), stored: Int64(boundedCount(Double(stored) * factor)))
    }
  }

  /// Finished outputs that were counted.
  public var outputsCounted = 0
  /// Sums over these: milliseconds of their tasks, one after another.
  public var milliseconds = 0
  /// Content bytes read; 0 if it reads nothing whose size is known, such as a crawl.
  public var inputBytes: Int64 = 0
  /// By port.
  public var outputs: [String: Size] = [:]

  public init() {}
}

extension PublishedFile {
  /// See `ArtifactFile.contentBytes`.
  var size: StageRate.Size {
    // Its documents are not on disk.
    if isPassed { return .init(content: textBytes, stored: 0) }
    return .init(content: textBytes > 0 ? textBytes : bytes, stored: bytes)
  }
}

extension NodeManifest {
  /// The size of what can be read of a port.
  func size(of port: String) -> StageRate.Size { files(of: port).reduce(into: .init()) { $0 += $1.size } }

  /// The size that it would have if no documents had been handed on in memory.
  fileprivate func writtenSize(of port: String) -> StageRate.Size {
    let all = size(of: port)
    let files = files(of: port)
    guard files.contains(where: \.isPassed) else { return all }
    return .init(content: all.content, stored: Int64(boundedCount(Double(all.content) * StatedRate.usualStoredRatio)))
  }
}

extension RunStore {
  /// Sums over the newest finished outputs of a kind of stage; nil if there is none whose tasks all ran.
  /// - Parameter count: outputs at most.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func rate(ofKind use: String, last count: Int = 3) throws -> StageRate? {
    var rate = StageRate()
    for node in try newestNodes(ofKind: use, last: count) {
      guard let manifest = node.manifest else { continue }
      let times = try taskTimes(node: node.id)
      guard times.reused == 0, times.milliseconds > 0 else { continue }
      rate.outputsCounted += 1
      rate.milliseconds += times.milliseconds
      rate.inputBytes += try inputBytes(of: node, manifest)
      for port in Set(manifest.files.map(\.port)) {
        rate.outputs[port, default: .init()] += manifest.writtenSize(of: port)
      }
    }
    return rate.outputsCounted > 0 ? rate : nil
  }

  private func newestNodes(ofKind use: String, last count: Int) throws -> [Node] {
    try read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM nodes WHERE sealed IS NOT NULL AND json_extract(identity, '$.use') = ?
          ORDER BY sealed DESC, id DESC LIMIT ?
          """, arguments: [use, count]
      ).compactMap(Self.node)
    }
  }

  /// What it counted of its inputs. Of a stage that reads files, their sizes if they are known, which compare with those
  /// of other files.
  private func inputBytes(of node: Node, _ manifest: NodeManifest) throws -> Int64 {
    let counted = manifest.ledger.input.bytes
    guard node.identity.inputs.isEmpty || counted == 0 else { return counted }
    let sizes = try node.identity.files.map { try knownBytes(of: $0.digest) }
    return sizes.contains(nil) ? counted : sizes.reduce(0) { $0 + ($1 ?? 0) }
  }

  private func knownBytes(of digest: Digest) throws -> Int64? {
    try read { try Int64.fetchOne($0, sql: "SELECT bytes FROM digests WHERE digest = ?", arguments: [digest.hex]) }
  }
}
