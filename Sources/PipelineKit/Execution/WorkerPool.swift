import ShardKit

/// A fixed number of threads that run closures; results are delivered through a mailbox.
final class WorkerPool<Message: Sendable> {
  private struct Work {
    var bodies: [@Sendable () -> Message?] = []
    var isClosing = false
  }

  private let work = Monitor(Work())
  private let mail = Monitor<[Message]>([])
  private var threads: [BackgroundThread] = []
  private let stackBytes: Int

  /// - Parameter stackBytes: parsers and libraries need more than some defaults.
  ///
  /// If not all threads can be started, those that could be started do the work.
  init(threads count: Int, stackBytes: Int = 16 << 20) throws(StageError) {
    self.stackBytes = stackBytes
    for _ in 0..<count {
      guard let thread = started() else { break }
      threads.append(thread)
    }
    guard !threads.isEmpty else {
      throw StageError(
        .environment, "", "no thread can be started: a limit on threads or memory is reached",
        hint: "Increase the limits of this shell (`ulimit -u`, `ulimit -v`).")
    }
  }

  /// Discards queued work and ends the threads.
  /// - Parameter wait: false leaves threads that are stuck in a call until the process ends.
  func close(wait: Bool = true) {
    work.with { $0.isClosing = true }
    for thread in threads { if wait { thread.join() } else { thread.detach() } }
    threads = []
  }

  /// The number of threads, including stuck ones.
  var count: Int { threads.count }

  /// Starts one more thread to replace a stuck one, if possible.
  func replaceThread() {
    if let thread = started() { threads.append(thread) }
  }

  func submit(_ body: @escaping @Sendable () -> Message) { work.with { $0.bodies.append(body) } }

  /// Runs closures that deliver nothing themselves, from any thread.
  var entry: @Sendable (@escaping @Sendable () -> Void) -> Void {
    { [work] body in
      work.with {
        $0.bodies.append {
          body()
          return nil
        }
      }
    }
  }

  /// Delivers messages from any thread.
  var outlet: @Sendable (Message) -> Void {
    { [mail] message in mail.with { $0.append(message) } }
  }

  /// All messages received, or none after the timeout.
  func receive(timeoutNanoseconds: Int) -> [Message] {
    mail.wait(atMostNanoseconds: timeoutNanoseconds, wake: false) { mail in
      guard !mail.isEmpty else { return nil }
      defer { mail.removeAll(keepingCapacity: true) }
      return mail
    } ?? []
  }

  private func started() -> BackgroundThread? {
    BackgroundThread(stackBytes: stackBytes) { [work, mail] in
      while let body = work.wait(wake: false, { Self.next(&$0) }).body {
        if let message = body() { mail.with { $0.append(message) } }
      }
    }
  }

  /// Nil while there is none; none to come when the pool closes.
  private static func next(_ work: inout Work) -> (body: (@Sendable () -> Message?)?, Void)? {
    if work.isClosing { return (nil, ()) }
    return work.bodies.isEmpty ? nil : (work.bodies.removeFirst(), ())
  }
}
