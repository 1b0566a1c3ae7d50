import Glibc
import ShardKit
import Synchronization
import Testing

@Suite struct ParallelTests {
  private struct Fault: Error {}
  private final class Tally: Sendable {
    let items = Mutex<[Int]>([])
    let lanes = Mutex(0)
    let running = Mutex((now: 0, most: 0))
  }

  @Test func everyItemOnceAndNoMoreAtATimeThanAsked() throws {
    let tally = Tally()
    try inParallel(40, atOnce: 4, lane: { tally.lanes.withLock { $0 += 1 } }) { item, _ in
      tally.running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
      usleep(2000)
      tally.running.withLock { $0.now -= 1 }
      tally.items.withLock { $0.append(item) }
    }
    #expect(tally.items.withLock { $0.sorted() } == Array(0..<40))
    #expect((2...4).contains(tally.running.withLock { $0.most }) && tally.lanes.withLock { $0 } <= 4)
    try inParallel(0, atOnce: 4, lane: { Issue.record("there is nothing to do") }) { _, _ in }
  }

  @Test func aFailureEndsTheRestButNotWhatRuns() {
    let tally = Tally()
    #expect(throws: Fault.self) {
      try inParallel(1000, atOnce: 3, lane: {}) { item, _ in
        if item == 1 { throw Fault() }
        usleep(5000)
        tally.items.withLock { $0.append(item) }
      }
    }
    let items = tally.items.withLock { $0 }
    #expect(items.contains(0) && items.count < 20)
    #expect(throws: Fault.self) { try inParallel(5, atOnce: 2, lane: { throw Fault() }) { _, _ in } }
  }
}
