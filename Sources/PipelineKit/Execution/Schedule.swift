/// Which job comes next: a pure state machine over the graph's nodes, their phases and tasks.
///
/// Knows no thread, clock or file. `next` hands out jobs within the limits; the executor reports how each ended.
struct Schedule {
  enum Job: Equatable {
    /// Judge the node and list the tasks of a phase.
    case prepare(node: Int, phase: Int)
    case task(node: Int, phase: Int, task: Int)
  }

  enum State: Equatable {
    case waiting, preparing, running, sealing, done, failed, blocked(by: Int), unselected
  }

  private struct Node {
    var state: State
    var unmet: Int
    var phase = 0
    /// Tasks not handed out yet, last first, and those that wait for a retry.
    var queue: [Int] = []
    var delayed: [(task: Int, notBefore: Int)] = []
    var open = 0
    var memory: [Int] = []
    /// Of its running tasks, those that wait for servers.
    var waiting = 0
  }

  /// Tasks that wait for servers run besides `jobs`: so many at once, and of one stage.
  static let mostWaiting = 16
  static let mostWaitingOfAStage = 4

  private let graph: Graph
  private let readers: [[Int]]
  private let mostJobs: Int
  /// Of these, as many as there are threads for.
  private var jobs: Int
  private var waitingTasks: Int
  private let memoryBytes: Int
  private let keepGoing: Bool
  private var nodes: [Node]
  /// Jobs that take a processor.
  private var running = 0
  private var waiting = 0
  private var memoryInUse = 0
  /// Set by a failure without `keepGoing`, or by an interruption: nothing new is handed out.
  private(set) var isStopping = false

  init(graph: Graph, selected: Set<Int>, jobs: Int, memoryBytes: Int, keepGoing: Bool) {
    self.graph = graph
    mostJobs = jobs
    self.jobs = jobs
    // With one job, tasks run one after another whatever they do.
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
  var isIdle: Bool { running == 0 && waiting == 0 }
  /// True when nothing runs and nothing can be handed out any more.
  var isFinished: Bool {
    guard isIdle else { return false }
    if isStopping { return true }
    return !nodes.contains { node in
      node.state == .waiting && node.unmet == 0 || node.state == .running || node.state == .preparing
    }
  }
  var hasFailed: Bool { nodes.contains { $0.state == .failed } }
  func runningTasks(of node: Int) -> Int { nodes[node].open - nodes[node].queue.count - nodes[node].delayed.count }

  mutating func stop() { isStopping = true }

  /// Hands out no more at once than there are threads; one of them at least is left to the tasks that wait for servers,
  /// which would take the place of jobs otherwise.
  mutating func fit(threads: Int) {
    jobs = max(1, min(mostJobs, threads - 1))
    waitingTasks = mostJobs > 1 ? max(0, min(Self.mostWaiting, threads - jobs)) : 0
  }

  /// The next job that fits, in the order of the graph; nil if there is none now.
  /// - Parameter now: monotonic nanoseconds, for retries that wait.
  mutating func next(now: Int) -> Job? {
    guard !isStopping else { return nil }
    for index in graph.order {
      switch nodes[index].state {
      // What is soon to wait for a server need not wait for a processor first.
      case .waiting where nodes[index].unmet == 0 && (running < jobs || waits(index, phase: 0)):
        nodes[index].state = .preparing
        running += 1
        return .prepare(node: index, phase: 0)
      case .running:
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

  private func waits(_ node: Int, phase: Int) -> Bool {
    let description = graph.nodes[node].description
    return mostJobs > 1 && description.waitingPhases.contains(description.phases[phase])
  }

  private func hasRoom(_ node: Int) -> Bool {
    // Without a thread of their own, tasks that wait take turns with the jobs.
    if waitingTasks == 0, waiting > 0 { return false }
    guard waits(node, phase: nodes[node].phase) else { return running < jobs }
    if waitingTasks == 0 { return isIdle }
    return waiting < waitingTasks && nodes[node].waiting < Self.mostWaitingOfAStage
  }

  /// A task larger than the whole budget runs alone.
  private mutating func admit(_ node: Int, _ task: Int) -> Bool {
    let memory = nodes[node].memory[task]
    guard memoryInUse == 0 || memoryInUse + memory <= memoryBytes else { return false }
    memoryInUse += memory
    count(1, node)
    return true
  }

  /// Counts a task of the node's phase that begins or ends.
  private mutating func count(_ change: Int, _ node: Int) {
    guard waits(node, phase: nodes[node].phase) else { return running += change }
    waiting += change
    nodes[node].waiting += change
  }

  /// A phase was listed. Returns true if none of its tasks is open, so that the node can go on at once.
  /// - Parameters:
  ///   - memory: each task's estimate.
  ///   - kept: tasks that an earlier run finished.
  mutating func prepared(_ node: Int, phase: Int, memory: [Int], kept: Set<Int>) -> Bool {
    running -= 1
    nodes[node].phase = phase
    // An estimate beyond every machine is as good as the largest.
    nodes[node].memory = memory.map { min(max(0, $0), 1 << 50) }
    nodes[node].queue = memory.indices.reversed().filter { !kept.contains($0) }
    nodes[node].open = nodes[node].queue.count
    nodes[node].state = .running
    return nodes[node].open == 0
  }

  /// A task ended well. Returns true if it was the last of its phase.
  mutating func finished(_ node: Int, task: Int) -> Bool {
    release(node, task)
    nodes[node].open -= 1
    return nodes[node].open == 0 && nodes[node].state == .running
  }

  mutating func retry(_ node: Int, task: Int, notBefore: Int) {
    release(node, task)
    nodes[node].delayed.append((task, notBefore))
  }

  private mutating func release(_ node: Int, _ task: Int) {
    count(-1, node)
    memoryInUse -= nodes[node].memory[task]
  }

  /// The next phase of a node is to be listed; it takes the slot when `next` is asked.
  mutating func beginPreparing(_ node: Int) {
    nodes[node].state = .preparing
    running += 1
  }

  /// A node is complete: its readers come nearer. Also for a node found fresh.
  mutating func sealed(_ node: Int, wasPreparing: Bool) {
    if wasPreparing { running -= 1 }
    nodes[node].state = .done
    for reader in readers[node] { nodes[reader].unmet -= 1 }
  }

  /// A node cannot go on. Returns the nodes that are blocked by it.
  mutating func failed(_ node: Int, task: Int?, wasPreparing: Bool) -> [Int] {
    if let task { release(node, task) }
    if wasPreparing { running -= 1 }
    guard nodes[node].state != .failed else { return [] }
    nodes[node].state = .failed
    nodes[node].queue = []
    nodes[node].delayed = []
    if !keepGoing { isStopping = true }
    let blocked = graph.order.filter {
      $0 != node && graph.ancestors(of: $0).contains(node) && nodes[$0].state == .waiting
    }
    for index in blocked { nodes[index].state = .blocked(by: node) }
    return blocked
  }
}
