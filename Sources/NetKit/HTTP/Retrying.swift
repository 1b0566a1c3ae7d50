import CCurl

/// The number of retries of a request and the waits between them.
///
/// The wait before attempt n + 1 is `firstWaitSeconds` · 2ⁿ⁻¹, at most `longestWaitSeconds`, times a random factor
/// between 0.5 and 1, so that many clients do not retry at the same time. A server's `Retry-After` is used if it is
/// longer. If it exceeds `longestRetryAfterSeconds`, there is no retry.
public struct Retrying: Sendable {
  public var attempts = 5
  public var firstWaitSeconds = 1.0
  public var longestWaitSeconds = 60.0
  public var longestRetryAfterSeconds = 600.0
  /// A random number in 0..<1.
  public var chance: @Sendable () -> Double = { Double.random(in: 0..<1) }

  public init() {}

  public static var never: Retrying {
    var policy = Retrying()
    policy.attempts = 1
    return policy
  }

  /// The wait in seconds before attempt `attempt` + 1; nil to give up.
  func wait(after attempt: Int, _ error: NetError) -> Double? {
    error.isTransient ? wait(after: attempt, asked: error.retryAfterSeconds) : nil
  }

  /// The same after a response.
  /// - Parameter asked: how long it asks clients to wait, in seconds.
  func wait(after attempt: Int, asked: Double?) -> Double? {
    guard attempt < attempts else { return nil }
    let doubled = firstWaitSeconds * Double(1 << min(attempt - 1, 30))
    let wait = min(longestWaitSeconds, doubled) * (0.5 + 0.5 * chance())
    guard let asked else { return wait }
    return asked > longestRetryAfterSeconds ? nil : max(wait, asked)
  }

  /// Statuses after which the same request may succeed (RFC 9110, RFC 6585, RFC 8470).
  static let statuses: Set<Int> = [408, 425, 429, 500, 502, 503, 504]

  /// How long a response asks clients to wait; nil if it does not say.
  static func seconds(asked head: HTTPResponse.Head, now: Int) -> Double? {
    head.headers["Retry-After"].flatMap { seconds(retryAfter: $0, now: now) }
      ?? (head.status == 429 ? head.headers["RateLimit"].flatMap { seconds(rateLimit: $0) } : nil)
  }

  /// `RateLimit: "api";r=0;t=55`: seconds until requests are allowed again (draft-ietf-httpapi-ratelimit-headers).
  static func seconds(rateLimit value: String) -> Double? {
    for part in value.split(separator: ";") {
      let word = part.filter { $0 != " " }
      if word.hasPrefix("t="), let seconds = Int(word.dropFirst(2)), seconds >= 0 {
        return Double(min(seconds, 100_000_000))
      }
    }
    return nil
  }

  /// `Retry-After`: seconds, or a date.
  static func seconds(retryAfter value: String, now: Int) -> Double? {
    // A limit of years is as good as forever and does not overflow a clock.
    if let seconds = Int(value) { return seconds >= 0 ? Double(min(seconds, 100_000_000)) : nil }
    let date = ccurl_getdate(value)
    return date < 0 ? nil : Double(min(max(0, date - now), 100_000_000))
  }
}
