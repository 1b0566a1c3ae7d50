import Glibc
import PipelineKit
import Synchronization

/// Assigns this machine's GPUs to the tasks of a run: a training gets exclusive GPUs, evaluations share the others, the
/// least busy GPU first.
///
/// Tasks wait until a GPU is free. Waiting trainings take precedence over evaluations.
final class DeviceSlots: Sendable {
  static let shared = DeviceSlots()

  private struct State {
    /// By GPU: the number of tasks that share it.
    var sharers: [Int] = []
    /// By GPU: whether a training uses it.
    var isTaken: [Bool] = []
    /// The number of waiting trainings. Evaluations start after them, or trainings would never find free GPUs.
    var waiting = 0

    mutating func grow(to count: Int) {
      while sharers.count < count {
        sharers.append(0)
        isTaken.append(false)
      }
    }
  }
  private let state = Mutex(State())
  private let mostSharers: Int

  /// - Parameter mostSharers: maximum tasks on one GPU; each one holds weights, moments and activations.
  init(mostSharers: Int = 8) { self.mostSharers = mostSharers }

  /// Runs `body` on one of `count` GPUs, which other tasks may share.
  func one<R>(of count: Int, _ control: TaskControl, _ body: (Int) throws -> R) throws -> R {
    let slot = try wait(control) { [mostSharers] (state) -> Int? in
      state.grow(to: count)
      guard state.waiting == 0 else { return nil }
      let free = (0..<count).filter { !state.isTaken[$0] && state.sharers[$0] < mostSharers }
      guard let slot = free.min(by: { (state.sharers[$0], $0) < (state.sharers[$1], $1) }) else { return nil }
      state.sharers[slot] += 1
      return slot
    }
    defer { state.withLock { $0.sharers[slot] -= 1 } }
    return try body(slot)
  }

  /// Runs `body` with exclusive use of `wanted` of `count` GPUs, or of all if more are wanted.
  func several<R>(_ wanted: Int, of count: Int, _ control: TaskControl, _ body: ([Int]) throws -> R) throws -> R {
    let slots = try take(min(wanted, count), of: count, control)
    defer { state.withLock { state in for slot in slots { state.isTaken[slot] = false } } }
    return try body(slots)
  }

  private func take(_ wanted: Int, of count: Int, _ control: TaskControl) throws -> [Int] {
    state.withLock { $0.waiting += 1 }
    defer { state.withLock { $0.waiting -= 1 } }
    return try wait(control) { (state) -> [Int]? in
      state.grow(to: count)
      let free = (0..<count).filter { !state.isTaken[$0] && state.sharers[$0] == 0 }
      guard free.count >= wanted else { return nil }
      let slots = Array(free.prefix(wanted))
      for slot in slots { state.isTaken[slot] = true }
      return slots
    }
  }

  private func wait<R>(_ control: TaskControl, _ find: (inout State) -> R?) throws -> R {
    var hasTold = false
    while true {
      if let found = state.withLock({ find(&$0) }) { return found }
      try control.checkStop()
      if !hasTold { control.report(TaskStatus(fraction: 0, text: "waiting for a GPU", remainingSeconds: nil)) }
      hasTold = true
      usleep(100_000)
    }
  }

  /// The value of CUDA_VISIBLE_DEVICES for a child process that uses this GPU.
  static func visible(_ slot: Int) -> String {
    guard let all = getenv("CUDA_VISIBLE_DEVICES") else { return "\(slot)" }
    let names = String(cString: all).split(separator: ",")
    return slot < names.count ? String(names[slot]) : "\(slot)"
  }
}
