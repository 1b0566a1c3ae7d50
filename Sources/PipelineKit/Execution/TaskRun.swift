public import ShardKit

/// Runs one task in its own folder and publishes what it wrote. Safe to repeat after a crash at any moment.
public struct TaskRun: Sendable {
  /// The node's folder: `PORT/…` files, `tasks/PHASE-KEY.json` manifests.
  public var directory: String
  /// The stage's persistent state, shared by all its nodes; see `Workspace.stateDirectory`.
  public var keptState: String
  public var phase: String
  public var task: TaskPlan
  public var fingerprint: Digest
  public var memoryBytes: Int
  public var control: TaskControl
  public var earlier: [String: [ArtifactFile]]
  /// The name of its own folder below the node's `.staging`: no two attempts may share one.
  public var staging: String
  /// A folder on a disk of this machine for temporary data; nil: in `staging`.
  public var scratch: String?
  /// False where another node of the same job publishes: the stage sees `Workspace.isFollower`.
  public var publishes: Bool
  /// See `Workspace.logPath`.
  public var logPath: String?
  public var limits: LossLimits
  /// Documents that no task may write.
  public var removals: RemovalList
  /// The stages that work in this task on what it hands on in memory.
  var passes = PassPlan()

  public init(
    directory: String, keptState: String, phase: String, task: TaskPlan, fingerprint: Digest, memoryBytes: Int,
    control: TaskControl, earlier: [String: [ArtifactFile]] = [:], staging: String? = nil, scratch: String? = nil,
    publishes: Bool = true, logPath: String? = nil, limits: LossLimits? = nil, removals: RemovalList = RemovalList()
  ) {
    self.removals = removals
    self.limits = limits ?? LossLimits()
    self.logPath = logPath
    self.scratch = scratch
    self.staging = staging ?? "\(phase)-\(task.key)"
    self.publishes = publishes
    self.directory = directory
    self.keptState = keptState
    self.phase = phase
    self.task = task
    self.fingerprint = fingerprint
    self.memoryBytes = memoryBytes
    self.control = control
    self.earlier = earlier
  }

  /// Runs the task in a new folder, and publishes its files.
  /// - Throws: `StageError` (`.cancelled`, `.input`, `.ledger`, …); `ShardError` for the disk; what the stage throws.
  public func run(_ stage: any Stage) throws -> TaskManifest {
    FaultPoint.reach("task.started")
    defer { FreedMemory.release() }
    let staging = "\(directory)/.staging/\(self.staging)"
    try FileSystem.removeTree(staging)
    try FileSystem.makeDirectory(staging)
    let scratch = self.scratch.map { "\($0)/\(self.staging)" }
    let folders = [staging, scratch].compactMap { $0 }
    defer { for folder in folders { try? FileSystem.removeTree(folder) } }
    try control.check()
    let state = TaskState.folder(node: directory, fingerprint: fingerprint)
    if publishes { try TaskState.mark(state, key: task.stateKey) }
    let workspace = Workspace(
      task: task, phase: phase, staging: staging, scratch: scratch, state: [.untilPublished: state, .kept: keptState],
      memoryBytes: memoryBytes, control: control, earlier: earlier, isFollower: !publishes,
      logPath: logPath, removals: removals, passes: passes)
    let manifest = try SourceCheck.guarding(task.files + passes.files, folders: folders) {
      try stage.run(phase: phase, workspace)
      // A task given up as hung must not publish if it returns after all.
      try control.check()
      var manifest = try workspace.finish(fingerprint: fingerprint)
      manifest.limits = limits.deciding(manifest)
      control.passNanoseconds = workspace.passNanoseconds
      return manifest
    }
    guard manifest.ledger.imbalance == 0 else { throw StageError.imbalance(manifest) }
    guard publishes else { return try manifest.checkedAsFollower() }
    FaultPoint.reach("task.files")
    let publication = TaskPublication(folder: directory)
    try publication.place(manifest.files, from: staging) { try FileSystem.rename($0, to: $1) }
    try publication.placePassed(manifest.files, from: staging)
    FaultPoint.reach("task.manifest")
    try publication.declare(manifest)
    try FileSystem.removeTree(state)
    return manifest
  }
}

extension StageError {
  static func imbalance(_ manifest: TaskManifest) -> StageError {
    StageError(
      .ledger, "task \(manifest.key)",
      "the ledger does not balance: \(manifest.ledger.imbalance) more documents came in than are accounted for",
      hint: "This is a bug in the stage; please report it with the output of `pipeline lineage --json`.")
  }
}

extension TaskManifest {
  fileprivate func checkedAsFollower() throws -> TaskManifest {
    guard files.isEmpty else {
      throw StageError(
        .ledger, "task \(key)", "its stage has written output on a machine that only takes part in the work",
        hint: "This is a bug in the stage; please report it.")
    }
    return self
  }

  /// The files of each port, as later phases and stages read them.
  public func artifactFiles(in directory: String) -> [(port: String, file: ArtifactFile)] {
    files.map {
      (
        $0.port,
        ArtifactFile(
          path: "\(directory)/\($0.port)/\($0.name)", name: $0.name, bytes: $0.bytes, digest: $0.digest,
          documents: $0.documents, textBytes: $0.textBytes, isPassed: $0.isPassed)
      )
    }
  }
}
