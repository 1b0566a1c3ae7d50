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
      // The first wait for one another.
      for _ in 0..<60_000 where tally.running.withLock({ $0.most < 4 }) { usleep(1000) }
      usleep(500)
      tally.running.withLock { $0.now -= 1 }
      tally.items.withLock { $0.append(item) }
    }
    #expect(tally.items.withLock { $0.sorted() } == Array(0..<40))
    #expect(tally.running.withLock { $0.most } == 4 && tally.lanes.withLock { $0 } <= 4)
    try inParallel(0, atOnce: 4, lane: { Issue.record("there is nothing to do") }) { _, _ in }
  }

  @Test func aFailureEndsTheRestButNotWhatRuns() {
    let tally = Tally()
    #expect(throws: Fault.self) {
      try inParallel(100_000, atOnce: 3, lane: {}) { item, _ in
        if item == 1 { throw Fault() }
        usleep(5000)
        tally.items.withLock { $0.append(item) }
      }
    }
    let items = tally.items.withLock { $0 }
    #expect(items.contains(0) && items.count < 99_999)
    #expect(throws: Fault.self) { try inParallel(5, atOnce: 2, lane: { throw Fault() }) { _, _ in } }
  }
}
