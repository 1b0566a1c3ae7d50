import ShardKit

/// A site's robots.txt, kept for a day.
struct RobotsVerdict: Equatable, Sendable {
  /// Seconds since 1970.
  var askedAt: Int
  /// nil if there is none, so that everything is allowed.
  var text: [UInt8]?
}

/// Stores robots.txt files between runs.
protocol RobotsStore: AnyObject {
  func robots(of origin: String) throws(NetError) -> RobotsVerdict?
  func setRobots(_ verdict: RobotsVerdict, of origin: String) throws(NetError)
}

/// Fetches each site's robots.txt and keeps it for 24 hours (RFC 9309, 2.3 and 2.4).
///
/// If there is no such file (4xx, or more than five redirects), everything is allowed. If the server fails, cannot be
/// reached or is too busy (429), nothing is allowed: that is a transient error and not kept.
final class RobotsCache {
  private let client: HTTPClient
  private weak var store: (any RobotsStore)?
  private var rules: [String: (askedAt: Int, rules: RobotsFile.Rules)] = [:]

  static let secondsKept = 24 * 3600
  /// The product token in robots.txt files.
  static let agent = "pipeline"

  init(_ client: HTTPClient, store: (any RobotsStore)?) {
    self.client = client
    self.store = store
  }

  func rules(for url: WebURL) throws(NetError) -> RobotsFile.Rules {
    let now = client.clock.wallSeconds
    if let known = rules[url.origin], now - known.askedAt < Self.secondsKept { return known.rules }
    let verdict = try verdict(on: url, now)
    let found = verdict.text.map { RobotsFile($0).rules(for: Self.agent) } ?? .allowAll
    rules[url.origin] = (verdict.askedAt, found)
    if let delay = found.crawlDelaySeconds { client.politeness.setDelay(url.origin, seconds: delay) }
    return found
  }

  private func verdict(on url: WebURL, _ now: Int) throws(NetError) -> RobotsVerdict {
    if let known = try store?.robots(of: url.origin), now - known.askedAt < Self.secondsKept { return known }
    let verdict = RobotsVerdict(askedAt: now, text: try fetch(url))
    try store?.setRobots(verdict, of: url.origin)
    return verdict
  }

  /// nil if there is none.
  private func fetch(_ url: WebURL) throws(NetError) -> [UInt8]? {
    var request = HTTPRequest(.get, try url.resolving("/robots.txt"))
    request.maximumBytes = 64 << 20
    let head = Beginning()
    do throws(NetError) {
      let response = try client.send(request, to: head)
      if response.head.isSuccess { return head.bytes }
      if (300..<500).contains(response.status) { return nil }
      throw response.refusal()
    } catch {
      if error.code == .content && head.bytes.count == RobotsFile.maximumBytes + 1 { return head.bytes }
      if error.isRedirectLoop { return nil }
      if error.code == .cancelled || error.code == .storage { throw error }
      throw NetError(
        .robots, request.url.shown, "no requests are allowed without the site's robots.txt (\(error.message))",
        hint: "Try again when the site responds."
      ).transient(status: error.status, after: error.retryAfterSeconds)
    }
  }

  /// Keeps the part of a response that is parsed.
  private final class Beginning: ResponseReceiver {
    var bytes: [UInt8] = []

    func begin(_ head: HTTPResponse.Head) -> Bool {
      bytes = []
      return head.isSuccess
    }

    func receive(_ part: UnsafeRawBufferPointer) {
      bytes.append(contentsOf: part.prefix(RobotsFile.maximumBytes + 1 - bytes.count))
    }
  }
}
