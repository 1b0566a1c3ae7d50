/// Decides which job comes next: a pure state machine over the graph's nodes, their phases and tasks.
///
/// It knows nothing of threads, clocks or files. `next` hands out jobs within the limits; the executor reports how each
/// ended.
struct Schedule {
  enum Job: Equatable {
    /// Plan the node and list the tasks of a phase.
    case prepare(node: Int, phase: Int)
    case task(node: Int, phase: Int, task: Int)
  }

  enum State: Equatable {
    case waiting, preparing, running, sealing, done, failed, blocked(by: Int), unselected
    /// A task has failed; under `keepGoing` the others of its phase go on, so that they need not run again.
    case failing
  }

  struct Node {
    var state: State
    var unmet: Int
    var phase = 0
    /// Tasks not handed out yet, in reverse order, and tasks waiting for a retry.
    var queue: [Int] = []
    var delayed: [(task: Int, notBefore: Int)] = []
    var open = 0
    /// Tasks that have yet to be handed out.
    var hasMore: Bool { !queue.isEmpty || !delayed.isEmpty }
    var memory: [Int] = []
    /// Running tasks that mostly wait for servers.
    var waiting = 0
    /// Whether the tasks of its phase run on other machines.
    var isRemote = false
  }

  /// Limits for tasks that wait for servers, in addition to `jobs`: in total, and per stage.
  static let mostWaiting = 16
  static let mostWaitingOfAStage = 4
  /// Tasks on other machines and in their queues: as many as can be kept in memory.
  static let mostRemote = 1_000_000

  let graph: Graph
  let readers: [[Int]]
  let mostJobs: Int
  /// How many of these there are threads for.
  var jobs: Int
  var waitingTasks: Int
  let memoryBytes: Int
  let keepGoing: Bool
  var nodes: [Node]
  /// Jobs that occupy a processor.
  var running = 0
  var waiting = 0
  /// Tasks that were handed to other machines.
  var remote = 0
  var memoryInUse = 0
  /// Set by a failure without `keepGoing`, or by an interruption: no new jobs are handed out.
  private(set) var isStopping = false

  init(graph: Graph, selected: Set<Int>, jobs: Int, memoryBytes: Int, keepGoing: Bool) {
    self.graph = graph
    mostJobs = jobs
    self.jobs = jobs
    // With one job, all tasks run one after another.
    waitingTasks = jobs > 1 ? Self.mostWaiting : 0
    self.memoryBytes = memoryBytes
    self.keepGoing = keepGoing
    var readers = [[Int]](repeating: [], count: graph.nodes.count)
    nodes = graph.nodes.indices.map { index in
      let sources = graph.sources(of: index).filter { selected.contains($0) }
      for source in sources { readers[source].append(index) }
      return Node(state: selected.contains(index) ? .waiting : .unselected, unmet: sources.count)
    }
    self.readers = readers
  }

  func state(of node: Int) -> State { nodes[node].state }
  var isIdle: Bool { running == 0 && waiting == 0 && remote == 0 }
  /// True if nothing is running and nothing more can be handed out.
  var isFinished: Bool {
    guard isIdle else { return false }
    if isStopping { return true }
    return !nodes.contains { node in
      node.state == .waiting && node.unmet == 0 || node.state == .running || node.state == .preparing
        || node.state == .failing && node.hasMore
    }
  }
  var hasFailed: Bool { nodes.contains { $0.state == .failed || $0.state == .failing } }

  mutating func stop() { isStopping = true }

  /// Hands out no more jobs at once than there are threads. At least one thread is reserved for tasks that wait for
  /// servers; they would otherwise take the place of jobs.
  mutating func fit(threads: Int) {
    jobs = max(1, min(mostJobs, threads - 1))
    waitingTasks = mostJobs > 1 ? max(0, min(Self.mostWaiting, threads - jobs)) : 0
  }

  /// The next job that fits, in graph order; nil if there is none now.
  /// - Parameter now: monotonic nanoseconds, for pending retries.
  mutating func next(now: Int) -> Job? {
    guard !isStopping else { return nil }
    for index in graph.order {
      switch nodes[index].state {
      // A task that will wait for a server need not wait for a processor first.
      case .waiting where nodes[index].unmet == 0 && (running < jobs || waits(index, phase: 0)):
        nodes[index].state = .preparing
        running += 1
        return .prepare(node: index, phase: 0)
      case .running, .failing:
        if let i = nodes[index].delayed.firstIndex(where: { $0.notBefore <= now }) {
          nodes[index].queue.append(nodes[index].delayed.remove(at: i).task)
        }
        guard let task = nodes[index].queue.last, hasRoom(index), admit(index, task) else { continue }
        nodes[index].queue.removeLast()
        return .task(node: index, phase: nodes[index].phase, task: task)
      default: continue
      }
    }
    return nil
  }

  /// Records the tasks of a phase. Returns true if none of them is open, so that the node can continue immediately.
  /// - Parameters:
  ///   - memory: each task's estimate.
  ///   - bytes: how much each task reads. The largest are handed out first, so that a phase does not end with one that began
  ///     last; with one job, and on other machines, tasks keep their order.
  ///   - kept: tasks finished by an earlier run.
  ///   - isRemote: whether they run on other machines.
  mutating func prepared(
    _ node: Int, phase: Int, memory: [Int], bytes: [Int64] = [], kept: Set<Int>, isRemote: Bool = false
  ) -> Bool {
    running -= 1
    nodes[node].phase = phase
    nodes[node].isRemote = isRemote
    // Estimates larger than any machine count as the maximum.
    nodes[node].memory = memory.map { min(max(0, $0), 1 << 50) }
    nodes[node].queue = memory.indices.reversed().filter { !kept.contains($0) }
    if mostJobs > 1, !isRemote, !bytes.isEmpty {
      nodes[node].queue.sort { (bytes[$0], $1) < (bytes[$1], $0) }
    }
    nodes[node].open = nodes[node].queue.count
    nodes[node].state = .running
    return nodes[node].open == 0
  }

  /// Records the success of a task. Returns true if it was the last of its phase.
  mutating func finished(_ node: Int, task: Int) -> Bool {
    release(node, task)
    nodes[node].open -= 1
    return nodes[node].open == 0 && nodes[node].state == .running
  }

  mutating func retry(_ node: Int, task: Int, notBefore: Int) {
    release(node, task)
    nodes[node].delayed.append((task, notBefore))
  }

  /// Queues the next phase of a node for planning; it takes a slot when `next` is called.
  mutating func beginPreparing(_ node: Int) {
    nodes[node].state = .preparing
    running += 1
  }

  /// Marks a node as complete, which may make its readers ready. Also called for nodes that are fresh.
  mutating func sealed(_ node: Int, wasPreparing: Bool) {
    if wasPreparing { running -= 1 }
    nodes[node].state = .done
    for reader in readers[node] { nodes[reader].unmet -= 1 }
  }

  /// Marks a node as failed. Returns the nodes that are blocked by it.
  mutating func failed(_ node: Int, task: Int?, wasPreparing: Bool) -> [Int] {
    if let task { release(node, task) }
    if wasPreparing { running -= 1 }
    guard nodes[node].state != .failed, nodes[node].state != .failing else { return [] }
    nodes[node].state = keepGoing && task != nil ? .failing : .failed
    if !keepGoing {
      nodes[node].queue = []
      nodes[node].delayed = []
      isStopping = true
    }
    let blocked = graph.order.filter {
      $0 != node && graph.ancestors(of: $0).contains(node) && nodes[$0].state == .waiting
    }
    for index in blocked { nodes[index].state = .blocked(by: node) }
    return blocked
  }
}
