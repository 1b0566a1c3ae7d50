import NetKit
public import PipelineKit
import ShardKit

/// How a stage behaves toward servers: the options of every stage that uses the network. None of them affects the
/// result, but for pages that could not be fetched.
public struct NetworkOptions: StageOptions {
  @Option(
    "A mail address or URL where site owners can reach you; part of the user agent.",
    affectsOutput: false)
  var contact = ""
  @Option(
    "Pause between the end of a response and the next request to the site. Its robots.txt may ask for more.",
    in: 0...86_400,
    affectsOutput: false)
  var delaySeconds = 1.0
  @Option("Maximum bandwidth. 0: no limit.", affectsOutput: false) var bytesPerSecond = ByteCount(0)
  @Option(
    "Attempts per request when an error is transient.", in: 1...100, affectsOutput: false,
    losing: [NetworkOptions.notFetched])
  var attempts = 5
  @Option("Allows requests to this machine and to private networks.", affectsOutput: false)
  var allowPrivateAddresses = false

  /// The warning of a crawl that some pages could not be fetched.
  static let notFetched = "not-fetched"

  public init() {}

  init(delaySeconds: Double, attempts: Int = 5) {
    self.delaySeconds = delaySeconds
    self.attempts = attempts
  }
}

extension NetworkOptions {
  func politeness(requestsAtOnce: Int = 1) -> Politeness {
    Politeness(
      Politeness.Rules(
        delaySeconds: delaySeconds, requestsAtOnce: requestsAtOnce,
        bytesPerSecond: bytesPerSecond.bytes > 0 ? bytesPerSecond.bytes : nil))
  }

  /// A client for a task's thread. It stops with the task, and its retries are counted as warnings.
  /// - Parameters:
  ///   - stallSeconds: how long a server may take without sending a byte of its response.
  ///   - stopsWithin: whether the first Ctrl-C interrupts a response; for downloads that can be resumed.
  func client(
    _ politeness: Politeness, _ workspace: Workspace, stallSeconds: Int = 60, stopsWithin: Bool = false
  ) throws(NetError) -> HTTPClient {
    try client(politeness, workspace.control, stallSeconds: stallSeconds, stopsWithin: stopsWithin) {
      workspace.warn("asked-again", $0)
    }
  }

  /// The same for another thread of the task, which must not use its workspace.
  func client(
    _ politeness: Politeness, _ control: TaskControl, stallSeconds: Int = 60, stopsWithin: Bool = false,
    onRetry: @escaping (String) -> Void
  ) throws(NetError) -> HTTPClient {
    var options = HTTPClient.Options()
    options.contact = contact
    options.allowsSpecialAddresses = allowPrivateAddresses
    options.retrying.attempts = attempts
    options.wholeSeconds = 24 * 3600
    options.stallSeconds = stallSeconds
    return try HTTPClient(
      options, politeness: politeness,
      isCancelled: {
        do { try control.check() } catch { return true }
        return stopsWithin && control.shouldStop
      },
      onRetry: { error, wait in onRetry("\(error) (after \(wait) s)") })
  }
}

/// Runs code that uses the network and converts its errors to a stage's. The stage's `retries` cover transient errors.
func networked<T>(_ workspace: Workspace, _ body: () throws -> T) throws -> T {
  do { return try body() } catch let error as NetError {
    // Stopped or timed out: the control knows which.
    try workspace.control.check()
    // At a safe point of work whose state is kept.
    if error.code == .cancelled { throw StageError(.cancelled, error.subject, error.message) }
    let code: StageErrorCode = error.isTransient || error.code == .storage ? .environment : .input
    throw StageError(code, error.subject, error.message, hint: error.hint)
  }
}
