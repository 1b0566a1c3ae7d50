import NetKit
public import PipelineKit
import ShardKit

/// How a stage behaves toward servers: the options that every stage with a network behind it has. None of it decides
/// what the result is.
public struct NetworkOptions: StageOptions {
  @Option(
    "A mail address or URL under which the owner of a site can reach you; part of the user agent.",
    affectsOutput: false)
  var contact = ""
  @Option(
    "How long a site is left alone from the end of an answer on; its robots.txt may ask for more.", in: 0...86_400,
    affectsOutput: false)
  var delaySeconds = 1.0
  @Option("The bandwidth used at most; 0 for no limit.", affectsOutput: false) var bytesPerSecond = ByteCount(0)
  @Option("How often a question is put when its failure may pass.", in: 1...100, affectsOutput: false) var attempts = 5
  @Option("Lets servers on this machine and in private networks be asked.", affectsOutput: false)
  var allowPrivateAddresses = false

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

  /// A client for a task's thread: it stops with the task, and what it tries again is counted as a warning.
  /// - Parameters:
  ///   - stallSeconds: how long a server may think about a question without a byte of its answer.
  ///   - stopsWithin: whether the first Ctrl-C ends an answer half-way: for files that are gone on with.
  func client(
    _ politeness: Politeness, _ workspace: Workspace, stallSeconds: Int = 60, stopsWithin: Bool = false
  ) throws(NetError) -> HTTPClient {
    try client(politeness, workspace.control, stallSeconds: stallSeconds, stopsWithin: stopsWithin) {
      workspace.warn("asked-again", $0)
    }
  }

  /// The same for another thread of the task, which may not touch its workspace.
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

/// Runs what uses the network, with its errors as a stage's: what may pass is retried by the stage's `retries`.
func networked<T>(_ workspace: Workspace, _ body: () throws -> T) throws -> T {
  do { return try body() } catch let error as NetError {
    // Stopped, or over its time: the control knows which.
    try workspace.control.check()
    // At a safe point of work that keeps its state.
    if error.code == .cancelled { throw StageError(.cancelled, error.subject, error.message) }
    let code: StageError.Code = error.isTransient || error.code == .storage ? .environment : .input
    throw StageError(code, error.subject, error.message, hint: error.hint)
  }
}
