import CCurl
import ShardKit

/// Sends requests with libcurl. Connections are kept, HTTP/2 is used if the server supports it, TLS is always verified.
///
/// One client is used by one thread at a time; several share a `Politeness`. Requests are retried after transient
/// errors, redirects are followed here (so that each target is checked), and errors contain no secrets.
public final class HTTPClient {
  public struct Options: Sendable {
    /// A mail address or URL where site owners can reach the user.
    public var contact = ""
    public var connectSeconds = 30.0
    /// The time limit of one attempt, from its start to the last byte.
    public var wholeSeconds = 3600.0
    /// An attempt that transfers fewer bytes per second for `stallSeconds` has stalled.
    public var stallBytesPerSecond = 64
    public var stallSeconds = 60
    public var maximumRedirects = 5
    public var retrying = Retrying()
    /// Allows requests to loopback and private addresses: for local servers and for tests.
    public var allowsSpecialAddresses = false
    public var usesProxies = true
    /// A file with trusted certificates, used instead of the system's (`TrustedCertificates`).
    public var certificates: String?

    public init() {}
  }

  public let options: Options
  public let politeness: Politeness
  let isCancelled: () -> Bool
  /// Called for each error that is retried, with the wait in seconds; for warnings.
  private let onRetry: (NetError, Double) -> Void
  private let handle: OpaquePointer
  var clock: any NetClock { politeness.clock }

  /// The product name in the user agent.
  public static let product = "\(Product.name)/\(Product.version)"

  /// A client with a connection of its own.
  /// - Throws: `NetError` if libcurl does not start (`.connection`), or the contact is not ASCII (`.address`).
  public init(
    _ options: Options = Options(),
    politeness: Politeness = Politeness(Politeness.Rules(delaySeconds: 0, requestsAtOnce: 64)),
    isCancelled: @escaping () -> Bool = { false }, onRetry: @escaping (NetError, Double) -> Void = { _, _ in }
  ) throws(NetError) {
    guard Self.isReady, let handle = ccurl_easy_init() else {
      throw NetError(.connection, "", "libcurl cannot be started")
    }
    guard options.contact.utf8.allSatisfy({ $0 >= 32 && $0 < 127 }) else {
      throw NetError(.address, "", "the contact must be plain ASCII, such as a mail address or a URL")
    }
    self.handle = OpaquePointer(handle)
    self.options = options
    self.politeness = politeness
    self.isCancelled = isCancelled
    self.onRetry = onRetry
  }

  deinit { ccurl_easy_cleanup(UnsafeMutableRawPointer(handle)) }

  private static let isReady = ccurl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  var userAgent: String { options.contact.isEmpty ? Self.product : "\(Self.product) (+\(options.contact))" }

  // MARK: Sending

  /// Sends a request, with redirects and retries. Returns a response with any status, except those that mean "later",
  /// which are an error if they persist.
  /// - Parameter check: checks the target of a redirect before a request is sent to it.
  /// - Throws: `NetError` (`.status` for "later", `.address`, `.connection`, `.content`, …); what `check` throws.
  public func send(
    _ request: HTTPRequest, to receiver: (any ResponseReceiver)? = nil,
    checking check: (WebURL) throws(NetError) -> Void = { _ throws(NetError) in }
  ) throws(NetError) -> HTTPResponse {
    try retrying(request.isRepeatable ? options.retrying : .never) { () throws(NetError) in
      try follow(request, to: receiver, checking: check)
    }
  }

  /// Runs `attempt` until it succeeds, with waits in between.
  func retrying<T>(_ policy: Retrying, _ attempt: () throws(NetError) -> T) throws(NetError) -> T {
    var number = 1
    while true {
      do throws(NetError) { return try attempt() } catch {
        if isCancelled() { throw NetError.stopped }
        guard let wait = policy.wait(after: number, error) else { throw Self.givenUp(error, attempts: number) }
        onRetry(error, wait)
        clock.sleep(nanoseconds: Int(wait * 1e9), isCancelled: isCancelled)
        if isCancelled() { throw NetError.stopped }
        number += 1
      }
    }
  }

  private static func givenUp(_ error: NetError, attempts: Int) -> NetError {
    guard error.isTransient else { return error }
    var error = error
    if attempts > 1 { error.message += ", \(attempts) times in a row" }
    if let seconds = error.retryAfterSeconds, error.hint == nil {
      error.hint = "It asks clients to wait \(Int(seconds.rounded(.up))) seconds."
    }
    error.hint = error.hint ?? "Try again later."
    return error
  }

  /// One attempt: sends the request and follows redirects.
  func follow(
    _ request: HTTPRequest, to receiver: (any ResponseReceiver)?,
    checking check: (WebURL) throws(NetError) -> Void = { _ throws(NetError) in }
  ) throws(NetError) -> HTTPResponse {
    var request = request
    var redirects = 0
    while true {
      var response = try exchange(request, receiver)
      response.redirects = redirects
      guard request.followsRedirects, Self.isRedirect(response.head),
        let location = response.headers["Location"]
      else { return response }
      redirects += 1
      guard redirects <= options.maximumRedirects else {
        var error = NetError(
          .address, request.url.shown, "redirects more than \(options.maximumRedirects) times",
          hint: "The redirects may form a loop.")
        error.isRedirectLoop = true
        throw error
      }
      try redirect(&request, location, status: response.status)
      try check(request.url)
    }
  }

  static func isRedirect(_ head: HTTPResponse.Head) -> Bool {
    [301, 302, 303, 307, 308].contains(head.status) && head.headers["Location"] != nil
  }

  private func redirect(_ request: inout HTTPRequest, _ location: String, status: Int) throws(NetError) {
    let target: WebURL
    do throws(NetError) { target = try request.url.redirected(to: location) } catch {
      throw NetError(.address, request.url.shown, "redirects to an unsupported URL: \(error.message)")
    }
    guard request.url.scheme == "http" || target.scheme == "https" else {
      throw NetError(.address, request.url.shown, "redirects from https to unencrypted http, at \(target.shown)")
    }
    if target.origin != request.url.origin {
      for name in ["Authorization", "Cookie", "Proxy-Authorization"] { request.headers[name] = nil }
      request.signing = nil
    }
    if status == 303 && request.method != .head || status < 303 && request.method == .post {
      request.method = .get
      request.body = .none
    }
    request.url = target
  }

  // MARK: One exchange

  private func exchange(
    _ request: HTTPRequest, _ receiver: (any ResponseReceiver)?
  ) throws(NetError) -> HTTPResponse {
    let proxy = options.usesProxies ? Proxy().proxy(for: request.url) : nil
    try checkNamedAddress(request.url)
    let request = request.signed(at: clock.wallSeconds)
    let transfer = try Transfer(
      request,
      limits: Transfer.Limits(
        maximumBytes: request.maximumBytes, allowsSpecialAddresses: options.allowsSpecialAddresses,
        isProxied: proxy != nil),
      receiver: receiver,
      spend: { [politeness, isCancelled] in politeness.spend(bytes: $0, isCancelled: isCancelled) },
      isCancelled: isCancelled,
      isFinal: { [follows = request.followsRedirects, all = request.returnsEveryStatus] head in
        !(follows && Self.isRedirect(head)) && (all || !Retrying.statuses.contains(head.status))
      })
    let setup = try TransferSetup(request, options: options, userAgent: userAgent, proxy: proxy)
    try politeness.enter(request.url.origin, isCancelled: isCancelled)
    defer { politeness.leave(request.url.origin) }
    let code = setup.run(transfer, on: handle, stallRate: politeness.rules.bytesPerSecond)
    return try outcome(code, transfer, request, setup)
  }

  /// Checks a host that is written as an IP address. Behind a proxy, no socket shows the address.
  private func checkNamedAddress(_ url: WebURL) throws(NetError) {
    guard !options.allowsSpecialAddresses else { return }
    let kind =
      url.host == "localhost" || url.host.hasSuffix(".localhost") ? "loopback" : NetworkAddress(url.host)?.special
    if let kind { throw Self.refusal(url, address: url.host, kind: kind) }
  }

  private static func refusal(_ url: WebURL, address: String, kind: String) -> NetError {
    NetError(
      .address, url.shown, "resolves to \(address), a \(kind) address",
      hint: "If this is intended, set \"allowPrivateAddresses\".")
  }

  private func outcome(
    _ code: CURLcode, _ transfer: Transfer, _ request: HTTPRequest, _ setup: TransferSetup
  ) throws(NetError) -> HTTPResponse {
    if isCancelled() { throw NetError.stopped }
    if let problem = transfer.problem { throw problem }
    if code != CURLE_OK {
      if let refused = transfer.refused, code == CURLE_COULDNT_CONNECT {
        throw Self.refusal(request.url, address: refused.address, kind: refused.kind)
      }
      throw setup.error(code, request.url, received: transfer.count, options)
    }
    let head = transfer.head
    guard (200..<600).contains(head.status) else {
      throw NetError(.content, request.url.shown, "the server's response is not valid HTTP")
    }
    if Retrying.statuses.contains(head.status), !request.returnsEveryStatus {
      let seconds = Retrying.seconds(asked: head, now: clock.wallSeconds)
      if let seconds {
        politeness.pause(request.url.origin, seconds: min(seconds, options.retrying.longestRetryAfterSeconds))
      }
      throw NetError(.status, request.url.shown, "the server responded with \(head.described)")
        .transient(status: head.status, after: seconds)
    }
    var response = HTTPResponse(head: head, url: request.url)
    response.body = transfer.bytes
    response.bytes = transfer.count
    response.address = setup.address
    response.request = setup.sentHead(request)
    return response
  }
}
