import NetKit
import PipelineKit
import ShardKit

/// How a stage behaves towards servers. None of it decides what the result is.
public struct NetworkSettings: Sendable {
  var contact = ""
  var delaySeconds = 1.0
  var bytesPerSecond = ByteCount(0)
  var attempts = 5
  var allowPrivateAddresses = false
}

/// The options that every stage with a network behind it has.
protocol NetworkOptions: StageOptions {
  var network: NetworkSettings { get set }
}

extension NetworkOptions {
  static var networkFields: [OptionField<Self>] {
    [
      OptionField(
        "contact", \Self.network.contact,
        "A mail address or URL under which the owner of a site can reach you; part of the user agent.",
        affectsOutput: false),
      OptionField(
        "delaySeconds", \Self.network.delaySeconds,
        "How long a site is left alone from the end of an answer on; its robots.txt may ask for more.", in: 0...86_400,
        affectsOutput: false),
      OptionField(
        "bytesPerSecond", \Self.network.bytesPerSecond, "The bandwidth used at most; 0 for no limit.",
        affectsOutput: false),
      OptionField(
        "attempts", \Self.network.attempts, "How often a question is put when its failure may pass.", in: 1...100,
        affectsOutput: false),
      OptionField(
        "allowPrivateAddresses", \Self.network.allowPrivateAddresses,
        "Lets servers on this machine and in private networks be asked.", affectsOutput: false),
    ]
  }

  func politeness(requestsAtOnce: Int = 1) -> Politeness {
    Politeness(
      Politeness.Rules(
        delaySeconds: network.delaySeconds, requestsAtOnce: requestsAtOnce,
        bytesPerSecond: network.bytesPerSecond.bytes > 0 ? network.bytesPerSecond.bytes : nil))
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
    options.contact = network.contact
    options.allowsSpecialAddresses = network.allowPrivateAddresses
    options.retrying.attempts = network.attempts
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
    let code: StageError.Code = error.mayPass || error.code == .storage ? .environment : .input
    throw StageError(code, error.subject, error.message, hint: error.hint)
  }
}
