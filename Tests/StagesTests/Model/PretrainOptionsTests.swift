import PipelineKit
import ShardKit
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

  /// A training that began before there were `decaySteps` is the same one without any: its state is found, and its
  /// checkpoints, whose job did not have them, are its own.
  @Test func trainingsOfBeforeDecayStepsGoOn() throws {
    func field(_ steps: Int) -> Bool? {
      var options = ModelPretrain.Options()
      options.decaySteps = steps
      return options.fields.first { $0.name == "decaySteps" }?.isIdentifying
    }
    #expect(field(0) == false && field(10) == true)
    func key(_ steps: Int) -> String {
      var options = ModelPretrain.Options()
      (options.device, options.schedule, options.decaySteps) = (.cpu, .linear, steps)
      return ModelPretrain(options: options).stateKey([])
    }
    #expect(key(0) != key(10))
    var job = TrainingJob()
    #expect(!job.json.text().contains("decaySteps"))
    let before = CheckpointState(step: 3, fingerprint: job.fingerprint)
    job.learningRateSchedule.decaySteps = 10
    #expect(!job.isOwn(before))
    job.learningRateSchedule.decaySteps = nil
    #expect(job.isOwn(before))
  }

  @Test func aRampGrowsToTheBatch() throws {
    func refused(_ change: (inout ModelPretrain.Options) -> Void) -> String {
      var options = ModelPretrain.Options()
      (options.batchSize, options.steps) = (64, 100)
      change(&options)
      let stage = ModelPretrain(options: options)
      let error = #expect(throws: StageError.self) { try stage.validate() }
      return error.map { "\($0)" } ?? ""
    }
    #expect(refused { $0.batchRampSteps = 10 }.hasPrefix("firstBatchSize: says with how many samples the ramp begins"))
    #expect(refused { $0.firstBatchSize = 8 }.hasPrefix("batchRampSteps: is not set"))
    for size in [64, 100] {
      #expect(
        refused { ($0.batchRampSteps, $0.firstBatchSize) = (10, size) }
          .hasPrefix("firstBatchSize: \(size) is not between 0 processes and 64 samples"))
    }
    #expect(
      refused { ($0.batchRampSteps, $0.firstBatchSize, $0.processes) = (10, 2, 4) }
        .hasPrefix("firstBatchSize: 2 is not between 4 processes"))
    #expect(
      refused { ($0.batchRampSteps, $0.firstBatchSize) = (101, 8) }.hasPrefix(
        "batchRampSteps: 101 exceed the 100 steps"))
    var options = ModelPretrain.Options()
    (options.batchSize, options.steps, options.batchRampSteps, options.firstBatchSize) = (64, 100, 4, 16)
    try ModelPretrain(options: options).validate()
    let job = try TrainingJob(options)
    #expect(job.batchRamp == BatchRamp(steps: 4, first: 16) && job.stepSizes.samples(of: 5) == 16 + 16 + 32 + 48 + 64)
    // Epochs count what the small steps leave out.
    let sources = [TokenMixture.Source(name: "ja", folders: [], shards: 1, samples: 88, digest: "")]
    options.steps = 3
    (options.batchRampSteps, options.firstBatchSize) = (3, 16)
    #expect(try options.mixture(sources).phases == [.init(until: 3, amounts: [16 + 32 + 48])])
    options.mixture = try MixtureOption(json: ["epochs": ["ja": 2]])
    let error = #expect(throws: StageError.self) { try options.mixture(sources) }
    #expect(
      error?.message == "the epochs are 176 samples, which fill 4 steps of 16 to 64, not 3", "\(error!)")
  }

  @Test func muonHasItsMomentum() throws {
    var options = ModelPretrain.Options()
    options.muonMomentum = 0.9
    let error = #expect(throws: StageError.self) { try ModelPretrain(options: options).validate() }
    #expect(error?.description.hasPrefix("muonMomentum: 'optimizer' is adamw, which has none") == true)
    options.optimizer = .muon
    options.decayNormsAndBiases = false
    try ModelPretrain(options: options).validate()
    let job = try TrainingJob(options)
    #expect(job.optimizer.muon == Muon(momentum: 0.9) && job.optimizer.decaysNormsAndBiases == false)
    // Trainings of before are the same training still.
    let schedule = try TrainingJob(ModelPretrain.Options()).json["learningRateSchedule"]
    #expect(schedule?["steps"] != nil && schedule?["decaySteps"] == nil)
    #expect(
      try TrainingJob(ModelPretrain.Options()).json["optimizer"]?.members?.map(\.key) == [
        "beta1", "beta2", "epsilon", "weightDecay",
      ])
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
        "logSteps", "nodes", "bucketMiB", "maximumEpochs",
      ])
  }

  /// What several machines do stands in the number of processes, as if one machine had them all.
  @Test func machinesCountByTheirProcesses() throws {
    var options = ModelPretrain.Options()
    options.device = .cpu
    options.processes = 1
    #expect(ModelPretrain(options: options).settled["processes"] == 1)
    options.nodes = 2
    #expect(ModelPretrain(options: options).settled["processes"] == 2, "two numbers have one sum")
    options.processes = 2
    let four = ModelPretrain(options: options).settled["processes"]
    #expect(four == ["processes": 4, "bucketMiB": 100])
    (options.nodes, options.processes) = (1, 4)
    #expect(ModelPretrain(options: options).settled["processes"] == four)
    options.bucketMiB = 0
    #expect(ModelPretrain(options: options).settled["processes"] == 4)
  }

  @Test func theMachinesThatAreNamedMustBeThere() throws {
    var options = ModelPretrain.Options()
    options.nodes = 2
    func launch(_ variables: [String: String]) throws -> LaunchEnvironment {
      try ModelPretrain(options: options).launch(1, environment: { variables[$0] })
    }
    let alone = #expect(throws: StageError.self) { try launch([:]) }
    #expect(alone?.description.contains("nodes: training needs 2 machines, but was started on one") == true)
    var three = ["WORLD_SIZE": "3", "NODE_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"]
    #expect(throws: StageError.self) { try launch(three) }
    three["WORLD_SIZE"] = "2"
    #expect(try launch(three).nodes == 2)
    options.nodes = 1
    three["WORLD_SIZE"] = "3"
    #expect(try launch(three).nodes == 3, "as the launcher says")

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
    return settled["processes"] != .null && settled["microbatchSize"] == nil || payload != .null
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
    #expect(try task { $0.nodes = 4 }.resources.nodes == 4)
    let usual = try task { _ in }.stateKey
    #expect(try task { $0.nodes = 4 }.stateKey == usual)
    #expect(try gpus.memoryBytes == 8 * task { _ in }.resources.memoryBytes)
    let cpu = try task(.cpu) { ($0.processes, $0.threads) = (2, 3) }.resources
    #expect(cpu.gpus == 0 && cpu.cores == 6)
    #expect(try task(.cpu) { _ in }.resources.cores == availableProcessors())
  }

  /// Measured in fine-tunings of a MosaicBERT of base size: 90 kB per token and layer, which are 23,000 values; by its sizes,
  /// this one keeps half as many.
  @Test func theEstimateCoversActivationsOnTheCPU() throws {
    func bytes(_ change: (inout ModelPretrain.Options) -> Void = { _ in }) throws -> Int {
      try task(.cpu) { options in
        (options.hiddenSize, options.layers, options.heads, options.intermediateSize) = (512, 6, 8, 1024)
        (options.sequenceLength, options.batchSize, options.microbatchSize) = (128, 32, 32)
        change(&options)
      }.resources.memoryBytes
    }
    let recomputed = try bytes { $0.recomputeActivations = true }
    let activations = try bytes() - recomputed
    #expect((800_000_000...1_100_000_000).contains(activations))
    let extreme = try bytes {
      ($0.microbatchSize, $0.batchSize, $0.sequenceLength, $0.maximumLength) = (1 << 20, 1 << 24, 1 << 20, 1 << 20)
    }
    #expect(extreme == 1_000_000_000_000_000)
  }

  /// A training whose ids without text were masked by a former release begins anew: its checkpoints are not its own.
  @Test func aTrainingThatMasksOtherIdsIsAnother() throws {
    let stage = ModelPretrain(options: ModelPretrain.Options())
    #expect(stage.stateKey([], unmasked: nil) == stage.stateKey([]))
    #expect(stage.stateKey([], unmasked: 2) != stage.stateKey([]))
    // The key of the task, by its tokenizer.
    func key(_ configuration: JSONValue) throws -> String {
      let model = try TinyModel(.bert), folder = temporaryDirectory()
      let source = try #require(try model.tokenizerFiles.first { $0.name == "tokenizer.json" })
      var json = try JSONValue.parse(try FileSystem.read(source.path)).value
      json = .object((json.members ?? []).map { $0.key == "added_tokens" ? JSONMember($0.key, .list([])) : $0 })
      var files: [ArtifactFile] = []
      for (name, json) in [("tokenizer.json", json), ("tokenizer_config.json", configuration)] where json != .null {
        try FileSystem.write(Array(json.text().utf8), to: "\(folder)/\(name)")
        files.append(ArtifactFile(path: "\(folder)/\(name)", name: name, bytes: 1, digest: Digester.digest([])))
      }
      let index = ArtifactFile(path: "\(folder)/index.json", name: "index.json", bytes: 1, digest: Digester.digest([]))
      let inputs = [
        "tokens": [WiredArtifact(stage: "a", port: "output", files: [index])],
        "tokenizer": [WiredArtifact(stage: "b", port: "output", files: files)],
      ]
      let task = try stage.tasks(of: .train, in: NodeContext(inputs: inputs, base: "/"))[0]
      #expect(task.stateKey == stage.stateKey(files + [index], unmasked: TokenizerInput.furtherUnmasked(files)))
      return task.stateKey
    }
    // Five ids have a role by their names alone.
    #expect(try key(.null) != stage.stateKey([]))
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
