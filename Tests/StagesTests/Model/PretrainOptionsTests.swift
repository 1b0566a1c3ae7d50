import Glibc
import PipelineKit
import ShardKit
import Synchronization
import TestKit
import Testing
import TrainerCore

@testable import Stages

@Suite struct PretrainOptionsTests {
  private func course(_ skip: [String] = [], _ rates: [String] = []) throws -> TrainingCourse {
    var options = ModelPretrain.Options()
    options.skipSteps = skip
    options.laterRates = rates
    return try options.course()
  }

  @Test func aCourseIsWrittenInStepsAndRates() throws {
    #expect(
      try course(["301-330", " 7 "], ["300: 0.0001", "10:1e-3"])
        == TrainingCourse(
          skipSteps: [7...7, 301...330], laterRates: [.init(0.001, after: 10), .init(0.0001, after: 300)]))
  }

  @Test(arguments: [
    "", "0-3", "5-4", "-3", "3-", "1-2-3", "a", "1 2", "99999999999999999999", "5-9223372036854775807", "1099511627777",
  ])
  func whatNamesNoStepsIsRefused(_ text: String) {
    let error = #expect(throws: StageError.self) { try course([text]) }
    #expect(error?.subject == "skipSteps" && error?.message == "'\(text)' is not a step or a range of steps")
  }

  @Test(arguments: [
    "", "300", "300:", ":1", "-1:1", "1:-1", "1:nan", "1:inf", "1:2:3", "1:11", "9223372036854775807:1",
    "1099511627777:1",
  ])
  func whatIsNoRateIsRefused(_ text: String) {
    let error = #expect(throws: StageError.self) { try course([], [text]) }
    #expect(error?.subject == "laterRates" && error?.message == "'\(text)' is not a step with a learning rate")
    #expect(throws: StageError.self) { try course([], ["3: 1", "3: 0.1"]) }
  }

  /// Either the bytes are equal or the fingerprint differs: what a machine decides stands in it, as it comes to there.
  @Test func whatChangesBytesStandsInTheFingerprint() {
    var options = ModelPretrain.Options()
    options.device = .cpu
    let cpu = ModelPretrain(options: options).settled
    #expect(cpu["device"] == "cpu" && cpu["precision"] == "float32" && cpu["processes"] == 1)
    #expect(cpu["microbatchSize"] == nil, "the option's own value stands")
    options.device = .cuda
    let gpu = ModelPretrain(options: options).settled
    #expect(gpu["device"] == "cuda" && gpu["precision"] == "bfloat16")
    #expect(gpu["processes"] == .null && gpu["microbatchSize"] == .null, "no promise of bits, no part")
    options.precision = .float32
    #expect(ModelPretrain(options: options).settled["precision"] == "float32")
    let free = ModelPretrain.Options.fields.filter { !$0.affectsOutput }.map(\.name)
    #expect(
      Set(free) == [
        "allowPrivateAddresses", "cacheBytes", "threads", "recomputeActivations", "checkpointSteps", "keepCheckpoints",
        "logSteps",
      ])
  }
}

/// Where an unfinished training goes on under another fingerprint, and where it does not.
@Suite struct PretrainStateTests {
  private func task(
    _ device: ModelPretrain.Device = .cuda, wired kind: ModelShape.Kind? = nil,
    _ change: (inout ModelPretrain.Options) -> Void
  ) throws -> TaskPlan {
    var options = ModelPretrain.Options()
    options.device = device
    options.processes = 1
    change(&options)
    let folder = temporaryDirectory()
    func wired(_ name: String) -> [WiredArtifact] {
      let file = ArtifactFile(path: "\(folder)/\(name)", name: name, bytes: 1, digest: Digester.digest([]))
      return [WiredArtifact(stage: "upstream", port: "output", files: [file])]
    }
    var inputs = ["tokens": wired("index.json"), "tokenizer": wired("tokenizer.json")]
    if let kind {
      try FileSystem.write(Array(ModelShape(kind).json.text().utf8), to: folder + "/model.json")
      inputs["checkpoint"] = wired("model.json")
    }
    return try ModelPretrain(options: options).tasks(of: .train, in: NodeContext(inputs: inputs, base: "/"))[0]
  }

  /// Whether a training goes on when it is shared out in another way: always, which rescues it.
  @Test(arguments: [ModelPretrain.Device.cpu, .cuda], [nil, ModelShape.Kind.bert, .ropeBERT])
  func anotherCutGoesOn(_ device: ModelPretrain.Device, _ wired: ModelShape.Kind?) throws {
    let usual = try task(device, wired: wired) { _ in }.stateKey
    #expect(try task(device, wired: wired) { $0.microbatchSize = 3 }.stateKey == usual)
    #expect(try task(device, wired: wired) { $0.processes = 2 }.stateKey == usual)
  }

  /// Whether a whole training that is shared out in another way has another fingerprint.
  private func isToldApart(
    _ device: ModelPretrain.Device = .cuda, wired: ModelShape.Kind? = nil,
    _ change: (inout ModelPretrain.Options) -> Void = { _ in }
  ) throws -> Bool {
    var options = ModelPretrain.Options()
    (options.device, options.processes) = (device, 4)
    change(&options)
    let settled = ModelPretrain(options: options).settled
    let payload = try task(device, wired: wired, change).payload
    // An option that is not settled stands in the fingerprint as it is.
    return settled["processes"] == 4 && settled["microbatchSize"] == nil || payload != .null
  }

  @Test func whatDecidesBitsOrDropoutIsToldApart() throws {
    #expect(try isToldApart(.cpu), "bits are promised")
    #expect(try !isToldApart() && !isToldApart(wired: .ropeBERT), "rounding, which GPUs do not promise")
    // Attention's dropout on a GPU knows sequences by their place in the microbatch.
    #expect(try isToldApart { $0.model = .bert })
    #expect(try isToldApart(wired: .bert), "the wired model decides")
    #expect(
      try !isToldApart {
        $0.model = .bert
        $0.dropout = 0
      })
  }

  /// What a scheduler is asked for.
  @Test func theTaskStatesWhatAMachineGives() throws {
    let gpus = try task { $0.processes = 8 }.resources
    #expect(gpus.gpus == 8 && gpus.cores == 32 && gpus.nodes == 1)
    #expect(try gpus.memoryBytes == 8 * task { _ in }.resources.memoryBytes)
    let cpu = try task(.cpu) { ($0.processes, $0.threads) = (2, 3) }.resources
    #expect(cpu.gpus == 0 && cpu.cores == 6)
    #expect(try task(.cpu) { _ in }.resources.cores == availableProcessors())
  }

  @Test func anotherCourseGoesOnAndAnotherTrainingDoesNot() throws {
    let usual = try task { _ in }.stateKey
    #expect(try task { $0.skipSteps = ["3-4"] }.stateKey == usual)
    #expect(try task { $0.laterRates = ["3: 0.1"] }.stateKey == usual)
    #expect(try task { $0.seed = 1 }.stateKey != usual)
    #expect(try task(.cpu) { $0.precision = .bfloat16 }.stateKey != usual)
  }

  @Test func aCourseLeavesAStep() throws {
    var options = ModelPretrain.Options()
    options.steps = 10
    options.skipSteps = ["1-4", "5-10"]
    let error = #expect(throws: StageError.self) { try ModelPretrain(options: options).validate() }
    #expect(error?.subject == "skipSteps" && error?.message == "skips every step after 0 of 10")
    options.skipSteps = ["1-4", "6-10"]
    try ModelPretrain(options: options).validate()
  }
}

@Suite struct DeviceSlotsTests {
  private final class Seen: Sendable {
    let most = Mutex<[Int: Int]>([:]), now = Mutex<[Int: Int]>([:]), mixed = Mutex(false), trained = Mutex(0)
    let training = Mutex<Set<Int>>([])
  }

  /// Trainings have their GPUs for themselves, and come to their turn though evaluations go on asking.
  @Test func trainingsAndEvaluationsDoNotMeet() {
    let slots = DeviceSlots(mostSharers: 2), seen = Seen()
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
    let slots = DeviceSlots(mostSharers: 2)
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

  private func withThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { number in BackgroundThread { body(number) } }
    for thread in threads { thread?.join() }
  }
}
