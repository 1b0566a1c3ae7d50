import ShardKit

/// The artifacts that an output was made from, and those that these were made from, as they were read at the time, and
/// not as they are now.
public struct ArtifactAncestry: Sendable {
  /// A port of a sealed node.
  public struct Artifact: Sendable {
    public var manifest: NodeManifest
    public var port: String

    public init(manifest: NodeManifest, port: String) {
      self.manifest = manifest
      self.port = port
    }
  }

  /// Sources first; each artifact after those that it was made from.
  public private(set) var artifacts: [Artifact] = []
  /// `stage.port` of artifacts that are no longer in the store.
  public private(set) var missing: [String] = []

  /// - Parameters:
  ///   - identity: of the output whose ancestors are wanted.
  ///   - inputs: the inputs to follow from it; nil: all.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public init(of identity: NodeIdentity, inputs: Set<String>? = nil, pipeline: String, store: RunStore) throws {
    var search = AncestrySearch(pipeline: pipeline, store: store)
    for wired in identity.inputs where inputs?.contains(wired.input) ?? true { try search.visit(wired) }
    (artifacts, missing) = (search.artifacts, search.missing)
  }
}

extension RunStore {
  /// The sealed output that an input was read from, by its content.
  /// - Returns: nil if it is no longer in the store.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public func artifact(_ wired: NodeIdentity.Wired, pipeline: String) throws -> ArtifactAncestry.Artifact? {
    guard let dot = wired.source.lastIndex(of: ".") else { return nil }
    let stage = String(wired.source[..<dot])
    let port = String(wired.source[wired.source.index(after: dot)...])
    func isSame(_ manifest: NodeManifest) -> Bool { manifest.digest(of: port) == wired.digest }
    if let newest = try newestSealed(stage: stage, pipeline: pipeline)?.manifest, isSame(newest) {
      return ArtifactAncestry.Artifact(manifest: newest, port: port)
    }
    let older = try sealed(stage: stage).compactMap(\.manifest).last(where: isSame)
    return older.map { ArtifactAncestry.Artifact(manifest: $0, port: port) }
  }
}

private struct AncestrySearch {
  let pipeline: String
  let store: RunStore
  var artifacts: [ArtifactAncestry.Artifact] = []
  var missing: [String] = []
  private var seen: Set<String> = []

  init(pipeline: String, store: RunStore) {
    self.pipeline = pipeline
    self.store = store
  }

  mutating func visit(_ wired: NodeIdentity.Wired) throws {
    guard wired.input != StageAccount.input, seen.insert("\(wired.source) \(wired.digest.hex)").inserted else { return }
    guard let artifact = try store.artifact(wired, pipeline: pipeline) else { return missing.append(wired.source) }
    for input in artifact.manifest.identity.inputs { try visit(input) }
    artifacts.append(artifact)
  }
}
