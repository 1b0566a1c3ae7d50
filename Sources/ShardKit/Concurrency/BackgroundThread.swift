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
  /// - Parameter stackBytes: the system's default where it is not given.
  public init?(stackBytes: Int? = nil, _ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(Body(body))
    let failure = pthread_create(
      &thread, &attributes,
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

  /// Leaves it to itself.
  public func detach() {
    running.withLock { thread in
      if let left = thread { pthread_detach(left) }
      thread = nil
    }
  }

  /// Waits for the end; to be called once at least, unless it is detached.
  public func join() {
    running.withLock { thread in
      if let waiting = thread { pthread_join(waiting, nil) }
      thread = nil
    }
  }
}
