import ShardKit

/// Asks the scheduler on a thread of its own, one question after another: a scheduler that is down keeps its commands
/// waiting, and the jobs' files are read meanwhile.
final class SchedulerLine {
  private struct State {
    var questions: [@Sendable () -> any Sendable] = []
    var answers: [any Sendable] = []
    var isClosed = false
  }

  private let state = Monitor(State())
  private var hearers: [(any Sendable) -> Void] = []
  private let thread: BackgroundThread?

  /// - Throws: `StageError` (`.environment`) if no thread can be started.
  init() throws(StageError) {
    thread = BackgroundThread { [state] in
      while let question = state.wait(wake: false, { Self.next(&$0) }).question {
        let answer = question()
        state.with(wake: false) { $0.answers.append(answer) }
      }
    }
    guard thread != nil else {
      throw StageError(.environment, "", "no thread can be started for the cluster's jobs")
    }
  }

  /// Questions that have no answer yet.
  var waiting: Int { hearers.count }

  /// - Parameter hear: called by `deliver`, in the order of the questions.
  func ask<R: Sendable>(_ question: @escaping @Sendable () -> R, _ hear: @escaping (R) -> Void) {
    hearers.append { hear($0 as! R) }
    state.with { $0.questions.append(question) }
  }

  /// Passes on the answers that have come.
  func deliver() {
    let answers = state.with(wake: false) { state in
      defer { state.answers = [] }
      return state.answers
    }
    for answer in answers { hearers.removeFirst()(answer) }
  }

  /// Ends the thread behind the question at hand; others are not asked.
  func close() {
    state.with { $0.isClosed = true }
    thread?.detach()
  }

  private static func next(_ state: inout State) -> (question: (@Sendable () -> any Sendable)?, Void)? {
    if state.isClosed { return (nil, ()) }
    return state.questions.isEmpty ? nil : (state.questions.removeFirst(), ())
  }
}
