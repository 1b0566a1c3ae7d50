import PipelineKit
import ShardKit

/// The state of a run in numbers, kept up to date by its events.
struct RunMetrics: Sendable {
  enum StageState: String, CaseIterable { case waiting, running, fresh, done, failed, blocked, stopped }

  struct Phase: Sendable, Equatable {
    var name: String
    var tasks = 0
    var kept = 0
    var done = 0
    var running = 0
    /// Tasks that wait for a machine of the cluster.
    var queued = 0

    /// Nothing of it runs any more.
    mutating func rest() { (running, queued) = (0, 0) }
  }

  struct Stage: Sendable {
    var state = StageState.waiting
    var phases: [Phase] = []
    /// Of this run's tasks.
    var completed = 0
    var failures = 0
    var retries = 0
    /// Documents and bytes that tasks of this run have processed: in earlier phases, and in the current one.
    var earlier = (documents: 0, bytes: 0)
    var current = (documents: 0, bytes: 0)
    /// Of the finished tasks; of the whole output once it is sealed.
    var ledger = Ledger()
    /// Of the tasks that this run has finished.
    var finished = Ledger()
    var seconds: Double?
    var statuses: [TaskStatus] = []
    var warnings = 0

    var processed: (documents: Int, bytes: Int) {
      (
        max(earlier.documents + current.documents, finished.input.documents),
        max(earlier.bytes + current.bytes, Int(finished.input.bytes))
      )
    }
  }

  let pipeline: String
  private(set) var run: Int64?
  private(set) var began: Double?
  private(set) var ended: Double?
  private(set) var outcome: RunOutcome?
  /// Seconds since 1970 at which a task, a document or a training step was last finished, or all tasks waited in a queue.
  private(set) var progressed: Double?
  private(set) var order: [String] = []
  private(set) var stages: [String: Stage] = [:]

  init(pipeline: String) { self.pipeline = pipeline }

  /// - Parameter now: seconds since 1970.
  mutating func handle(_ event: RunEvent, now: Double) {
    switch event {
    case .began(let run, let stages): begin(run, stages, now)
    case .judged(let stage, let verdict):
      set(stage, verdict == .fresh ? .fresh : .running)
      progressed = now
    case .phaseBegan(let stage, let phase, let tasks, let kept):
      beginPhase(stage, Phase(name: phase, tasks: tasks, kept: kept, done: kept))
      progressed = now
    case .taskFinished(let stage, let manifest, _):
      finish(stage, manifest)
      progressed = now
    case .taskRetried(let stage, _, _, _, _, _):
      stages[stage]?.retries += 1
      stages[stage]?.failures += 1
    case .taskFailed(let stage, _, _, _): stages[stage]?.failures += 1
    case .fetched(let stage, _, _, _):
      set(stage, .fresh)
      progressed = now
    case .stageFailed(let stage, _): set(stage, .failed)
    case .blocked(let stage, _): set(stage, .blocked)
    case .sealed(let stage, let manifest, let milliseconds):
      seal(stage, manifest, milliseconds)
      progressed = now
    case .progress(let running): if report(running) { progressed = now }
    case .notice, .interrupted: break
    case .ended(let outcome): end(outcome, now: now)
    }
  }

  /// Also for a run that ends by an error of its own, such as a full disk.
  mutating func end(_ outcome: RunOutcome, now: Double) {
    guard began != nil, self.outcome == nil else { return }
    self.outcome = outcome
    ended = now
    for (name, stage) in stages {
      if stage.state == .running { set(name, .stopped) }
      stages[name]?.statuses = []
      for phase in stage.phases.indices { stages[name]?.phases[phase].rest() }
    }
  }

  private mutating func begin(_ run: Int64, _ stages: [String], _ now: Double) {
    self.run = run
    began = now
    progressed = now
    order = stages
    for stage in stages { self.stages[stage] = Stage() }
  }

  private mutating func set(_ stage: String, _ state: StageState) { stages[stage]?.state = state }

  private mutating func beginPhase(_ name: String, _ phase: Phase) {
    guard var stage = stages[name] else { return }
    stage.earlier = (stage.earlier.documents + stage.current.documents, stage.earlier.bytes + stage.current.bytes)
    stage.current = (0, 0)
    stage.phases.removeAll { $0.name == phase.name }
    stage.phases.append(phase)
    stages[name] = stage
  }

  private mutating func finish(_ name: String, _ manifest: TaskManifest) {
    guard var stage = stages[name] else { return }
    if let phase = stage.phases.firstIndex(where: { $0.name == manifest.phase }) {
      stage.phases[phase].done += 1
      stage.phases[phase].running = max(0, stage.phases[phase].running - 1)
    }
    stage.completed += 1
    stage.finished += manifest.ledger
    stage.ledger += manifest.ledger
    stage.warnings += manifest.warnings.values.reduce(0) { $0 + $1.count }
    stages[name] = stage
  }

  private mutating func seal(_ name: String, _ manifest: NodeManifest, _ milliseconds: Int) {
    guard var stage = stages[name] else { return }
    stage.state = .done
    stage.ledger = manifest.ledger
    stage.warnings = manifest.warnings.values.reduce(0) { $0 + $1.count }
    stage.seconds = Double(milliseconds) / 1000
    for phase in stage.phases.indices { stage.phases[phase].rest() }
    stage.statuses = []
    stages[name] = stage
  }

  /// - Returns: whether anything has advanced.
  private mutating func report(_ running: [StageProgress]) -> Bool {
    var hasAdvanced = false
    for name in order where stages[name]?.state == .running && !running.contains(where: { $0.stage == name }) {
      stages[name]?.statuses = []
    }
    for progress in running {
      guard var stage = stages[progress.stage] else { continue }
      if let phase = stage.phases.firstIndex(where: { $0.name == progress.phase }) {
        stage.phases[phase].running = progress.running
        stage.phases[phase].queued = progress.queued
        stage.phases[phase].done = progress.tasksDone
      }
      // An attempt that fails takes its counts with it, but what is counted here never falls.
      let current = (
        documents: max(stage.current.documents, progress.documents), bytes: max(stage.current.bytes, progress.bytes)
      )
      if current != stage.current || stage.statuses != progress.statuses { hasAdvanced = true }
      stage.current = current
      stage.statuses = progress.statuses
      stages[progress.stage] = stage
    }
    return hasAdvanced || Self.isWaiting(running)
  }

  /// Whether all that could run waits for a machine: for hours perhaps, but nothing stands still.
  private static func isWaiting(_ running: [StageProgress]) -> Bool {
    running.contains { $0.queued > 0 } && !running.contains { $0.running > 0 }
  }
}
