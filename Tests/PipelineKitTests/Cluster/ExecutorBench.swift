import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Writes its key, one file per task.
struct WriteStage: SinglePhaseStage {
  struct Options: StageOptions {
    @Option("How many tasks.", in: 0...1000) var tasks = 3

    init() {}
  }

  static let name = "test.write"
  static let revision = 1
  static let summary = "Writes files."
  static let out = Output<Files>("files", "One per task.")
  static let outputs = [out.port]
  let options: Options
  init(options: Options) { self.options = options }

  func tasks(in context: PlanningContext) -> [TaskPlan] {
    (0..<options.tasks).map { TaskPlan(key: TaskPlan.padded($0)) }
  }

  func run(_ workspace: Workspace) throws {
    try workspace.write(Self.out, name: workspace.task.key, Array(workspace.task.key.utf8))
  }
}

extension StageRegistry {
  static let writing = StageRegistry([StageDescription(WriteStage.self)])
}

/// A store and a stage, for tests of what hands tasks to a cluster.
final class ExecutorBench: Sendable {
  let folder: String
  let store: RunStore
  let node: Graph.Node
  let graph: Graph

  init() throws {
    folder = temporaryDirectory()
    let text = #"{ "format": 1, "name": "p", "stages": { "t": { "use": "test.write", "retries": 3 } } }"#
    graph = try Graph(PipelineSpec.parse(Array(text.utf8), path: folder + "/p.json"), registry: .writing)
    node = graph.nodes[0]
    store = try RunStore(root: folder + "/store")
  }

  deinit { try? FileSystem.removeTree(folder) }

  var directory: String { store.artifacts.directory(stage: "t", fingerprint: Digester.digest([])) }

  /// One that keeps tests quick: each task has a job of its own unless `secondsPerJob` says otherwise.
  func profile(secondsPerJob: Int = 0) -> SiteProfile {
    var profile = SiteProfile()
    profile.program = "/bin/true"
    profile.visibilitySeconds = 1
    profile.pollSeconds = 1
    var own = SiteResources()
    own.secondsPerJob = secondsPerJob
    profile.resources = ["*": own]
    return profile
  }

  func attempt(_ key: String, directory: String? = nil, number: Int = 1) -> TaskAttempt {
    var plan = key.hasPrefix("large") ? TaskPlan(key: key, memoryBytes: 200 << 30) : TaskPlan(key: key)
    // What a message about the task names; the stage reads nothing.
    if key == "poison" {
      plan.inputs = [
        .main: [ArtifactFile(path: folder + "/poison.jsonl", name: "p", bytes: 1, digest: Digester.digest([]))]
      ]
    }
    let fingerprint = Fingerprint.task(
      stage: "test.write", revision: 1, options: [:], phase: node.description.phases[0], task: plan)
    let run = TaskRun(
      directory: directory ?? self.directory, keptState: store.artifacts.keptState(stage: "t"),
      phase: node.description.phases[0], task: plan, fingerprint: fingerprint, memoryBytes: plan.memoryBytes,
      control: TaskControl())
    return TaskAttempt(node: node, run: run, number: number)
  }

  func record(peakBytes: Int) throws {
    let usage = TaskUsage(
      host: "n1", job: "1", milliseconds: 1, processorMilliseconds: 1, peakBytes: peakBytes, askedBytes: 1,
      askedCores: 1)
    try store.record(usage, stage: "t", phase: "run", key: "\(peakBytes)", run: 1, attempt: 1)
  }

  func record(taskMilliseconds: Int) throws {
    let run = try store.beginRun(document: "", name: "p", arguments: "")
    let identity = NodeIdentity(use: "test.write", revision: 1, options: [:], inputs: [], files: [])
    let id = try store.beginNode(stage: "t", identity: identity, run: run)
    let manifest = TaskManifest(
      phase: "run", key: "0", fingerprint: Digester.digest([]), files: [], ledger: Ledger(), warnings: [:], metrics: [:]
    )
    try store.commitTask(node: id, run: run, manifest: manifest, attempts: 1, milliseconds: taskMilliseconds)
  }

  var batches: [String] { (try? FileSystem.list(store.root + "/jobs")) ?? [] }
}

/// A cluster whose jobs do what a test says, at the moment in which they are submitted.
final class FakeCluster: Cluster {
  struct State: Sendable {
    var submitted: [JobBatch] = []
    /// What it says of jobs; it has forgotten the others.
    var states: [String: [Int: JobState]] = [:]
    var numbers: [String: String] = [:]
    var cancellations: [(jobs: [String], waitingOnly: Bool)] = []
    var namesAsked: [String] = []
    var questions = 0
    /// Numbers whose states were asked for.
    var asked: Set<String> = []
    /// Which nodes are broken, and of which lists that was asked.
    var broken: [String] = []
    var nodesAsked: [String] = []
    /// The most jobs that a submission may have.
    var limit = Int.max
    var isSilent = false
    /// Cancelled jobs take their time.
    var endsSlowly = false
  }

  let name = "Fake"
  let mostGroups: Int
  let pollSeconds: Int
  let state = Monitor(State())
  /// What a job does; returns what is said of it from then on, nil for one that is forgotten.
  private let job: @Sendable (FakeJob) throws -> JobState?
  /// By the number of the submission, from 1: before and after the jobs are taken.
  private let refusing: @Sendable (Int) -> ClusterError?
  private let losing: @Sendable (Int) -> ClusterError?

  init(
    mostGroups: Int = 1000, pollSeconds: Int = 0,
    job: @escaping @Sendable (FakeJob) throws -> JobState? = { try $0.work() },
    refusing: @escaping @Sendable (Int) -> ClusterError? = { _ in nil },
    losing: @escaping @Sendable (Int) -> ClusterError? = { _ in nil }
  ) {
    self.mostGroups = mostGroups
    self.pollSeconds = pollSeconds
    self.refusing = refusing
    self.losing = losing
    self.job = job
  }

  func script(_ batch: JobBatch, in folder: BatchFolder) -> String { "#!/bin/bash\n" }

  func submit(_ batch: JobBatch, in folder: BatchFolder) throws(ClusterError) -> String {
    let count = state.with {
      $0.submitted.append(batch)
      return $0.submitted.count
    }
    if let error = refusing(count) { throw error }
    if batch.groups.count > state.with({ $0.limit }) { throw ClusterError(.limited, "sbatch", "too many jobs") }
    let number = "\(100 + count)"
    for group in batch.groups.indices {
      let own = FakeJob(batch: batch, folder: folder, group: group, number: number, submission: count)
      var said: JobState?
      do { said = try job(own) } catch { Issue.record("a job of the test fails: \(error)") }
      state.with { $0.states[number, default: [:]][group] = said }
    }
    if let error = losing(count) {
      throw error
    }
    return number
  }

  func isHopeless(_ reason: String) -> Bool { reason == "Never" }

  func find(jobName: String) throws(ClusterError) -> [String] {
    state.with {
      $0.namesAsked.append(jobName)
      return $0.numbers[jobName].map { [$0] } ?? []
    }
  }

  func broken(_ nodes: String) throws(ClusterError) -> [String] {
    state.with {
      $0.nodesAsked.append(nodes)
      return $0.broken
    }
  }

  func states(of jobs: [ClusterJob]) throws(ClusterError) -> [String: [Int: JobState]] {
    let found = state.with { state -> [String: [Int: JobState]]? in
      state.questions += 1
      state.asked.formUnion(jobs.map(\.number))
      if state.isSilent { return nil }
      return state.states.filter { number, _ in jobs.contains { $0.number == number } }
    }
    guard let found else { throw ClusterError(.silent, "fake", "is away") }
    return found
  }

  func cancel(_ jobs: [ClusterJob], waitingOnly: Bool) throws(ClusterError) {
    let isHeard = state.with { state in
      if state.isSilent { return false }
      state.cancellations.append((jobs.map(\.number), waitingOnly))
      if !state.endsSlowly || waitingOnly { state.end(jobs.map(\.number), waitingOnly: waitingOnly) }
      return true
    }
    if !isHeard { throw ClusterError(.silent, "fake", "is away") }
  }

  func checks() -> [ClusterCheck] { [] }
}

extension FakeCluster.State {
  mutating func end(_ numbers: [String], waitingOnly: Bool = false) {
    for number in numbers {
      for (group, said) in states[number] ?? [:] {
        switch said {
        case .waiting: states[number]?[group] = .ended(.cancelled, node: "")
        case .running(let node), .completing(let node):
          if !waitingOnly { states[number]?[group] = .ended(.cancelled, node: node) }
        case .ended, .unknown: break
        }
      }
    }
  }
}

/// One job of a fake cluster, with what a worker does.
struct FakeJob: Sendable {
  let batch: JobBatch
  let folder: BatchFolder
  let group: Int
  let number: String
  /// From 1.
  let submission: Int

  var node: String { "n\(submission)" }

  func tasks() throws -> [JobTask] { try folder.readTasks(batch, group: group) }

  func claim() throws { try FileSystem.write(Array("\(number)_\(group)\n".utf8), to: folder.claim(group)) }

  func report(
    _ kind: JobReport.Kind, _ task: JobTask? = nil, message: String? = nil, mayRetry: Bool? = nil,
    fraction: Double? = nil, host: String? = nil
  ) throws {
    let report = JobReport(
      kind: kind, key: task?.key ?? "", host: host ?? node, job: "\(number)_\(group)", message: message,
      mayRetry: mayRetry, fraction: fraction)
    let earlier = (try? FileSystem.read(folder.outcomes(group))) ?? []
    try FileSystem.write(earlier + Array((report.json.text() + "\n").utf8), to: folder.outcomes(group))
  }

  /// Publishes what the task writes.
  func publish(_ task: JobTask) throws {
    let run = TaskRun(
      directory: batch.directory, keptState: batch.keptState, phase: batch.phase, task: try task.plan(),
      fingerprint: task.fingerprint, memoryBytes: 1 << 20, control: TaskControl(), staging: "\(batch.id)-\(task.key)")
    _ = try run.run(WriteStage(options: WriteStage.Options()))
  }

  func finish(_ task: JobTask) throws {
    try publish(task)
    try report(.finished, task)
  }

  /// Shows how far its task is, with an hour's work since it went on.
  func beat(_ task: JobTask, from first: Double = 0, fraction: Double, time: Int = 3_600_000) throws {
    let beat = Heartbeat(
      time: time, host: node, process: 1, key: task.key, documents: 0, bytes: 0, fraction: fraction,
      firstFraction: first, firstTime: 0)
    try FileSystem.write(Array(beat.json.text().utf8), to: folder.heartbeat(group))
  }

  func end(code: Int) throws { try FileSystem.write(Array("\(code)\n".utf8), to: folder.end(group)) }

  /// Does everything that is to be done.
  @discardableResult
  func work() throws -> JobState {
    try claim()
    for task in try tasks() {
      try report(.began, task)
      try finish(task)
    }
    try end(code: 0)
    return .ended(.completed, node: node)
  }

  /// Begins its first task and ends so.
  func die(_ end: JobEnd, code: Int? = nil) throws -> JobState {
    try claim()
    try report(.began, tasks()[0])
    if let code { try self.end(code: code) }
    return .ended(end, node: node)
  }
}

/// One driver over a store, with what it reports.
final class Driven: Sendable {
  let executor: ClusterExecutor
  private let bench: ExecutorBench
  private let outcomes = Monitor<[String: TaskOutcome]>([:])
  private let sentences = Monitor<[String]>([])
  private let attempts = Monitor<[String: TaskAttempt]>([:])

  init(_ bench: ExecutorBench, _ cluster: FakeCluster, profile: SiteProfile? = nil, run: Int64 = 1) throws {
    self.bench = bench
    executor = ClusterExecutor(cluster, profile: profile ?? bench.profile(), store: bench.store)
    try executor.begin(run: run) { [sentences] sentence in sentences.with { $0.append(sentence) } }
  }

  /// Hands tasks over, all at once.
  @discardableResult
  func submit(_ keys: [String], directory: String? = nil) -> Driven {
    for key in keys {
      let attempt = bench.attempt(key, directory: directory)
      attempts.with { $0[key] = attempt }
      executor.submit(attempt) { [outcomes] outcome in
        outcomes.with {
          if $0.updateValue(outcome, forKey: key) != nil { Issue.record("\(key) is reported twice") }
        }
      }
    }
    executor.flush()
    return self
  }

  /// What a task's progress shows.
  func control(_ key: String) -> TaskControl? { attempts.with { $0[key]?.run.control } }

  var notices: [String] { sentences.with { $0 } }

  /// By key: "finished", "stopped" or the message of the failure, with a mark where it may be tried again.
  var words: [String: String] {
    outcomes.with { outcomes in
      outcomes.mapValues {
        switch $0 {
        case .finished: "finished"
        case .stopped: "stopped"
        case .failed(let message, let mayRetry): (mayRetry ? "again: " : "") + message
        }
      }
    }
  }

  /// Waits until so many tasks are reported, and ends.
  func finish(_ count: Int) async throws -> [String: String] {
    try await works(until: "\(count) outcomes") { words.count >= count }
    executor.end()
    return words
  }
}

/// Waits for something that comes about soon.
func works(until what: String, _ isSo: () throws -> Bool) async throws {
  for _ in 0..<60_000 {
    if try isSo() { return }
    try await Task.sleep(for: .milliseconds(10))
  }
  throw StageError(.check, what, "does not come about within ten minutes")
}
