import Glibc
import ShardKit

/// Connects the steps: pipeline file → graph → plan → schedule → artifacts → records.
///
///     let graph = try Graph(PipelineSpec.load("corpus.json"), registry: .builtin)
///     let store = try RunStore(root: "corpus/.pipeline")
///     let run = try PipelineRun(graph: graph, store: store, settings: .init())
///     let outcome = try run.run { print($0) }
public struct PipelineRun {
  public struct Settings: Sendable {
    public var from: [String] = []
    public var until: [String] = []
    public var only: [String] = []
    public var force = false
    public var keepGoing = false
    public var jobs = availableProcessors()
    public var memoryBytes = physicalMemoryBytes() / 2
    /// Threads for tasks that wait for servers, in addition to `jobs`.
    public var waitingThreads = Schedule.mostWaiting
    /// The command line, for the record.
    public var arguments = ""

    public init() {}
  }

  public let graph: Graph
  public let store: RunStore
  public let settings: Settings
  /// Where tasks run; nil for threads of this process.
  public var cluster: ClusterExecutor? {
    didSet { planner.runsHere = { [cluster] node in !(cluster?.takes(node, phase: 0) ?? false) } }
  }
  /// Outputs that are fetched instead of computed; nil for none.
  public var locked: LockedArtifacts?
  private var planner: Planner

  /// - Throws: `RunError` with the code `.selection` when the settings name a stage that the graph does not have.
  public init(graph: Graph, store: RunStore, settings: Settings) throws {
    self.graph = graph
    self.store = store
    self.settings = settings
    var selection = try Selection(
      graph: graph, from: settings.from, until: settings.until, only: settings.only, force: settings.force)
    try selection.widen(graph, history: StoreHistory(store: store, pipeline: graph.document.name))
    planner = Planner(graph: graph, selection: selection)
  }

  /// What a run would do now. Changes nothing.
  /// - Throws: `ShardError` or `StageError` when an input file cannot be found or read, `RunError` for a store that
  ///   cannot be read.
  public func plan() throws -> Plan {
    try Plan(planner, history: StoreHistory(store: store, pipeline: graph.document.name), locked: locked)
  }

  /// Runs what is out of date.
  /// - Parameters:
  ///   - interruption: asked often: 0, 1 (finish the running tasks) or 2 (stop now).
  ///   - listen: hears what happens, on the calling thread.
  /// - Returns: `.done`, `.failed` or `.interrupted`. A stage that fails does not throw: `listen` hears of it.
  /// - Throws: `RunError`: another runner holds the store (`.locked`), or a stage that is needed was not selected and
  ///   is not up to date (`.selection`); also whatever keeps the store from being written.
  public func run(
    interruption: @escaping () -> Int = { 0 }, listen: @escaping (RunEvent) -> Void = { _ in }
  ) throws -> RunOutcome {
    let lock = try StoreLock(root: store.root)
    defer { withExtendedLifetime(lock) {} }
    if graph.nodes.contains(where: { !$0.configured.concealed.isEmpty }) { try StoreSalt.ensure(in: store.root) }
    let manifests = try unselectedSources()
    if cluster == nil { try refuseLeftJobs() }
    let run = try store.beginRun(
      document: graph.document.path, name: graph.document.name, arguments: settings.arguments)
    for manifest in manifests.values.sorted(by: { $0.stage < $1.stage }) {
      try store.keepAsNewest(manifest, run: run, pipeline: graph.document.name)
    }
    listen(.began(run: run, stages: graph.order.filter(planner.selection.nodes.contains).map { graph.nodes[$0].name }))
    var outcome = RunOutcome.failed
    defer { try? store.endRun(run, outcome) }
    let executor = try Executor(
      store: store, planner: planner, run: run, manifests: manifests,
      limits: .init(
        jobs: settings.jobs, waitingThreads: settings.waitingThreads, memoryBytes: settings.memoryBytes,
        keepGoing: settings.keepGoing),
      cluster: cluster, locked: locked, interruption: { lock.isLost ? 2 : interruption() }, listen: listen)
    outcome = try executor.execute()
    listen(.ended(outcome))
    return outcome
  }

  /// Jobs that still run for this store would write the same files.
  private func refuseLeftJobs() throws {
    let left = try JobList(store: store.root, isStrict: true).unfinished
    guard !left.isEmpty else { return }
    let numbers = left.compactMap(\.numbers.first).joined(separator: ", ")
    throw RunError(
      .locked, "jobs of an earlier run may still work for the store \(store.root): \(numbers)",
      hint: "Continue them by running with --executor slurm or ssh, or end them with `pipeline jobs --cancel`.")
  }

  /// Artifacts of unselected stages that selected stages read. They must exist and be up to date.
  private func unselectedSources() throws -> [Int: NodeManifest] {
    let history = StoreHistory(store: store, pipeline: graph.document.name)
    var manifests: [Int: NodeManifest] = [:]
    let needed = planner.selection.nodes.reduce(into: Set<Int>()) { $0.formUnion(graph.ancestors(of: $1)) }
    for index in graph.order where needed.contains(index) && !planner.selection.nodes.contains(index) {
      let name = graph.nodes[index].name
      let identity = try planner.identity(of: index, sources: manifests, history: history)
      let verdict = try planner.verdict(on: index, identity, history: history)
      if verdict == .fresh, let manifest = try history.sealed(stage: name, fingerprint: identity.fingerprint) {
        manifests[index] = manifest
        continue
      }
      let reasons = verdict.reasons.joined(separator: "; ")
      throw RunError(
        .selection, "the stage '\(name)' is needed but not selected, and it is not up to date: \(reasons)",
        hint: "Run without --from and --only, or also select '\(name)'.")
    }
    return manifests
  }
}

public func physicalMemoryBytes() -> Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }
