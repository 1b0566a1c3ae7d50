import ShardKit

/// Finds document ids that occur in several artifacts read together by a stage: a trace of such an id, or a table keyed
/// by ids, would confuse two documents.
///
/// Reads the sidecars of 8 bytes per document. Above `maximumIDs` ids, it samples one in 2, 4, 8, … by hash, so that
/// memory is bounded and a sampled id is sampled in every artifact.
struct SharedIDs {
  struct Artifact {
    var name: String
    var port: String
    var directory: String
    var manifest: NodeManifest
  }

  static let warning = "duplicate-id"
  private let maximumIDs: Int
  private(set) var warnings: [String: TaskManifest.Warning] = [:]

  init(maximumIDs: Int = 1 << 24) { self.maximumIDs = maximumIDs }

  mutating func look(at artifacts: [Artifact]) throws {
    guard artifacts.count > 1 else { return }
    let documents = artifacts.reduce(0) { $0 + $1.manifest.files(of: $1.port).reduce(0) { $0 + $1.documents } }
    var mask: UInt64 = 0
    while documents >> mask.nonzeroBitCount > maximumIDs { mask = mask << 1 | 1 }
    let lists = try artifacts.map { try Self.hashes(of: $0, mask) }
    let shared = Self.repeated(Self.sorted(lists.flatMap { $0 }))
    guard let first = shared.first else { return }
    let owners = artifacts.indices.filter { lists[$0].contains(first) }.map { artifacts[$0] }
    let id = try Self.id(of: first, in: owners[0]).map { "id '\($0)'" } ?? "an id"
    let names = owners.map { "'\($0.name)'" }.joined(separator: " and ")
    let part = mask == 0 ? "" : " (one in \(mask + 1) ids was checked)"
    warnings[Self.warning, default: .init(count: 0, example: "\(id) occurs in \(names)\(part)")].count += shared.count
  }

  /// The distinct hashes of an artifact's ids that are zero under the mask, ascending.
  private static func hashes(of artifact: Artifact, _ mask: UInt64) throws -> [UInt64] {
    var hashes: [UInt64] = []
    for (path, _) in sidecars(of: artifact) {
      let mapped = try MappedFile(path)
      for hash in mapped.bytes.bindMemory(to: UInt64.self) where hash & mask == 0 { hashes.append(hash) }
      withExtendedLifetime(mapped) {}
    }
    hashes = sorted(hashes)
    var distinct = 0
    for i in hashes.indices where i == 0 || hashes[i] != hashes[distinct - 1] {
      hashes[distinct] = hashes[i]
      distinct += 1
    }
    hashes.removeLast(hashes.count - distinct)
    return hashes
  }

  private static func sidecars(of artifact: Artifact) -> [(path: String, file: String)] {
    artifact.manifest.files(of: Workspace.idsPort).filter { $0.name.hasPrefix(artifact.port + "/") }.map {
      ("\(artifact.directory)/\(Workspace.idsPort)/\($0.name)", "\(artifact.directory)/\($0.name.dropLast(4))")
    }
  }

  private static func sorted(_ hashes: [UInt64]) -> [UInt64] {
    var hashes = hashes
    hashes.sort()
    return hashes
  }

  private static func repeated(_ sorted: [UInt64]) -> [UInt64] {
    var repeated: [UInt64] = []
    for (a, b) in zip(sorted, sorted.dropFirst()) where a == b && repeated.last != a { repeated.append(a) }
    return repeated
  }

  /// The id itself, from the documents.
  private static func id(of hash: UInt64, in artifact: Artifact) throws -> String? {
    for (path, file) in sidecars(of: artifact) {
      let mapped = try MappedFile(path)
      let ordinal = mapped.bytes.bindMemory(to: UInt64.self).firstIndex(of: hash)
      withExtendedLifetime(mapped) {}
      guard let ordinal else { continue }
      let reader = try DocumentReader(path: file)
      var document = Document()
      for _ in 0...ordinal { guard try reader.next(&document) else { return nil } }
      return document.idString
    }
    return nil
  }
}
