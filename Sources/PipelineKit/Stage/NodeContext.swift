public import ShardKit

/// The planning context of one node: what is wired to it, what its phases have written, how files are digested.
public struct NodeContext: PlanningContext {
  /// By input port: each wired artifact.
  public var inputs: [String: [WiredArtifact]]
  /// By output port, in the order of phases and tasks.
  public var outputs: [String: [ArtifactFile]] = [:]
  /// Folder of the pipeline document, which relative paths start from.
  public var base: String
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

  public func files(_ option: InputFiles) throws -> [ArtifactFile] {
    try option.resolve(base: base).map { path, name in
      // Before it is digested: what comes to it later is then a change.
      let seen = FileSystem.status(path)
      var file = ArtifactFile(path: path, name: name, bytes: seen?.bytes ?? 0, digest: try digest(path))
      file.seen = seen
      return file
    }
  }
}
