import Synchronization

/// Calls `body` with 0, 1, … `count` - 1, at most `atOnce` at a time, each on any of several threads.
///
/// After the first failure no further call starts; running calls finish, then the failure is thrown.
/// - Parameter lane: creates the state that a thread keeps between calls, such as a connection.
/// - Throws: the first error of `lane` or `body`.
public func inParallel<Lane>(
  _ count: Int, atOnce: Int, lane: @escaping @Sendable () throws -> Lane,
  _ body: @escaping @Sendable (_ item: Int, _ lane: Lane) throws -> Void
) throws {
  let work = ParallelWork(count)
  @Sendable func run() {
    var own: Lane?
    while let item = work.take() {
      do {
        let mine = try own ?? lane()
        own = mine
        try body(item, mine)
      } catch { work.fail(error) }
    }
  }
  // If not all threads can be created, those that exist do the work; the calling thread always does.
  let threads = (1..<max(1, min(atOnce, count))).compactMap { _ in BackgroundThread { run() } }
  run()
  for thread in threads { thread.join() }
  if let failure = work.failure { throw failure }
}

private final class ParallelWork: Sendable {
  private struct State {
    var next = 0
    var failure: (any Error)?
  }

  private let count: Int
  private let state = Mutex(State())

  init(_ count: Int) { self.count = count }

  var failure: (any Error)? { state.withLock { $0.failure } }

  func fail(_ error: any Error) { state.withLock { $0.failure = $0.failure ?? error } }

  func take() -> Int? {
    state.withLock { state in
      guard state.failure == nil, state.next < count else { return nil }
      state.next += 1
      return state.next - 1
    }
  }
}
