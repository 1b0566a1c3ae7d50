import Glibc
import ShardKit
import Synchronization

/// The clock of a client. Tests use one that they control.
public protocol NetClock: Sendable {
  /// Monotonic.
  var nanoseconds: Int { get }
  /// Seconds since 1970.
  var wallSeconds: Int { get }
  /// Returns early if `isCancelled` returns true.
  func sleep(nanoseconds: Int, isCancelled: () -> Bool)
}

public struct SystemClock: NetClock {
  public init() {}

  public var nanoseconds: Int { monotonicNanoseconds() }
  public var wallSeconds: Int { wallMilliseconds() / 1000 }

  public func sleep(nanoseconds: Int, isCancelled: () -> Bool) {
    let end = self.nanoseconds + nanoseconds
    while !isCancelled() {
      let left = end - self.nanoseconds
      guard left > 0 else { return }
      usleep(UInt32(min(left / 1000 + 1, 100_000)))
    }
  }
}

/// Sleeping advances this clock at once and is recorded.
public final class ManualClock: NetClock {
  private struct State {
    var now = 1_000_000_000
    var slept: [Double] = []
  }

  private let state = Mutex(State())
  private let epoch: Int

  public init(wallSeconds: Int = 1_700_000_000) { epoch = wallSeconds - 1 }

  public var nanoseconds: Int { state.withLock { $0.now } }
  public var wallSeconds: Int { epoch + nanoseconds / 1_000_000_000 }
  /// All sleeps so far, in seconds.
  public var slept: [Double] { state.withLock { $0.slept } }

  public func advance(seconds: Double) { state.withLock { $0.now += Int(seconds * 1e9) } }

  public func sleep(nanoseconds: Int, isCancelled: () -> Bool) {
    guard !isCancelled() else { return }
    state.withLock {
      $0.now += nanoseconds
      $0.slept.append(Double(nanoseconds) / 1e9)
    }
  }
}
