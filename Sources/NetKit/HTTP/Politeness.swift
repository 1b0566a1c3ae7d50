import Synchronization

/// Limits for all clients that share this object: concurrent requests per host, the pause after each response, and the
/// total bandwidth.
public final class Politeness: Sendable {
  public struct Rules: Sendable {
    /// The pause between the end of a response and the next request to the same host.
    public var delaySeconds: Double
    public var requestsAtOnce: Int
    /// For all hosts together, both directions. nil: no limit.
    public var bytesPerSecond: Int?

    public init(delaySeconds: Double = 1, requestsAtOnce: Int = 1, bytesPerSecond: Int? = nil) {
      self.delaySeconds = delaySeconds
      self.requestsAtOnce = requestsAtOnce
      self.bytesPerSecond = bytesPerSecond
    }
  }

  private struct Host {
    var running = 0
    /// Earliest time of the next request, in monotonic nanoseconds.
    var notBefore = Int.min
    /// The delay in its robots.txt, if longer.
    var delaySeconds = 0.0
  }

  private struct State {
    var hosts: [String: Host] = [:]
    /// The time at which the bytes transferred so far fit the bandwidth, in monotonic nanoseconds.
    var paidUntil = Int.min
  }

  public let rules: Rules
  public let clock: any NetClock
  private let state = Mutex(State())

  public init(_ rules: Rules = Rules(), clock: any NetClock = SystemClock()) {
    self.rules = rules
    self.clock = clock
  }

  /// Sets a delay that the host itself asks for; the longer one counts.
  public func setDelay(_ origin: String, seconds: Double) {
    state.withLock { $0.hosts[origin, default: Host()].delaySeconds = seconds }
  }

  /// Blocks requests to the host for this time.
  public func pause(_ origin: String, seconds: Double) {
    let end = clock.nanoseconds + Int(seconds * 1e9)
    state.withLock { $0.hosts[origin, default: Host()].notBefore = max(end, $0.hosts[origin]?.notBefore ?? .min) }
  }

  /// Waits until a request to the host is allowed. Every `enter` that returns requires a `leave`.
  func enter(_ origin: String, isCancelled: () -> Bool) throws(NetError) {
    while !isCancelled() {
      let wait = state.withLock { state -> Int in
        var host = state.hosts[origin] ?? Host()
        let now = clock.nanoseconds
        if host.notBefore > now { return host.notBefore - now }
        guard host.running < rules.requestsAtOnce else { return 20_000_000 }
        host.running += 1
        state.hosts[origin] = host
        return 0
      }
      if wait == 0 { return }
      clock.sleep(nanoseconds: wait, isCancelled: isCancelled)
    }
    throw NetError.stopped
  }

  /// The response has ended, successfully or not.
  func leave(_ origin: String) {
    let now = clock.nanoseconds
    state.withLock { state in
      var host = state.hosts[origin] ?? Host()
      host.running -= 1
      host.notBefore = max(host.notBefore, now + Int(max(rules.delaySeconds, host.delaySeconds) * 1e9))
      state.hosts[origin] = host
    }
  }

  /// Waits until these bytes fit the bandwidth. A burst of a tenth of a second is free.
  func spend(bytes: Int, isCancelled: () -> Bool) {
    guard let rate = rules.bytesPerSecond, rate > 0 else { return }
    let wait = state.withLock { state -> Int in
      let now = clock.nanoseconds
      state.paidUntil = max(state.paidUntil, now - 100_000_000) + Int(Double(bytes) / Double(rate) * 1e9)
      return state.paidUntil - now
    }
    if wait > 0 { clock.sleep(nanoseconds: wait, isCancelled: isCancelled) }
  }
}
