import PipelineKit
import ShardKit

/// The processes of one stage that no task uses: they wait for the next task, so that a model loads once per job slot and
/// not once per task. They end after a while, and with the stage.
final class CommandPool: Sendable {
  private struct State: @unchecked Sendable {
    var idle: [(process: CommandProcess, since: Int)] = []
    var isWatched = false
  }

  /// A model's memory is not held for long where no task of the stage is left.
  private static let idleNanoseconds = 10_000_000_000
  private let state = Monitor(State())

  deinit {
    let left = state.with { state in
      defer { state.idle = [] }
      return state.idle.map(\.process)
    }
    Self.end(left)
  }

  /// An idle process that has not ended meanwhile.
  func take(devices: String?) -> CommandProcess? {
    while true {
      let found = state.with(wake: false) { state -> CommandProcess? in
        guard let place = state.idle.lastIndex(where: { $0.process.devices == devices }) else { return nil }
        return state.idle.remove(at: place).process
      }
      guard let process = found else { return nil }
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
    let watch = BackgroundThread { [state] in Self.watch(state) }
    if let watch { watch.detach() } else { state.with { $0.isWatched = false } }
  }

  /// Until there is no idle process.
  private static func watch(_ state: Monitor<State>) {
    while true {
      let due = state.wait(atMostNanoseconds: 1_000_000_000) { state -> (old: [CommandProcess], isLast: Bool)? in
        let limit = monotonicNanoseconds() - idleNanoseconds
        let old = state.idle.filter { $0.since < limit }.map(\.process)
        state.idle.removeAll { $0.since < limit }
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
