import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// a → b → d, a → c → d
private func diamond() throws -> Graph {
  let document = """
    { "format": 1, "name": "diamond", "stages": {
      "d": { "use": "fake.sum", "inputs": { "documents": ["b", "c"] } },
      "b": { "use": "fake.filter", "inputs": { "documents": "a" } },
      "c": { "use": "fake.filter", "inputs": { "documents": "a" } },
      "a": { "use": "fake.source", "options": { "files": "x" } } } }
    """
  return try Graph(try PipelineSpec.parse(Array(document.utf8), path: "/p.json"), registry: .fake)
}

@Suite struct ScheduleTests {
  private let graph: Graph
  private let a, b, c, d: Int

  init() throws {
    graph = try diamond()
    a = graph.index(of: "a")!
    b = graph.index(of: "b")!
    c = graph.index(of: "c")!
    d = graph.index(of: "d")!
  }

  private func schedule(jobs: Int = 8, memory: Int = 100, keepGoing: Bool = false, selected: Set<Int>? = nil)
    -> Schedule
  {
    Schedule(
      graph: graph, selected: selected ?? Set(graph.nodes.indices), jobs: jobs, memoryBytes: memory,
      keepGoing: keepGoing)
  }

  @Test func sourcesComeBeforeReaders() {
    #expect(graph.order.map { graph.nodes[$0].name } == ["a", "b", "c", "d"])
  }

  @Test func twoStagesRunAtOnceWhereTheGraphAllows() {
    var s = schedule()
    #expect(s.next(now: 0) == .prepare(node: a, phase: 0))
    #expect(s.next(now: 0) == nil)
    s.sealed(a, wasPreparing: true)
    #expect(s.next(now: 0) == .prepare(node: b, phase: 0))
    #expect(s.next(now: 0) == .prepare(node: c, phase: 0))
    #expect(s.next(now: 0) == nil, "d waits for both")
  }

  /// So that a phase does not end with a large task that began last.
  @Test func theLargestTasksAreHandedOutFirst() {
    func order(jobs: Int, isRemote: Bool = false) -> [Int] {
      var s = schedule(jobs: jobs)
      _ = s.next(now: 0)
      _ = s.prepared(
        a, phase: 0, memory: [1, 1, 1, 1, 1], bytes: [5, 9, 1, 9, 7], kept: [4], isRemote: isRemote)
      var order: [Int] = []
      while case .task(_, _, let task) = s.next(now: 0) {
        order.append(task)
        if jobs == 1 { _ = s.finished(a, task: task) }
      }
      return order
    }
    #expect(order(jobs: 9) == [1, 3, 0, 2])
    #expect(order(jobs: 1) == [0, 1, 2, 3], "one after another, in their order")
    #expect(order(jobs: 9, isRemote: true) == [0, 1, 2, 3])
  }

  @Test func jobsBoundWhatRuns() {
    var s = schedule(jobs: 2)
    _ = s.next(now: 0)
    #expect(s.prepared(a, phase: 0, memory: [1, 1, 1], kept: []) == false)
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 0))
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 1))
    #expect(s.next(now: 0) == nil)
    #expect(s.finished(a, task: 0) == false)
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 2))
  }

  /// A crawl of days must not keep a processor from the other stages, nor fill the memory with its tasks.
  @Test func tasksThatWaitForServersTakeNoPlace() throws {
    let text = """
      { "format": 1, "name": "crawl", "stages": {
        "c": { "use": "fake.crawl", "options": { "tasks": 9 } }, "d": { "use": "fake.crawl" },
        "s": { "use": "fake.source", "options": { "files": "x" } } } }
      """
    let graph = try Graph(try PipelineSpec.parse(Array(text.utf8), path: "/p.json"), registry: .fake)
    let (c, d, s) = (graph.index(of: "c")!, graph.index(of: "d")!, graph.index(of: "s")!)
    func handedOut(jobs: Int) -> [Schedule.Job] {
      var schedule = Schedule(graph: graph, selected: [c, d, s], jobs: jobs, memoryBytes: 1000, keepGoing: false)
      let memory = [c: 9, s: 4, d: 1].mapValues { [Int](repeating: 1, count: $0) }
      var tasks: [Schedule.Job] = []
      while let job = schedule.next(now: 0) {
        if case .prepare(let node, _) = job {
          _ = schedule.prepared(node, phase: 0, memory: memory[node]!, kept: [])
        } else {
          tasks.append(job)
        }
      }
      return tasks
    }
    func count(_ node: Int, _ jobs: [Schedule.Job]) -> Int {
      jobs.count { if case .task(node, _, _) = $0 { true } else { false } }
    }
    let beside = handedOut(jobs: 2)
    #expect(count(c, beside) == Schedule.mostWaitingOfAStage && count(d, beside) == 1 && count(s, beside) == 2)
    #expect(handedOut(jobs: 1).count == 1, "one job is one after another")
  }

  /// No more is handed out than there are threads, and tasks that wait leave a thread to the others.
  @Test func threadsBoundWhatRuns() throws {
    let text = """
      { "format": 1, "name": "crawl", "stages": {
        "c": { "use": "fake.crawl", "options": { "tasks": 9 } }, "s": { "use": "fake.source", "options": { "files": "x" } } } }
      """
    let graph = try Graph(try PipelineSpec.parse(Array(text.utf8), path: "/p.json"), registry: .fake)
    let (c, s) = (graph.index(of: "c")!, graph.index(of: "s")!)
    func handedOut(threads: Int) -> (waiting: Int, others: Int) {
      var schedule = Schedule(graph: graph, selected: [c, s], jobs: 4, memoryBytes: 1000, keepGoing: false)
      schedule.fit(threads: threads)
      var counts = (waiting: 0, others: 0)
      while let job = schedule.next(now: 0) {
        switch job {
        case .prepare(let node, _):
          _ = schedule.prepared(node, phase: 0, memory: [Int](repeating: 1, count: 9), kept: [])
        case .task(let node, _, _): if node == c { counts.waiting += 1 } else { counts.others += 1 }
        }
      }
      return counts
    }
    #expect(handedOut(threads: 20) == (4, 4))
    #expect(handedOut(threads: 5) == (1, 4))
    #expect(handedOut(threads: 3) == (1, 2))
    #expect(handedOut(threads: 2) == (1, 1))
    let alone = handedOut(threads: 1)
    #expect(alone.waiting + alone.others == 1)
  }

  @Test func memoryBoundsWhatRunsButALargeTaskRunsAlone() {
    var s = schedule(memory: 100)
    _ = s.next(now: 0)
    _ = s.prepared(a, phase: 0, memory: [60, 60, 500], kept: [])
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 0))
    #expect(s.next(now: 0) == nil, "60 + 60 is over 100")
    _ = s.finished(a, task: 0)
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 1))
    _ = s.finished(a, task: 1)
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 2), "nothing else runs, so 500 may")
  }

  @Test func keptTasksAreNotHandedOut() {
    var s = schedule()
    _ = s.next(now: 0)
    #expect(s.prepared(a, phase: 0, memory: [1, 1], kept: [0]) == false)
    #expect(s.next(now: 0) == .task(node: a, phase: 0, task: 1))
    #expect(s.next(now: 0) == nil)
    #expect(s.finished(a, task: 1) == true)
  }

  @Test func aPhaseOfKeptTasksIsCompleteAtOnce() {
    var s = schedule()
    _ = s.next(now: 0)
    #expect(s.prepared(a, phase: 0, memory: [1, 1], kept: [0, 1]) == true)
  }

  @Test func aFailureStopsTheRun() {
    var s = schedule()
    _ = s.next(now: 0)
    _ = s.prepared(a, phase: 0, memory: [1, 1], kept: [])
    _ = s.next(now: 0)
    #expect(s.failed(a, task: 0, wasPreparing: false) == [b, c, d])
    #expect(s.next(now: 0) == nil)
    #expect(s.isFinished && s.hasFailed)
  }

  @Test func keepGoingRunsWhatDoesNotDependOnTheFailure() {
    var s = schedule(keepGoing: true)
    _ = s.next(now: 0)
    s.sealed(a, wasPreparing: true)
    _ = s.next(now: 0)
    _ = s.next(now: 0)
    #expect(s.failed(b, task: nil, wasPreparing: true) == [d])
    #expect(s.state(of: d) == .blocked(by: b))
    #expect(!s.isFinished, "c is being prepared")
    s.sealed(c, wasPreparing: true)
    #expect(s.isFinished)
  }

  @Test func aRetryWaitsForItsTime() {
    var s = schedule()
    _ = s.next(now: 0)
    _ = s.prepared(a, phase: 0, memory: [1], kept: [])
    _ = s.next(now: 0)
    s.retry(a, task: 0, notBefore: 50)
    #expect(s.next(now: 49) == nil)
    #expect(!s.isFinished)
    #expect(s.next(now: 50) == .task(node: a, phase: 0, task: 0))
  }

  @Test func unselectedNodesNeitherRunNorHoldBackOthers() {
    var s = schedule(selected: [b, d])
    #expect(s.next(now: 0) == .prepare(node: b, phase: 0))
    #expect(s.next(now: 0) == nil)
    s.sealed(b, wasPreparing: true)
    #expect(s.next(now: 0) == .prepare(node: d, phase: 0))
    s.sealed(d, wasPreparing: true)
    #expect(s.isFinished)
  }
}
