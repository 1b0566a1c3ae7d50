import Glibc

/// State shared by several threads, with a way to wait for changes.
public final class Monitor<State>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var state: State

  public init(_ state: sending State) {
    self.state = state
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Reads or changes the state.
  /// - Parameter wake: whether other threads may be waiting for this change.
  public func with<Result>(wake: Bool = true, _ body: (inout State) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    defer { if wake { pthread_cond_broadcast(changed) } }
    return body(&state)
  }

  /// The same, but waits until `body` returns a result.
  public func wait<Result>(wake: Bool = true, _ body: (inout State) -> Result?) -> Result {
    while true {
      if let result = wait(atMostNanoseconds: 3_600_000_000_000, wake: wake, body) { return result }
    }
  }

  /// The same, for so long at most; nil when that is over.
  public func wait<Result>(
    atMostNanoseconds: Int, wake: Bool = true, _ body: (inout State) -> Result?
  ) -> Result? {
    let until = monotonicNanoseconds() + atMostNanoseconds
    var deadline = timespec(tv_sec: until / 1_000_000_000, tv_nsec: until % 1_000_000_000)
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) {
        if wake { pthread_cond_broadcast(changed) }
        return result
      }
      if pthread_cond_timedwait(changed, mutex, &deadline) != 0 { return body(&state) }
    }
  }
}
