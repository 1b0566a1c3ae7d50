public import ShardKit

/// The planning context of one node: its wired inputs, the output of its phases, and how files are digested.
public struct NodeContext: PlanningContext {
  /// By input port: each wired artifact.
  public var inputs: [String: [WiredArtifact]]
  /// By output port, in the order of phases and tasks.
  public var outputs: [String: [ArtifactFile]] = [:]
  /// Folder of the pipeline file, the base of relative paths.
  public var base: String
  public internal(set) var accounts: [StageAccount] = []
  let digest: (String) throws -> Digest

  public init(
    inputs: [String: [WiredArtifact]], base: String,
    digest: @escaping (String) throws -> Digest = { try Digester.digest(file: $0) }
  ) {
    self.inputs = inputs
    self.base = base
    self.digest = digest
  }

  public func artifacts<K>(_ input: Input<K>) -> [WiredArtifact] {
    inputs[input.port.name] ?? []
  }

  public func files<K>(_ input: Input<K>) -> [ArtifactFile] { artifacts(input).flatMap(\.files) }

  public func files<K>(_ output: Output<K>) -> [ArtifactFile] { outputs[output.port.name] ?? [] }

  /// The files that an option names, with their digests.
  /// - Throws: as `PlanningContext.files(_:)` does; `StageError` (`.options`) for a URL; what `digest` throws.
  public func files(_ option: InputFiles) throws -> [ArtifactFile] {
    try option.resolve(base: base).map { path, name in
      // Taken before digesting, so that any later modification counts as a change.
      let seen = FileSystem.status(path)
      var file = ArtifactFile(path: path, name: name, bytes: seen?.bytes ?? 0, digest: try digest(path))
      file.seen = seen
      return file
    }
  }
}
