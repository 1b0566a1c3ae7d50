import ShardKit

/// What an earlier stage of the pipeline did: its counts, drops, options and files, whether they are wired or not.
public struct StageAccount: Sendable {
  /// An output that the stage read.
  public struct Wire: Equatable, Sendable {
    /// The stage that wrote it.
    public var stage: String
    public var kind: ArtifactKind
  }

  public var stage: String
  /// In the order written.
  public var wires: [Wire]
  /// What its kind writes, hidden outputs too.
  public var outputs: [OutputPort]
  public var manifest: NodeManifest
  /// The node's folder.
  public var folder: String

  /// The manifest, as a file for a task to read.
  public var file: ArtifactFile {
    let bytes = Self.bytes(of: manifest)
    return ArtifactFile(
      path: folder + "/manifest.json", name: "\(stage)/manifest.json", bytes: Int64(bytes.count),
      digest: Digester.digest(bytes))
  }

  /// Files of a port, named `STAGE/FILE`.
  public func files(of port: String) -> [ArtifactFile] {
    manifest.files(of: port).map {
      ArtifactFile(
        path: "\(folder)/\(port)/\($0.name)", name: "\(stage)/\($0.name)", bytes: $0.bytes, digest: $0.digest,
        documents: $0.documents, textBytes: $0.textBytes, isPassed: $0.isPassed)
    }
  }

  /// Files of all outputs of a kind that can be wired.
  public func files(of kind: ArtifactKind) -> [ArtifactFile] {
    outputs.filter { $0.kind == kind && !$0.isHidden }.flatMap { files(of: $0.name) }
  }

  /// Files with the records of dropped documents: JSON lines.
  public var drops: [ArtifactFile] { files(of: Workspace.dropsPort) }

  /// As it is stored.
  static func bytes(of manifest: NodeManifest) -> [UInt8] { manifest.text(isPretty: true) }
}

extension Graph {
  /// The accounts of what a node depends on, in the order in which they run.
  func accounts(
    of node: Int, _ manifests: [Int: NodeManifest], _ artifacts: ArtifactStore
  ) -> [StageAccount] {
    accountable(node, manifests).map { index in
      StageAccount(
        stage: nodes[index].name, wires: wires(of: index), outputs: nodes[index].description.outputs,
        manifest: manifests[index]!, folder: artifacts.directory(of: manifests[index]!))
    }
  }

  /// What the accounts are, for the identity of a node that reads them.
  func accountIdentity(of node: Int, _ manifests: [Int: NodeManifest]) -> [NodeIdentity.Wired] {
    accountable(node, manifests).map { index in
      NodeIdentity.Wired(
        input: StageAccount.input, source: nodes[index].name,
        digest: Digester.digest(StageAccount.bytes(of: manifests[index]!)))
    }
  }

  private func wires(of node: Int) -> [StageAccount.Wire] {
    nodes[node].edges.compactMap { edge in
      let source = nodes[edge.source]
      return source.description.outputs.first { $0.name == edge.output }
        .map { StageAccount.Wire(stage: source.name, kind: $0.kind) }
    }
  }

  private func accountable(_ node: Int, _ manifests: [Int: NodeManifest]) -> [Int] {
    guard nodes[node].description.readsAccounts else { return [] }
    let ancestors = ancestors(of: node)
    return order.filter { $0 != node && ancestors.contains($0) && manifests[$0] != nil }
  }
}

extension StageAccount {
  /// Stands for an input in identities: no input can have this name.
  static let input = "(account)"
}
