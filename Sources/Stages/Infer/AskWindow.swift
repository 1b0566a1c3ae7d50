import NetKit
import PipelineKit
import ShardKit

/// Requests that are being asked by several threads, and their outcomes until the task takes them in order.
final class AskWindow: Sendable {
  struct Job: Sendable {
    var number: Int
    var request: ChatRequest
  }

  private struct State {
    var jobs: [Job] = []
    var done: [Int: AskedAnswer] = [:]
    var failure: (any Error)?
    var isClosed = false
    var tally = ChatClient.Tally()
  }

  private let state = Monitor(State())

  func submit(_ job: Job) { state.with { $0.jobs.append(job) } }

  /// The next request; nil when the window is closed.
  func next() -> Job? {
    state.wait(wake: false) { state -> Job?? in
      if state.isClosed { return .some(nil) }
      return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
    }
  }

  func finish(_ number: Int, _ answer: AskedAnswer) { state.with { $0.done[number] = answer } }

  /// The first failure counts; no further request is begun.
  func fail(_ error: any Error) {
    state.with {
      $0.failure = $0.failure ?? error
      $0.isClosed = true
    }
  }

  func add(_ tally: ChatClient.Tally) { state.with { $0.tally += tally } }

  var tally: ChatClient.Tally { state.with(wake: false) { $0.tally } }
  var isClosed: Bool { state.with(wake: false) { $0.isClosed } }

  func close() { state.with { $0.isClosed = true } }

  /// The answer to a request. nil after a while, so that the caller can look whether it should stop.
  /// - Throws: what made a thread fail.
  func take(_ number: Int) throws -> AskedAnswer? {
    let taken = state.wait(atMostNanoseconds: 100_000_000, wake: false) { state -> Result<AskedAnswer, any Error>? in
      if let answer = state.done.removeValue(forKey: number) { return .success(answer) }
      return state.failure.map { .failure($0) }
    }
    return try taken?.get()
  }
}
