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
    /// The number of tasks that wait for a GPU.
    var wanting = 0
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
    let found = try wait(control) { [mostSharers, locks] (state, others) -> (Int, DeviceLocks.Hold)? in
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
    let (slot, hold) = found!
    defer { state.withLock { $0.sharers[slot] -= 1 } }
    return try withExtendedLifetime(hold) { try body(slot) }
  }

  /// GPUs that one task or one process has for itself, until this object is gone.
  final class Hold: Sendable {
    let slots: [Int]
    private let locks: [DeviceLocks.Hold]
    private let owner: DeviceSlots

    fileprivate init(_ taken: [(slot: Int, lock: DeviceLocks.Hold)], of owner: DeviceSlots) {
      slots = taken.map(\.slot)
      locks = taken.map(\.lock)
      self.owner = owner
    }

    deinit { owner.state.withLock { state in for slot in slots { state.isTaken[slot] = false } } }

    /// The value of CUDA_VISIBLE_DEVICES for a process that uses them.
    var visible: String { slots.map { DeviceSlots.visible($0) }.joined(separator: ",") }
  }

  /// Whether a task of this process waits for a GPU.
  var isWanted: Bool { state.withLock { $0.wanting > 0 } }

  /// Runs `body` with exclusive use of `wanted` of `count` GPUs, or of all if more are wanted.
  func several<R>(_ wanted: Int, of count: Int, _ control: TaskControl, _ body: ([Int]) throws -> R) throws -> R {
    // Nothing else serves it.
    let hold = try hold(min(wanted, count), of: count, control)!
    return try withExtendedLifetime(hold) { try body(hold.slots) }
  }

  /// Waits for exclusive use of `wanted` of `count` GPUs.
  /// - Parameter isServed: asked while it waits; true ends the waiting.
  /// - Returns: nil if it was served otherwise.
  func hold(
    _ wanted: Int, of count: Int, _ control: TaskControl, unless isServed: () throws -> Bool = { false }
  ) throws -> Hold? {
    state.withLock { $0.waiting += 1 }
    defer { state.withLock { $0.waiting -= 1 } }
    return try wait(control, unless: isServed) { state, others in find(wanted, of: count, &state, &others) }
  }

  private func find(_ wanted: Int, of count: Int, _ state: inout State, _ others: inout [Int]) -> Hold? {
    state.grow(to: count)
    let free = (0..<count).filter { !state.isTaken[$0] && state.sharers[$0] == 0 }
    guard free.count >= wanted else { return nil }
    var taken: [(slot: Int, lock: DeviceLocks.Hold)] = []
    for slot in free where taken.count < wanted {
      if let lock = locks.take(Self.visible(slot), exclusively: true) {
        taken.append((slot, lock))
      } else {
        others.append(slot)
      }
    }
    // Holding some while waiting for others, two trainings could wait for one another for ever.
    guard taken.count == wanted else { return nil }
    for (slot, _) in taken { state.isTaken[slot] = true }
    return Hold(taken, of: self)
  }

  /// - Parameters:
  ///   - isServed: true ends the waiting, with nil.
  ///   - find: appends GPUs that other runs use to its second argument.
  private func wait<R>(
    _ control: TaskControl, unless isServed: () throws -> Bool = { false }, _ find: (inout State, inout [Int]) -> R?
  ) throws -> R? {
    state.withLock { $0.wanting += 1 }
    defer { state.withLock { $0.wanting -= 1 } }
    var told = ""
    while try !isServed() {
      var others: [Int] = []
      if let found = state.withLock({ find(&$0, &others) }) { return found }
      try control.checkStop()
      let text = waiting(for: others)
      if text != told { control.report(TaskStatus(fraction: 0, text: text, remainingSeconds: nil)) }
      told = text
      usleep(100_000)
    }
    return nil
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
