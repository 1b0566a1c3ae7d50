import Glibc
import PipelineKit
import ShardKit
import Synchronization
import TestKit
import Testing

@testable import Stages

@Suite struct DeviceSlotsTests {
  private final class Seen: Sendable {
    let most = Mutex<[Int: Int]>([:]), now = Mutex<[Int: Int]>([:]), mixed = Mutex(false), trained = Mutex(0)
    let training = Mutex<Set<Int>>([])
  }

  /// Trainings have their GPUs for themselves, and come to their turn though evaluations go on asking.
  @Test func trainingsAndEvaluationsDoNotMeet() {
    let slots = DeviceSlots(mostSharers: 2, locks: DeviceLocks(folder: nil)), seen = Seen()
    @Sendable func evaluate() {
      try? slots.one(of: 2, TaskControl()) { slot in
        seen.now.withLock { $0[slot, default: 0] += 1 }
        let count = seen.now.withLock { $0[slot]! }
        seen.most.withLock { $0[slot] = max($0[slot] ?? 0, count) }
        if seen.training.withLock({ $0.contains(slot) }) { seen.mixed.withLock { $0 = true } }
        usleep(5_000)
        seen.now.withLock { $0[slot]! -= 1 }
      }
    }
    withThreads(10) { thread in
      if thread == 5 {
        try? slots.several(8, of: 2, TaskControl()) { devices in
          seen.training.withLock { $0.formUnion(devices) }
          if seen.now.withLock({ now in devices.contains { (now[$0] ?? 0) > 0 } }) { seen.mixed.withLock { $0 = true } }
          usleep(20_000)
          seen.training.withLock { $0.subtract(devices) }
          seen.trained.withLock { $0 = devices.count }
        }
      } else {
        for _ in 0..<4 { evaluate() }
      }
    }
    #expect(seen.trained.withLock { $0 } == 2, "all that there are, where more are wanted")
    #expect(!seen.mixed.withLock { $0 })
    #expect(seen.most.withLock { $0.values.allSatisfy { $0 <= 2 } })
  }

  /// An evaluation that comes behind a waiting training must not go before it, though it could share the GPU at once.
  @Test func aWaitingTrainingComesBeforeLaterEvaluations() {
    let slots = DeviceSlots(mostSharers: 2, locks: DeviceLocks(folder: nil))
    let isHeld = Atomic(false), mayEnd = Atomic(false), order = Mutex<[String]>([])
    let training = TaskControl(), evaluation = TaskControl()
    @Sendable func wait(until condition: () -> Bool) { while !condition() { usleep(1_000) } }
    let holder = BackgroundThread {
      try? slots.one(of: 1, TaskControl()) { _ in
        isHeld.store(true, ordering: .relaxed)
        wait { mayEnd.load(ordering: .relaxed) }
      }
    }
    wait { isHeld.load(ordering: .relaxed) }
    let first = BackgroundThread {
      try? slots.several(1, of: 1, training) { _ in order.withLock { $0.append("training") } }
    }
    wait { training.status != nil }
    let second = BackgroundThread {
      try? slots.one(of: 1, evaluation) { _ in order.withLock { $0.append("evaluation") } }
    }
    wait { evaluation.status != nil || !order.withLock { $0 }.isEmpty }
    mayEnd.store(true, ordering: .relaxed)
    for thread in [holder, first, second] { thread?.join() }
    #expect(order.withLock { $0 } == ["training", "evaluation"])
  }

  private func status(_ control: TaskControl, _ text: String) -> Bool {
    for _ in 0..<60_000 {
      if control.status?.text == text { return true }
      usleep(10_000)
    }
    return false
  }

  private func several(_ slots: DeviceSlots, _ wanted: Int, of count: Int) throws -> [Int] {
    try slots.several(wanted, of: count, TaskControl()) { $0 }
  }

  private func one(_ slots: DeviceSlots, of count: Int) throws -> Int { try slots.one(of: count, TaskControl()) { $0 } }

  /// Two runs on one machine, each with slots of its own, as two processes have them.
  @Test func runsKeepApart() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let locks = DeviceLocks(folder: folder)
    let first = DeviceSlots(locks: locks), second = DeviceSlots(locks: locks)
    try first.several(1, of: 2, TaskControl()) { (held: [Int]) throws in
      #expect(held == [0])
      #expect(try several(second, 1, of: 2) == [1], "the other one")
      #expect(try one(second, of: 2) == 1)
      let control = TaskControl(), order = Mutex<[[Int]]>([])
      let waiting = BackgroundThread {
        try? second.several(2, of: 2, control) { devices in order.withLock { $0.append(devices) } }
      }
      #expect(status(control, "waiting for GPU \(DeviceSlots.visible(0)), which process \(getpid()) uses"))
      #expect(try one(first, of: 2) == 1, "what waits holds nothing")
      control.cancel()
      waiting?.join()
      #expect(order.withLock { $0 }.isEmpty)
    }
    #expect(try several(second, 2, of: 2) == [0, 1])
  }

  /// Whatever the umask of the one who came first.
  @Test func everyUserCanUseAFileOfLocksAndNoLinkIsFollowed() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let locks = DeviceLocks(folder: folder)
    #expect(locks.take("0", exclusively: true) != nil)
    let name = try #require(try FileSystem.list(folder).first)
    var status = stat()
    #expect(stat("\(folder)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o666)
    try FileSystem.remove("\(folder)/\(name)")
    try FileSystem.write(Array("precious".utf8), to: folder + "/target")
    #expect(symlink(folder + "/target", "\(folder)/\(name)") == 0)
    _ = locks.take("0", exclusively: true)
    #expect(try FileSystem.read(folder + "/target") == Array("precious".utf8))
  }

  @Test func evaluationsOfTwoRunsShareAndTrainingsWait() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let locks = DeviceLocks(folder: folder)
    let first = DeviceSlots(locks: locks), second = DeviceSlots(locks: locks)
    try first.one(of: 1, TaskControl()) { (_: Int) throws in
      #expect(try one(second, of: 1) == 0)
      #expect(locks.take(DeviceSlots.visible(0), exclusively: true) == nil)
    }
    #expect(locks.take(DeviceSlots.visible(0), exclusively: true) != nil)
  }

  /// A process of another program holds the file: its lock ends with it, and a dead process is not named.
  @Test func anotherProcessHoldsAGPU() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let locks = DeviceLocks(folder: folder), name = DeviceSlots.visible(0)
    let file = "\(folder)/pipeline-gpu-\(name).lock"
    try FileSystem.write([], to: file)
    let other = try ChildProcess(["--no-fork", "-x", file, "sleep", "600"], program: "/usr/bin/flock")
    try other.works(until: "it holds the lock") { locks.take(name, exclusively: false) == nil }
    // What a process that has ended left in it.
    let note = open(file, O_WRONLY | O_TRUNC)
    #expect(pwrite(note, "999999999\n", 10, 0) == 10)
    close(note)
    let control = TaskControl(), slots = DeviceSlots(locks: locks), isDone = Atomic(false)
    let waiting = BackgroundThread {
      try? slots.several(1, of: 1, control) { _ in isDone.store(true, ordering: .relaxed) }
    }
    #expect(status(control, "waiting for GPU \(name), which another run uses"))
    other.signal(SIGKILL)
    _ = try other.wait()
    waiting?.join()
    let came = isDone.load(ordering: .relaxed)
    #expect(came)
  }

  /// Numbers that a scheduler gives each job anew are not those of the machine.
  @Test func aGPUHasOneNameOnAMachine() {
    func name(_ device: String, _ variables: [String: String] = [:]) -> String {
      DeviceIdentity(environment: { variables[$0] }, numbers: ["GPU-ab": "3"]).name(of: device)
    }
    #expect(name("0") == "0" && name("GPU-ab") == "3" && name("GPU-cd") == "GPU-cd")
    #expect(name("../x") == "___x")
    let job = ["SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_GPUS": "4,6"]
    #expect(name("0", job) == "4" && name("1", job) == "6" && name("GPU-ab", job) == "3")
    #expect(name("1", ["SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"]) == "7-1", "of this job alone")
    #expect(name("1", job.merging(["SLURM_JOB_GPUS": "4"]) { $1 }) == "7-1")
  }

  @Test func withoutAFolderThereAreNoLocks() throws {
    let none = DeviceLocks(folder: nil)
    #expect(none.take("0", exclusively: true) != nil && none.take("0", exclusively: true) != nil)
    let absent = DeviceLocks(folder: "/nowhere")
    #expect(absent.take("0", exclusively: true) != nil && absent.holder("0") == nil)
  }

  private func withThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { number in BackgroundThread { body(number) } }
    for thread in threads { thread?.join() }
  }
}
