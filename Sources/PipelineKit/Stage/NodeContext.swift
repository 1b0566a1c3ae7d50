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
  let digests: ([String]) throws -> [Digest]

  public init(
    inputs: [String: [WiredArtifact]], base: String,
    digests: @escaping ([String]) throws -> [Digest] = { try $0.map { try Digester.digest(file: $0) } }
  ) {
    self.inputs = inputs
    self.base = base
    self.digests = digests
  }

  public func artifacts<K>(_ input: Input<K>) -> [WiredArtifact] {
    inputs[input.port.name] ?? []
  }

  public func files<K>(_ input: Input<K>) -> [ArtifactFile] { artifacts(input).flatMap(\.files) }

  public func files<K>(_ output: Output<K>) -> [ArtifactFile] { outputs[output.port.name] ?? [] }

  /// The files that an option names, with their digests.
  /// - Throws: as `PlanningContext.files(_:)` does; `StageError` (`.options`) for a URL; what `digests` throws.
  public func files(_ option: InputFiles) throws -> [ArtifactFile] {
    let paths = try option.resolve(base: base)
    // Taken before digesting, so that any later modification counts as a change.
    let seen = paths.map { FileSystem.status($0.path) }
    let digests = try digests(paths.map(\.path))
    return paths.indices.map { i in
      var file = ArtifactFile(
        path: paths[i].path, name: paths[i].name, bytes: seen[i]?.bytes ?? 0, digest: digests[i])
      file.seen = seen[i]
      return file
    }
  }
}
