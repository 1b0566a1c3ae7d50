import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// Processes with GPUs. A GPU is a lock here; what a program does with it is not looked at.
@Suite struct CommandPoolTests {
  private let folder = temporaryDirectory()
  private let slots: DeviceSlots
  private let pool: CommandPool

  init() {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline])
    slots = DeviceSlots(locks: DeviceLocks(folder: folder))
    pool = CommandPool(devices: ProgramDevices(slots: slots, present: 1))
  }

  private func process() throws -> CommandProcess {
    try pool.process(1, TaskControl()) { devices in
      var options = ProgramOptions()
      options.command = ["sh", "-c", "cat <&3 >&4"]
      return try CommandProcess(options, folder: ProgramFolder([], places: []), devices: devices)
    }
  }

  private var isFree: Bool { DeviceLocks(folder: folder).take("0", exclusively: true) != nil }

  /// Whether something comes to be within minutes.
  private func comes(_ condition: () throws -> Bool) async throws -> Bool {
    for _ in 0..<60_000 {
      if try condition() { return true }
      try await Task.sleep(nanoseconds: 10_000_000)
    }
    return false
  }

  /// As long as an idle process has a GPU, no other run gets it; the next task gets process and GPU together.
  @Test func aGPUBelongsToTheProcess() throws {
    #expect(isFree)
    var process: CommandProcess? = try process()
    let program = try #require(process).program
    #expect(process?.devices?.visible == DeviceSlots.visible(0) && !isFree)
    pool.give(try #require(process))
    process = nil
    #expect(!isFree)
    process = try self.process()
    #expect(process?.program === program && program.ending == nil)
    process = nil
    #expect(isFree && program.ending != nil)
    try? FileSystem.removeTree(folder)
  }

  /// A task of another stage that waits for the GPU does not wait for the end of an idle process's time.
  @Test func anIdleProcessEndsWhenItsGPUIsWanted() async throws {
    var process: CommandProcess? = try process()
    let program = try #require(process).program
    pool.give(try #require(process))
    process = nil
    let (slots, found) = (slots, Monitor<DeviceSlots.Hold?>(nil))
    let training = BackgroundThread {
      let hold = try? slots.hold(1, of: 1, TaskControl())
      found.with { $0 = hold }
    }
    #expect(training != nil)
    #expect(try await comes { found.with { $0 != nil } })
    #expect(program.ending != nil)
    found.with { $0 = nil }
    // A child that another test starts may hold the lock for a moment.
    #expect(try await comes { isFree })
    try? FileSystem.removeTree(folder)
  }
}
