import PipelineKit
import ShardKit

/// The processes of one stage that no task uses: they wait for the next task, so that a model loads once per job slot and
/// not once per task. They end after a while, when another task waits for their GPUs, and with the stage.
final class CommandPool: Sendable {
  private struct State: @unchecked Sendable {
    var idle: [(process: CommandProcess, since: Int)] = []
    /// Tasks of the stage that wait for a process with GPUs.
    var waiting = 0
    var isWatched = false
  }

  /// A model's memory is not held for long where no task of the stage is left.
  private static let idleNanoseconds = 10_000_000_000
  private static let tickNanoseconds = 200_000_000
  private let state = Monitor(State())
  private let devices: ProgramDevices

  init(devices: ProgramDevices = ProgramDevices()) { self.devices = devices }

  deinit {
    let left = state.with { state in
      defer { state.idle = [] }
      return state.idle.map(\.process)
    }
    Self.end(left)
  }

  /// An idle process, or a new one on GPUs that nothing else uses.
  /// - Parameter start: starts one with its GPUs.
  /// - Throws: what waiting for GPUs and `start` throw.
  func process(
    _ gpus: Int, _ control: TaskControl, start: (DeviceSlots.Hold?) throws -> CommandProcess
  ) throws -> CommandProcess {
    state.with(wake: false) { $0.waiting += 1 }
    defer { state.with(wake: false) { $0.waiting -= 1 } }
    var found = idle()
    if let found { return found }
    let hold = try devices.hold(gpus, control) {
      found = idle()
      return found != nil
    }
    return try found ?? start(hold)
  }

  /// An idle process that has not ended meanwhile.
  private func idle() -> CommandProcess? {
    while true {
      guard let process = state.with(wake: false, { $0.idle.popLast()?.process }) else { return nil }
      process.program.exchange(waitMilliseconds: 0)
      if process.program.ending == nil, process.program.received.isEmpty { return process }
      process.program.stop()
    }
  }

  func give(_ process: CommandProcess) {
    process.program.onPrint = nil
    let startsWatch = state.with { state in
      state.idle.append((process, monotonicNanoseconds()))
      defer { state.isWatched = true }
      return !state.isWatched
    }
    guard startsWatch else { return }
    let watch = BackgroundThread { [state, slots = devices.slots] in Self.watch(state, slots) }
    if let watch { return watch.detach() }
    // Nothing would ever end it.
    Self.end(
      state.with { state in
        defer { (state.idle, state.isWatched) = ([], false) }
        return state.idle.map(\.process)
      })
  }

  /// Until there is no idle process.
  private static func watch(_ state: Monitor<State>, _ slots: DeviceSlots) {
    while true {
      let due = state.wait(atMostNanoseconds: tickNanoseconds) { state -> (old: [CommandProcess], isLast: Bool)? in
        let limit = monotonicNanoseconds() - idleNanoseconds
        let isWanted = state.waiting == 0 && slots.isWanted
        func isDue(_ process: CommandProcess, _ since: Int) -> Bool {
          since < limit || isWanted && process.devices != nil
        }
        let old = state.idle.filter { isDue($0.process, $0.since) }.map(\.process)
        state.idle.removeAll { isDue($0.process, $0.since) }
        state.isWatched = !state.idle.isEmpty
        return old.isEmpty && state.isWatched ? nil : (old, !state.isWatched)
      }
      end(due?.old ?? [])
      if due?.isLast ?? false { return }
    }
  }

  private static func end(_ processes: [CommandProcess]) {
    for process in processes { process.program.endInput() }
    for process in processes { process.program.finish(withinMilliseconds: CommandProcess.patienceMilliseconds) }
  }
}
