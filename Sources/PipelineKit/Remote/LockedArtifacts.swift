import ShardKit
import Synchronization

/// The outputs that a lock names, in the place where they are.
public struct LockedArtifacts: Sendable {
  public let lock: ArtifactLock
  public let remote: any ArtifactRemote

  public init(lock: ArtifactLock, remote: any ArtifactRemote) {
    self.lock = lock
    self.remote = remote
  }

  /// Whether the lock names the output that a stage with this identity has.
  func names(_ stage: String, _ identity: NodeIdentity) -> Bool { lock[stage]?.fingerprint == identity.fingerprint }

  /// Whether an error says that input files are missing, of which the lock may know what they were.
  static func explains(_ error: any Error) -> Bool {
    (error as? StageError)?.code == .input || (error as? ShardError)?.code == .notFound
  }

  static let mostManifestBytes: Int64 = 256 << 20
  /// Files that are fetched or sent at the same time.
  static let filesAtOnce = 8

  /// The sealed manifest of a stage's output; nil if the lock does not name the stage or the remote does not have it.
  /// - Throws: `StageError` if what the remote has is not what the lock names.
  func manifest(of stage: String, in folder: String) throws -> NodeManifest? {
    guard let entry = lock[stage] else { return nil }
    guard (0...Self.mostManifestBytes).contains(entry.manifestBytes) else {
      throw refused(stage, "its manifest would have \(entry.manifestBytes) bytes")
    }
    try FileSystem.makeDirectory(folder)
    let path = "\(folder)/manifest-\(entry.manifest.short)"
    guard try fetch(entry.manifest, bytes: entry.manifestBytes, to: path, stage) else { return nil }
    defer { try? FileSystem.remove(path) }
    let text = try FileSystem.read(path, limit: Int(Self.mostManifestBytes))
    let manifest: NodeManifest
    do { manifest = try NodeManifest(json: JSONValue.parse(text).value) } catch {
      throw refused(stage, "its manifest cannot be read: \(error)")
    }
    guard manifest.stage == stage, manifest.fingerprint == entry.fingerprint else {
      throw refused(stage, "its manifest belongs to another stage or to other work")
    }
    if let file = manifest.files.first(where: { !Self.isSafe($0) }) {
      throw refused(stage, "its manifest names the file '\(file.port)/\(file.name)', which no stage writes")
    }
    return manifest
  }

  /// Brings an output into the store and seals it there.
  /// - Returns: the bytes fetched; nil if the remote lacks a file, or after a request to stop.
  /// - Throws: `StageError` if a file is not what its digest says; what the remote throws.
  func fetch(_ manifest: NodeManifest, into store: ArtifactStore, isStopped: @escaping @Sendable () -> Bool) throws
    -> Int64?
  {
    let folder = store.directory(of: manifest)
    let staging = folder + "/.fetched"
    try FileSystem.makeDirectory(staging)
    let found = Mutex((bytes: Int64(0), isMissing: false))
    try inParallel(manifest.files.count, atOnce: Self.filesAtOnce, lane: {}) { item, _ in
      let file = manifest.files[item]
      if isStopped() || found.withLock({ $0.isMissing }) { return }
      let path = "\(staging)/\(file.port)/\(file.name)"
      // Left by an interrupted run.
      if (try? Digester.digest(file: path)) == file.digest { return }
      try FileSystem.makeDirectory(ArchivePath.folder(of: path))
      let isThere = try fetch(file.digest, bytes: file.bytes, to: path, manifest.stage)
      found.withLock { found in
        if isThere { found.bytes += file.bytes } else { found.isMissing = true }
      }
    }
    let (bytes, isMissing) = found.withLock { $0 }
    guard !isMissing, !isStopped() else { return nil }
    try TaskPublication(folder: folder).place(manifest.files, from: staging) { try FileSystem.rename($0, to: $1) }
    try store.seal(manifest)
    return bytes
  }

  private func fetch(_ digest: Digest, bytes: Int64, to path: String, _ stage: String) throws -> Bool {
    guard try remote.fetch(digest, bytes: bytes, to: path) else { return false }
    let found = try Digester.digest(file: path)
    guard found == digest else {
      try FileSystem.remove(path)
      throw refused(stage, "the object \(digest.remoteKey) has the digest \(found.short)")
    }
    return true
  }

  private func refused(_ stage: String, _ what: String) -> StageError {
    StageError(
      .check, remote.name, "what it has for '\(stage)' is not what the lock names: \(what)",
      hint: "Whoever has the output can store it again with `pipeline lock`. Until then, compute the stage with "
        + "--no-remote.")
  }

  /// Below one of the stage's ports, and not among what the store itself keeps there.
  private static func isSafe(_ file: PublishedFile) -> Bool {
    let path = "\(file.port)/\(file.name)"
    return ArchivePath.isSafe(path) && !file.port.contains("/") && !file.port.hasPrefix(".") && !file.name.isEmpty
      && !["tasks", "manifest.json"].contains(file.port) && ArchivePath.parts(file.name).allSatisfy { !$0.isEmpty }
  }
}

/// Makes locks, and puts outputs where others find them.
public struct ArtifactLocking {
  public let store: RunStore
  public let graph: Graph

  public init(graph: Graph, store: RunStore) {
    self.graph = graph
    self.store = store
  }

  /// The outputs of the stages that are up to date, in the order of the pipeline.
  /// - Throws: `RunError` if a stage is not up to date; as `PipelineRun.plan()` does.
  public func manifests() throws -> [NodeManifest] {
    let plan = try PipelineRun(graph: graph, store: store, settings: .init()).plan()
    let stale = plan.verdicts.filter { $0.verdict != .fresh }.map { graph.nodes[$0.node].name }
    guard stale.isEmpty else {
      let shown = stale.prefix(5).joined(separator: ", ") + (stale.count > 5 ? ", …" : "")
      throw RunError(
        .selection, "a lock names finished outputs, and these stages are not up to date: \(shown)",
        hint: "Run the pipeline first.")
    }
    let history = StoreHistory(store: store, pipeline: graph.document.name)
    return try plan.verdicts.compactMap { node, _, fingerprint in
      try fingerprint.flatMap { try history.sealed(stage: graph.nodes[node].name, fingerprint: $0) }
    }
  }

  public static func lock(_ manifests: [NodeManifest], pipeline: String, remote: String?) -> ArtifactLock {
    ArtifactLock(
      pipeline: pipeline, remote: remote,
      artifacts: manifests.map { manifest in
        let text = manifest.fileText
        return .init(
          stage: manifest.stage, fingerprint: manifest.fingerprint, manifest: Digester.digest(text),
          manifestBytes: Int64(text.count))
      })
  }

  /// Stores an output's files and its manifest, the manifest last. What is there already, undamaged, is not sent again.
  /// - Returns: the number of files sent, and their bytes.
  /// - Throws: `StageError` if a file of the store was modified; what the remote throws.
  public func publish(_ manifest: NodeManifest, to remote: any ArtifactRemote) throws -> (files: Int, bytes: Int64) {
    let folder = store.artifacts.directory(of: manifest)
    let sent = Mutex((files: 0, bytes: Int64(0)))
    try inParallel(manifest.files.count, atOnce: LockedArtifacts.filesAtOnce, lane: {}) { item, _ in
      let file = manifest.files[item]
      if try remote.has(file.digest, bytes: file.bytes) { return }
      let path = "\(folder)/\(file.port)/\(file.name)"
      guard try Digester.digest(file: path) == file.digest else {
        throw StageError(
          .check, path, "it was modified after it was written", hint: "Run `pipeline verify`, then run again.")
      }
      try remote.store(path, file.digest, bytes: file.bytes)
      sent.withLock { $0 = ($0.files + 1, $0.bytes + file.bytes) }
    }
    let text = manifest.fileText
    let digest = Digester.digest(text)
    if try !remote.has(digest, bytes: Int64(text.count)) {
      let path = folder + "/.manifest-to-send"
      try FileSystem.write(text, to: path)
      defer { try? FileSystem.remove(path) }
      try remote.store(path, digest, bytes: Int64(text.count))
    }
    return sent.withLock { $0 }
  }
}
