import Glibc
import Synchronization

/// A thread that runs one closure.
public final class BackgroundThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let running: Mutex<pthread_t?>

  /// Starts immediately; nil if the thread cannot be created.
  public init?(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(Body(body))
    let failure = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    guard failure == 0 else {
      argument.release()
      return nil
    }
    running = Mutex(thread)
  }

  /// Waits for the end; must be called at least once.
  public func join() {
    running.withLock { thread in
      if let waiting = thread { pthread_join(waiting, nil) }
      thread = nil
    }
  }
}
