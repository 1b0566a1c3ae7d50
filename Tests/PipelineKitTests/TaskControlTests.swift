import Glibc
import Testing

@testable import PipelineKit

@Suite struct TaskControlTests {
  /// Waiting for a thread is no part of a task's time.
  @Test func theTimeoutRunsFromTheBeginning() throws {
    let control = TaskControl(timeoutSeconds: 0.01)
    usleep(30_000)
    #expect(control.overtime < 0)
    try control.check()
    control.begin()
    usleep(30_000)
    #expect(control.overtime > 0)
    #expect(throws: StageError.self) { try control.check() }
    let endless = TaskControl()
    endless.begin()
    #expect(endless.overtime < 0)
    try endless.check()
  }
}
