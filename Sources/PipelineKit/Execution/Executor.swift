import ShardKit

/// Runs a graph: hands the schedule's jobs to threads, commits their results, and seals nodes. One thread owns all
/// state.
final class Executor {
  struct Limits: Sendable {
    var jobs: Int
    var waitingThreads = Schedule.mostWaiting
    var memoryBytes: Int
    var keepGoing: Bool
  }

  /// A worker's report.
  enum Report: Sendable {
    case fresh(node: Int, identity: NodeIdentity, manifest: NodeManifest)
    case fetched(node: Int, manifest: NodeManifest, bytes: Int64)
    case prepared(node: Int, phase: Int, Progress, PreparedPhase)
    case prepareFailed(node: Int, message: String)
    case ended(node: Int, task: Int, TaskControl, TaskOutcome)
    case notice(String)
  }

  /// A running node: its identity and the files of its finished phases.
  struct Progress: Sendable {
    var nodeID: Int64
    var identity: NodeIdentity
    var verdict: Verdict
    var inputs: [String: [WiredArtifact]]
    var outputs: [String: [ArtifactFile]] = [:]
    var manifests: [TaskManifest] = []
    /// Warnings about its inputs.
    var warnings: [String: TaskManifest.Warning] = [:]
    var began = monotonicNanoseconds()
  }

  /// A node whose tasks run: what it is, and how far its phase has come.
  final class NodeRun {
    let progress: Progress
    let number: Int
    let prepared: PreparedPhase
    /// The node's folder in the store.
    let directory: String
    /// Bytes that its open tasks work on.
    let totalBytes: Int
    var done: [Int: TaskManifest]
    var attempts: [Int: Int] = [:]
    var controls: [Int: TaskControl] = [:]
    var began = monotonicNanoseconds()
    var finishedDocuments = 0
    var finishedBytes = 0

    init(_ progress: Progress, phase number: Int, _ prepared: PreparedPhase, directory: String) {
      self.progress = progress
      self.number = number
      self.prepared = prepared
      self.directory = directory
      let open = prepared.tasks.indices.filter { prepared.kept[$0] == nil }
      totalBytes = open.reduce(0) { $0 + Int(prepared.tasks[$1].contentBytes) }
      done = prepared.kept
    }
  }

  private let store: RunStore
  private let planner: Planner
  private let run: Int64
  private let limits: Limits
  private let listen: (RunEvent) -> Void
  private let interruption: () -> Int
  /// Runs the tasks that do not run on threads of this process.
  private let cluster: ClusterExecutor?
  private let locked: LockedArtifacts?
  private let arrivals = Arrivals()
  private let removals: RemovalList
  /// Tells threads that fetch to come to an end.
  private let stopping = StopFlag()
  private let threads: ThreadExecutor
  private var graph: Graph { planner.graph }
  var schedule: Schedule
  private var manifests: [Int: NodeManifest]
  var running: [Int: NodeRun] = [:]
  private var interruptionSeen = 0
  private var stopNow: Int?
  /// Ids of hung attempts, whose late reports are ignored.
  var abandoned: [TaskControl] = []
  private var progressReported = 0
  var pool: WorkerPool<Report>

  /// - Parameters:
  ///   - manifests: nodes that are not selected but are read, by index.
  ///   - interruption: 0; 1: finish the running tasks; 2: stop now.
  init(
    store: RunStore, planner: Planner, run: Int64, manifests: [Int: NodeManifest], limits: Limits,
    cluster: ClusterExecutor? = nil, locked: LockedArtifacts? = nil, interruption: @escaping () -> Int,
    listen: @escaping (RunEvent) -> Void
  ) throws {
    self.store = store
    self.planner = planner
    self.run = run
    self.manifests = manifests
    self.limits = limits
    self.cluster = cluster
    self.locked = locked
    removals = try store.removals()
    self.interruption = interruption
    self.listen = listen
    schedule = Schedule(
      graph: planner.graph, selected: planner.selection.nodes, jobs: limits.jobs, memoryBytes: limits.memoryBytes,
      keepGoing: limits.keepGoing)
    let waits = planner.selection.nodes.contains { !planner.graph.nodes[$0].description.waitingPhases.isEmpty }
    // `Schedule.fit` reserves one.
    pool = try WorkerPool(threads: limits.jobs + (waits ? limits.waitingThreads : min(1, limits.waitingThreads)))
    threads = ThreadExecutor(start: pool.entry)
    schedule.fit(threads: pool.count)
  }

  func execute() throws -> RunOutcome {
    var isAbandoned = false
    try cluster?.begin(run: run) { [outlet = pool.outlet] in outlet(.notice($0)) }
    defer {
      cancelRunning()
      cluster?.end()
      pool.close(wait: !isAbandoned && abandoned.isEmpty)
    }
    while true {
      while let job = schedule.next(now: monotonicNanoseconds()) { start(job) }
      cluster?.flush()
      if schedule.isStopping { cluster?.stop() }
      if schedule.isFinished { break }
      for report in pool.receive(timeoutNanoseconds: 200_000_000) { try handle(report) }
      reportProgress()
      heedInterruption()
      try giveUpHungTasks()
      // The files on disk are consistent at every moment, so a task that does not respond need not be waited for.
      if let stopNow, monotonicNanoseconds() - stopNow > 3_000_000_000 {
        isAbandoned = true
        break
      }
    }
    if interruptionSeen > 0 { return .interrupted }
    return schedule.hasFailed ? .failed : .done
  }

  // MARK: Starting jobs

  private func start(_ job: Schedule.Job) {
    switch job {
    case .prepare(let node, let phase): prepare(node, phase, nil)
    case .task(let node, _, let task): startTask(node, task)
    }
  }

  private func prepare(_ node: Int, _ phase: Int, _ progress: Progress?) {
    let preparation = NodePreparation(
      store: store, planner: planner, run: run, node: node, phase: phase, manifests: manifests, progress: progress,
      cluster: cluster, locked: locked, arrivals: arrivals, stopping: stopping,
      notice: { [outlet = pool.outlet] in outlet(.notice($0)) })
    pool.submit {
      do { return try preparation.report() } catch {
        return .prepareFailed(node: node, message: "\(error)")
      }
    }
  }

  private func startTask(_ node: Int, _ task: Int) {
    let graphNode = graph.nodes[node]
    let control = TaskControl(timeoutSeconds: graphNode.timeoutSeconds)
    let phase = nodeRun(node)
    phase.controls[task] = control
    let state = phase.progress
    let plan = phase.prepared.tasks[task]
    let number = (phase.attempts[task] ?? 0) + 1
    var run = TaskRun(
      directory: phase.directory,
      keptState: store.artifacts.keptState(stage: graphNode.name), phase: graphNode.description.phases[phase.number],
      task: plan, fingerprint: phase.prepared.fingerprints[task],
      memoryBytes: plan.memoryBytes - phase.prepared.passes.memoryBytes, control: control, earlier: state.outputs,
      logPath: TaskLog.path(
        store: store.root, run: self.run, stage: graphNode.name, phase: graphNode.description.phases[phase.number],
        key: plan.key, attempt: number), limits: graphNode.configured.limits, removals: removals)
    run.passes = phase.prepared.passes
    let attempt = TaskAttempt(node: graphNode, run: run, number: number)
    executor(of: graphNode, phase: phase.number).submit(attempt) { [outlet = pool.outlet] in
      outlet(.ended(node: node, task: task, control, $0))
    }
  }

  private func executor(of node: Graph.Node, phase: Int) -> any TaskExecutor {
    if let cluster, cluster.takes(node, phase: phase) { return cluster }
    return threads
  }

  /// Of a node that has begun a phase and not ended it.
  private func nodeRun(_ node: Int) -> NodeRun {
    guard let found = running[node] else { fatalError("'\(graph.nodes[node].name)' has no phase that runs") }
    return found
  }

  // MARK: Handling reports

  private func handle(_ report: Report) throws {
    switch report {
    case .fresh(let node, let identity, let manifest):
      try settle(node, identity, .fresh)
      manifests[node] = manifest
      schedule.sealed(node, wasPreparing: true)
    case .fetched(let node, let manifest, let bytes):
      let place = locked?.remote.name ?? ""
      try settle(node, manifest.identity, .fetch(from: place))
      listen(.fetched(stage: manifest.stage, manifest, bytes: bytes, from: place))
      manifests[node] = manifest
      schedule.sealed(node, wasPreparing: true)
    case .prepared(let node, let number, let state, let prepared):
      if number == 0 { try settle(node, state.identity, state.verdict) }
      let directory = store.artifacts.directory(
        stage: graph.nodes[node].name, fingerprint: state.identity.fingerprint)
      try beginPhase(node, NodeRun(state, phase: number, prepared, directory: directory))
    case .prepareFailed(let node, let message):
      try store.recordFailure(
        run: run, stage: graph.nodes[node].name, phase: "", key: "", attempt: 1, message: message)
      fail(node, task: nil, wasPreparing: true, message)
    case .ended(let node, let task, let control, let outcome):
      if isAwaited(control) { try handle(outcome, node, task) }
    case .notice(let sentence): listen(.notice(sentence))
    }
  }

  private func handle(_ outcome: TaskOutcome, _ node: Int, _ task: Int) throws {
    switch outcome {
    case .finished(let manifest, let milliseconds, let usage): try finish(node, task, manifest, milliseconds, usage)
    case .failed(let message, let mayRetry): try taskFailed(node, task, message, mayRetry)
    case .stopped:
      nodeRun(node).controls[task] = nil
      _ = schedule.failed(node, task: task, wasPreparing: false)
    }
  }

  /// False for the report of an attempt that was given up; its thread becomes available again.
  private func isAwaited(_ control: TaskControl) -> Bool {
    guard let place = abandoned.firstIndex(where: { $0 === control }) else { return true }
    abandoned.remove(at: place)
    schedule.fit(threads: pool.count - abandoned.count)
    return false
  }

  private func settle(_ node: Int, _ identity: NodeIdentity, _ verdict: Verdict) throws {
    try store.record(verdict, stage: graph.nodes[node].name, run: run)
    listen(.judged(stage: graph.nodes[node].name, verdict))
  }

  private func beginPhase(_ node: Int, _ phase: NodeRun) throws {
    let graphNode = graph.nodes[node]
    let (number, prepared) = (phase.number, phase.prepared)
    running[node] = phase
    try store.recordPhase(
      node: phase.progress.nodeID, phase: graphNode.description.phases[number], tasks: prepared.tasks.count)
    listen(
      .phaseBegan(
        stage: graphNode.name, phase: graphNode.description.phases[number], tasks: prepared.tasks.count,
        kept: prepared.kept.count - prepared.passed.count))
    for (task, milliseconds) in prepared.passed.sorted(by: { $0.key < $1.key }) {
      listen(.taskFinished(stage: graphNode.name, prepared.kept[task]!, milliseconds: milliseconds))
    }
    let complete = schedule.prepared(
      node, phase: number, memory: prepared.tasks.map(\.memoryBytes), bytes: prepared.tasks.map(\.contentBytes),
      kept: Set(prepared.kept.keys),
      isRemote: executor(of: graphNode, phase: number) !== threads)
    if complete { try endPhase(node) }
  }

  private func finish(
    _ node: Int, _ task: Int, _ manifest: TaskManifest, _ milliseconds: Int, _ usage: TaskUsage?
  ) throws {
    let phase = nodeRun(node)
    let attempt = (phase.attempts[task] ?? 0) + 1
    if let usage {
      try store.record(
        usage, stage: graph.nodes[node].name, phase: manifest.phase, key: manifest.key, run: run, attempt: attempt)
    }
    try store.commitTask(
      node: phase.progress.nodeID, run: run, manifest: manifest, attempts: attempt, milliseconds: milliseconds)
    if let control = phase.controls.removeValue(forKey: task) {
      phase.finishedDocuments += control.progress.documents
      phase.finishedBytes += control.progress.bytes
    }
    phase.done[task] = manifest
    listen(.taskFinished(stage: graph.nodes[node].name, manifest, milliseconds: milliseconds))
    if schedule.finished(node, task: task) { try endPhase(node) }
  }

  /// Every task of the phase is done: continue with the next phase, or seal.
  private func endPhase(_ node: Int) throws {
    let graphNode = graph.nodes[node]
    let phase = nodeRun(node)
    running[node] = nil
    var progress = phase.progress
    let done = phase.prepared.tasks.indices.map { phase.done[$0]! }
    progress.manifests += done
    for manifest in done {
      for (port, file) in manifest.artifactFiles(in: phase.directory) {
        progress.outputs[port, default: []].append(file)
      }
    }
    if phase.number + 1 < graphNode.description.phases.count {
      if schedule.isStopping { return }
      schedule.beginPreparing(node)
      prepare(node, phase.number + 1, progress)
    } else {
      try seal(node, progress)
    }
  }

  private func seal(_ node: Int, _ state: Progress) throws {
    let graphNode = graph.nodes[node]
    var manifest = NodeManifest(stage: graphNode.name, identity: state.identity, tasks: state.manifests)
    manifest.warnings.merge(state.warnings) { own, _ in own }
    let emptiness = EmptinessCheck(
      manifest: manifest, node: graphNode, inputs: state.inputs, base: graph.document.folder)
    if let warning = emptiness.warning() { manifest.warnings["nothing-left"] = warning }
    if let problem = LedgerCheck.problem(manifest, inputs: state.inputs, graphNode.description) ?? emptiness.problem() {
      try store.recordFailure(run: run, stage: graphNode.name, phase: "", key: "", attempt: 1, message: problem)
      return fail(node, task: nil, wasPreparing: false, problem)
    }
    try store.artifacts.seal(manifest)
    try store.sealNode(state.nodeID, manifest: manifest, pipeline: graph.document.name)
    try store.recordUse(manifest, run: run)
    manifests[node] = manifest
    schedule.sealed(node, wasPreparing: false)
    listen(
      .sealed(
        stage: graphNode.name, manifest, milliseconds: (monotonicNanoseconds() - state.began) / 1_000_000))
  }

  // MARK: Failures

  func taskFailed(_ node: Int, _ task: Int, _ message: String, _ mayRetry: Bool) throws {
    let graphNode = graph.nodes[node]
    let phase = nodeRun(node)
    let plan = phase.prepared.tasks[task]
    let name = graphNode.description.phases[phase.number]
    let attempt = (phase.attempts[task] ?? 0) + 1
    phase.attempts[task] = attempt
    phase.controls[task] = nil
    try store.recordFailure(
      run: run, stage: graphNode.name, phase: name, key: plan.key, attempt: attempt, message: message)
    let isRunning = [.running, .failing].contains(schedule.state(of: node))
    if mayRetry, attempt <= graphNode.retries, interruptionSeen == 0, isRunning {
      let delay = RetryPolicy.delaySeconds(after: attempt)
      schedule.retry(node, task: task, notBefore: monotonicNanoseconds() + Int(delay * 1e9))
      listen(
        .taskRetried(
          stage: graphNode.name, phase: name, key: plan.key, attempt: attempt, message: message, delaySeconds: delay))
      return
    }
    if interruptionSeen < 2 {
      listen(.taskFailed(stage: graphNode.name, phase: name, key: plan.key, message: message))
    }
    fail(node, task: task, wasPreparing: false, message)
  }

  private func fail(_ node: Int, task: Int?, wasPreparing: Bool, _ message: String) {
    let wasFailed = [.failed, .failing].contains(schedule.state(of: node))
    let blocked = schedule.failed(node, task: task, wasPreparing: wasPreparing)
    if !wasFailed, interruptionSeen < 2 { listen(.stageFailed(stage: graph.nodes[node].name, message: message)) }
    for index in blocked {
      listen(.blocked(stage: graph.nodes[index].name, by: graph.nodes[node].name))
    }
  }

  // MARK: Monitoring

  private func heedInterruption() {
    let level = interruption()
    guard level > interruptionSeen else { return }
    interruptionSeen = level
    schedule.stop()
    stopping.set()
    cluster?.end(with: cluster?.interrupted(level) ?? .drain)
    for phase in running.values { phase.controls.values.forEach { $0.requestStop() } }
    listen(.interrupted(now: level > 1))
    if level > 1 {
      stopNow = monotonicNanoseconds()
      cancelRunning()
    }
  }

  private func cancelRunning() {
    for phase in running.values { phase.controls.values.forEach { $0.cancel() } }
  }

  /// At most five times per second, because it inspects every task of the running phases.
  private func reportProgress() {
    let now = monotonicNanoseconds()
    guard now - progressReported >= 190_000_000 else { return }
    progressReported = now
    let stages = graph.order.compactMap { node -> StageProgress? in
      guard let phase = running[node] else { return nil }
      let graphNode = graph.nodes[node]
      return phase.progress(of: graphNode.name, phase: graphNode.description.phases[phase.number], now: now)
    }
    if !stages.isEmpty { listen(.progress(stages)) }
  }
}
