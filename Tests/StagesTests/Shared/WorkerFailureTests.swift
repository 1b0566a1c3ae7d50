import PipelineKit
import ShardKit
import Testing

@testable import Stages

/// What the end of a child process says about the task.
@Suite struct WorkerFailureTests {
  private func failure(_ code: Int32, _ message: String = "") -> StageError {
    WorkerProcess.failure(code: code, message: message, "training", "a process", hint: "Look.")
  }

  @Test func signal9IsTakenForALackOfMemory() {
    let error = failure(128 + 9, "the last line")
    #expect(error.code == .killed && error.isTransient)
    #expect("\(error)".hasPrefix("training: a process was killed by signal 9: the last line. "), "\(error)")
  }

  @Test func aReasonOfItsOwnStandsAlone() {
    let error = failure(1, "weights.safetensors: is damaged")
    #expect(error.code == .check && !error.isTransient)
    #expect("\(error)" == "weights.safetensors: is damaged.")
  }

  @Test func otherEndsAreNamed() {
    #expect("\(failure(128 + 11))" == "training: a process ended by signal 11. Look.")
    #expect("\(failure(3))" == "training: a process ended with code 3. Look.")
    #expect(failure(128 + 11).code == .environment)
  }
}
