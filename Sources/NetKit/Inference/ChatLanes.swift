import ShardKit

/// How many requests are in flight at the same time, how many begin in a minute, and since when none may.
final class ChatLanes: Sendable {
  private struct State {
    var running = 0
    /// The earliest time of the next request, in monotonic nanoseconds.
    var next = Int.min
    var failuresInARow = 0
  }

  private let most: Int
  /// Between the beginnings of two requests, in nanoseconds.
  private let interval: Int
  private let state = Monitor(State())

  init(most: Int, perMinute: Int) {
    self.most = most
    interval = perMinute > 0 ? 60_000_000_000 / perMinute : 0
  }

  /// Waits until a request may begin. Every `enter` that returns true requires a `leave`.
  /// - Returns: false when it should stop.
  func enter(shouldStop: () -> Bool) -> Bool {
    while !shouldStop() {
      let wait = state.wait(atMostNanoseconds: 100_000_000, wake: false) { state -> Int? in
        guard state.running < most else { return nil }
        let now = monotonicNanoseconds()
        guard state.next <= now else { return state.next - now }
        state.running += 1
        state.next = max(state.next, now - interval) + interval
        return 0
      }
      if wait == 0 { return true }
      if let wait { SystemClock().sleep(nanoseconds: min(wait, 100_000_000), isCancelled: shouldStop) }
    }
    return false
  }

  func leave() { state.with { $0.running -= 1 } }

  /// No request begins before this time is over.
  func pause(seconds: Double) {
    let end = monotonicNanoseconds() + Int(seconds * 1e9)
    state.with { $0.next = max($0.next, end) }
  }

  /// - Returns: how many requests have failed since one succeeded.
  func note(success: Bool) -> Int {
    state.with(wake: false) {
      $0.failuresInARow = success ? 0 : $0.failuresInARow + 1
      return $0.failuresInARow
    }
  }
}
