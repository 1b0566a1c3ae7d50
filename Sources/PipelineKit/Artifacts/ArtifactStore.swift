public import ShardKit
import Synchronization

/// The files of a store: `artifacts/STAGE/FINGERPRINT/PORT/…`, each folder with its manifests, and `state/STAGE/…`.
public struct ArtifactStore: Sendable {
  public let root: String

  public init(root: String) { self.root = root }

  public func directory(stage: String, fingerprint: Digest) -> String {
    "\(root)/artifacts/\(stage)/\(fingerprint.short)"
  }

  /// The folder that a stage keeps between runs; see `Workspace.stateDirectory`.
  public func keptState(stage: String) -> String { "\(root)/state/\(stage)" }

  public func directory(of manifest: NodeManifest) -> String {
    directory(stage: manifest.stage, fingerprint: manifest.fingerprint)
  }

  /// The files of a port, as a reader sees them.
  public func files(_ manifest: NodeManifest, port: String) -> [ArtifactFile] {
    let folder = directory(of: manifest)
    return manifest.files(of: port).map {
      ArtifactFile(
        path: "\(folder)/\(port)/\($0.name)", name: $0.name, bytes: $0.bytes, digest: $0.digest,
        documents: $0.documents, textBytes: $0.textBytes, isPassed: $0.isPassed)
    }
  }

  /// Writes the manifest that seals a node. The files are written first, the manifest last.
  func seal(_ manifest: NodeManifest) throws(ShardError) {
    let folder = directory(of: manifest)
    try FileSystem.makeDirectory(folder)
    // An output without files is still an artifact that can be opened.
    try FileSystem.write(manifest.text(isPretty: true), to: folder + "/manifest.json")
    try FileSystem.removeTree(folder + "/.staging")
    try FileSystem.removeTree(folder + "/.state")
    try FileSystem.removeTree(folder + "/.fetched")
    try FileSystem.syncDirectory(folder)
    FaultPoint.reach("stage.sealed")
  }

  /// Unseals a node, so that a forced run starts from nothing.
  func discard(stage: String, fingerprint: Digest) throws(ShardError) {
    let folder = directory(stage: stage, fingerprint: fingerprint)
    try FileSystem.remove(folder + "/manifest.json")
    try FileSystem.removeTree(folder)
  }

  /// Unseals a node of which some tasks are done again.
  func unseal(stage: String, fingerprint: Digest) throws(ShardError) {
    try FileSystem.remove(directory(stage: stage, fingerprint: fingerprint) + "/manifest.json")
  }

  /// Removes what a task has published, its manifest first.
  func withdraw(_ manifest: TaskManifest, in folder: String) throws(ShardError) {
    try FileSystem.remove(Self.taskManifestPath(in: folder, phase: manifest.phase, key: manifest.key))
    for file in manifest.files {
      try FileSystem.remove("\(folder)/\(file.port)/\(file.name)")
      if file.isPassed { try FileSystem.removeTree(PassRecord.folder(in: folder, port: file.port, name: file.name)) }
    }
  }

  /// The sealed manifest on disk, for a store whose database lost the row.
  func sealedManifest(stage: String, fingerprint: Digest) -> NodeManifest? {
    let path = directory(stage: stage, fingerprint: fingerprint) + "/manifest.json"
    guard let text = try? FileSystem.read(path), let json = try? JSONValue.parse(text).value else { return nil }
    guard let manifest = try? NodeManifest(json: json), manifest.fingerprint == fingerprint else { return nil }
    return manifest
  }

  /// Where a node's folder has the manifest of a finished task.
  static func taskManifestPath(in folder: String, phase: String, key: String) -> String {
    "\(folder)/tasks/\(phase)-\(key).json"
  }

  /// A finished task's manifest on disk.
  func taskManifest(stage: String, fingerprint: Digest, phase: String, key: String) -> TaskManifest? {
    let path = Self.taskManifestPath(in: directory(stage: stage, fingerprint: fingerprint), phase: phase, key: key)
    guard let text = try? FileSystem.read(path), let json = try? JSONValue.parse(text).value else { return nil }
    return try? TaskManifest(json: json)
  }

  /// The first file that is missing or whose size differs from its manifest: a cheap check, made on every run, of
  /// thousands of files by several threads.
  public func firstDamage(_ files: [PublishedFile], in folder: String) -> String? {
    let parts = (files.count + Self.lookedAtTogether - 1) / Self.lookedAtTogether
    if parts <= 1 { return firstDamage(files[...], in: folder) }
    let damages = Mutex<[Int: String]>([:])
    // Nothing in it throws.
    try? inParallel(parts, atOnce: availableProcessors(), lane: {}) { part, _ in
      let start = part * Self.lookedAtTogether
      let damage = firstDamage(files[start..<min(start + Self.lookedAtTogether, files.count)], in: folder)
      if let damage { damages.withLock { $0[part] = damage } }
    }
    return damages.withLock { damages in damages.min { $0.key < $1.key }?.value }
  }

  private static let lookedAtTogether = 1024

  private func firstDamage(_ files: ArraySlice<PublishedFile>, in folder: String) -> String? {
    var ports: [(name: String, folder: OpenFolder)] = []
    for file in files {
      let open = ports.first { $0.name == file.port }
      let port = open?.folder ?? OpenFolder("\(folder)/\(file.port)")
      if open == nil { ports.append((file.port, port)) }
      guard let bytes = port.bytes(of: file.name) else { return "its file \(file.port)/\(file.name) is missing" }
      if bytes != file.bytes {
        return "its file \(file.port)/\(file.name) has \(bytes) bytes, but its manifest says \(file.bytes)"
      }
    }
    return nil
  }
}
