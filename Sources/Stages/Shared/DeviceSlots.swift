import Glibc
import PipelineKit
import Synchronization

/// Assigns this machine's GPUs to the tasks of a run: a training gets exclusive GPUs, evaluations share the others, the
/// least busy GPU first.
///
/// Tasks wait until a GPU is free. Waiting trainings take precedence over evaluations. Other runs on this machine are
/// kept apart by locks.
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
  private let locks: DeviceLocks

  /// - Parameters:
  ///   - mostSharers: maximum tasks on one GPU; each one holds weights, moments and activations.
  ///   - locks: tell other runs of this machine.
  init(mostSharers: Int = 8, locks: DeviceLocks = .ofThisMachine) {
    self.mostSharers = mostSharers
    self.locks = locks
  }

  /// Runs `body` on one of `count` GPUs, which other tasks may share.
  func one<R>(of count: Int, _ control: TaskControl, _ body: (Int) throws -> R) throws -> R {
    let (slot, hold) = try wait(control) { [mostSharers, locks] (state, others) -> (Int, DeviceLocks.Hold)? in
      state.grow(to: count)
      guard state.waiting == 0 else { return nil }
      let free = (0..<count).filter { !state.isTaken[$0] && state.sharers[$0] < mostSharers }
      for slot in free.sorted(by: { (state.sharers[$0], $0) < (state.sharers[$1], $1) }) {
        if let hold = locks.take(Self.visible(slot), exclusively: false) {
          state.sharers[slot] += 1
          return (slot, hold)
        }
        others.append(slot)
      }
      return nil
    }
    defer { state.withLock { $0.sharers[slot] -= 1 } }
    return try withExtendedLifetime(hold) { try body(slot) }
  }

  /// Runs `body` with exclusive use of `wanted` of `count` GPUs, or of all if more are wanted.
  func several<R>(_ wanted: Int, of count: Int, _ control: TaskControl, _ body: ([Int]) throws -> R) throws -> R {
    let taken = try take(min(wanted, count), of: count, control)
    let slots = taken.map(\.slot)
    defer { state.withLock { state in for slot in slots { state.isTaken[slot] = false } } }
    return try withExtendedLifetime(taken) { try body(slots) }
  }

  private func take(
    _ wanted: Int, of count: Int, _ control: TaskControl
  ) throws -> [(slot: Int, hold: DeviceLocks.Hold)] {
    state.withLock { $0.waiting += 1 }
    defer { state.withLock { $0.waiting -= 1 } }
    return try wait(control) { [locks] (state, others) in
      state.grow(to: count)
      let free = (0..<count).filter { !state.isTaken[$0] && state.sharers[$0] == 0 }
      guard free.count >= wanted else { return nil }
      var taken: [(slot: Int, hold: DeviceLocks.Hold)] = []
      for slot in free where taken.count < wanted {
        if let hold = locks.take(Self.visible(slot), exclusively: true) {
          taken.append((slot, hold))
        } else {
          others.append(slot)
        }
      }
      // Holding some while waiting for others, two trainings could wait for one another for ever.
      guard taken.count == wanted else { return nil }
      for (slot, _) in taken { state.isTaken[slot] = true }
      return taken
    }
  }

  /// - Parameter find: appends GPUs that other runs use to its second argument.
  private func wait<R>(_ control: TaskControl, _ find: (inout State, inout [Int]) -> R?) throws -> R {
    var told = ""
    while true {
      var others: [Int] = []
      if let found = state.withLock({ find(&$0, &others) }) { return found }
      try control.checkStop()
      let text = waiting(for: others)
      if text != told { control.report(TaskStatus(fraction: 0, text: text, remainingSeconds: nil)) }
      told = text
      usleep(100_000)
    }
  }

  /// "waiting for GPU 0, which process 123 uses"
  private func waiting(for others: [Int]) -> String {
    guard let slot = others.first else { return "waiting for a GPU" }
    let name = Self.visible(slot)
    let holder = locks.holder(name).map { "process \($0)" } ?? "another run"
    return "waiting for GPU \(name), which \(holder) uses"
  }

  /// The value of CUDA_VISIBLE_DEVICES for a child process that uses this GPU.
  static func visible(_ slot: Int) -> String {
    guard let all = getenv("CUDA_VISIBLE_DEVICES") else { return "\(slot)" }
    let names = String(cString: all).split(separator: ",")
    return slot < names.count ? String(names[slot]) : "\(slot)"
  }
}
