public import ShardKit

/// Everything that a training process is told: one JSON file that the stage writes and each process reads.
public struct TrainingJob: Equatable, Sendable {
  /// Over the picture of its curves.
  public var title = "Pretraining"
  public var shape = ModelShape()
  /// Folder of the token data set; of its index.json alone where the shards lie elsewhere.
  public var data = ""
  public var remote: RemoteData?
  /// Of the data set's index: what is trained on, wherever it lies.
  public var dataDigest = ""
  /// A folder with `weights.safetensors` to begin from; nil for weights at random.
  public var initial: String?
  /// A checkpoint to go on from, with its moments, at its step and place in the data; of other data at their beginning, of
  /// another order of the same data at the next epoch.
  public var resume: String?
  /// Where checkpoints and metrics are kept while training goes on.
  public var state = ""

  public var sequenceLength = 128
  /// Sequences of an optimizer step, over all devices.
  public var batchSize = 2048
  /// Sequences that a device takes at once, at most.
  public var microbatchSize = 128
  public var steps = 1000
  public var optimizer = AdamW()
  public var schedule = LearningRateSchedule(learningRate: 3e-4, schedule: .cosine, warmupSteps: 0, steps: 1000)
  public var course = TrainingCourse()
  /// Steps with a loss or a gradient that is no number which are passed over before training stops.
  public var toleratedSteps = 0
  /// The greatest norm of the gradient; nil to leave it.
  public var maximumGradientNorm: Double?
  public var maskFraction = 0.3
  public var seed = 17
  public var shuffle = ShuffleOrder.Algorithm.py1e

  public var precision = Parameters.Precision.float32
  /// "cpu" or "cuda".
  public var device = "cpu"
  /// Threads of a process's computation on the CPU.
  public var threads = 1
  public var recomputeActivations = false

  public var checkpointSteps = 1000
  public var keep = KeepRule()
  public var logSteps = 10
  /// Tokens of the tokenizer; the model's table may be longer.
  public var vocabularySize = 32_768
  /// Token ids.
  public var maskToken = 4
  public var specialTokens: [Int] = [0, 1, 2, 3, 4]

  public init() {}

  /// Which training this is: a checkpoint of another one is not gone on from. Places, speed, how often something is
  /// written, and how a step is shared out (microbatches, processes, threads, devices) are no part of it: after the same
  /// steps the weights are the same, to rounding; where more depends on it, the stage keeps trainings apart. Nor is the
  /// course, which says itself from where on it matters.
  public var fingerprint: String { Digester.digest(Array(identity(keepingCourse: false).text().utf8)).hex }

  func identity(keepingCourse: Bool) -> JSONValue {
    var plain = self
    plain.title = ""
    plain.data = ""
    plain.remote = nil
    plain.state = ""
    plain.initial = nil
    plain.resume = nil
    plain.device = ""
    plain.microbatchSize = 1
    plain.threads = 1
    plain.recomputeActivations = false
    plain.checkpointSteps = 1
    plain.keep = KeepRule()
    plain.logSteps = 1
    if !keepingCourse {
      plain.course = TrainingCourse()
      plain.toleratedSteps = 0
    }
    return plain.json
  }

  /// What decides the order of the samples, besides the data.
  public var order: String { "\(shuffle.rawValue), seed \(seed), batches of \(batchSize)" }

  /// The rate of the step that follows `finished` steps.
  public func rate(after finished: Int) -> Double {
    var schedule = schedule
    schedule.learningRate = course.peak(after: finished, schedule.learningRate)
    return schedule.rate(after: finished)
  }

  /// Whether training may go on from a checkpoint of this training: all that led to it is as the course says.
  public func continues(_ state: CheckpointState) -> Bool {
    state.course == course.text(until: state.step) && state.badSteps <= toleratedSteps && state.step <= steps
  }

  /// Whether a checkpoint is of this very training: gone on from, it leads to this job's end.
  public func isOwn(_ state: CheckpointState) -> Bool { state.fingerprint == fingerprint && continues(state) }

  /// The step of the checkpoint of another training that this one goes on from; 0 for none.
  public var firstStep: Int {
    resume?.split(separator: "/").last.flatMap { TrainingCheckpoint.step(ofFolder: String($0)) } ?? 0
  }

  /// Steps between the points of the published curve: a thousand points, whatever is logged on the way.
  public var curveEverySteps: Int { max(1, steps / 1000) }
}

// MARK: JSON

extension TrainingJob {
  public var json: JSONValue {
    [
      "title": .string(title), "shape": shape.json, "data": .string(data),
      "remote": remote?.json ?? .null,
      "dataDigest": .string(dataDigest), "initial": initial.map { .string($0) } ?? .null,
      "resume": resume.map { .string($0) } ?? .null,
      "state": .string(state), "sequenceLength": .integer(sequenceLength), "batchSize": .integer(batchSize),
      "microbatchSize": .integer(microbatchSize), "steps": .integer(steps),
      "optimizer": [
        "beta1": .number(optimizer.beta1), "beta2": .number(optimizer.beta2), "epsilon": .number(optimizer.epsilon),
        "weightDecay": .number(optimizer.weightDecay),
      ],
      "schedule": [
        "learningRate": .number(schedule.learningRate), "schedule": .string(schedule.schedule.rawValue),
        "warmupSteps": .integer(schedule.warmupSteps), "steps": .integer(schedule.steps),
        "finalRateFraction": .number(schedule.finalRateFraction), "start": .integer(schedule.start),
      ],
      "course": course.json, "toleratedSteps": .integer(toleratedSteps),
      "maximumGradientNorm": maximumGradientNorm.map { .number($0) } ?? .null, "maskFraction": .number(maskFraction),
      "seed": .integer(seed),
      "shuffle": .string(shuffle.rawValue), "precision": .string(precision.rawValue), "device": .string(device),
      "threads": .integer(threads), "recomputeActivations": .bool(recomputeActivations),
      "checkpointSteps": .integer(checkpointSteps), "keepLast": .integer(keep.last),
      "keepEverySteps": keep.everySteps.map { .integer($0) } ?? .null, "logSteps": .integer(logSteps),
      "vocabularySize": .integer(vocabularySize), "maskToken": .integer(maskToken),
      "specialTokens": .list(specialTokens.map { .integer($0) }),
    ]
  }

  public init(path: String) throws {
    let json: JSONValue
    let text = try openSource(path).readAll(limit: 1 << 20)
    do { json = try JSONValue.parse(text).value } catch {
      throw TorchError(.file, path, "is no JSON at byte \(error.offset): \(error.message)")
    }
    self.init()
    func need<Value>(_ value: Value?, _ key: String) throws -> Value {
      guard let value else { throw TorchError(.file, path, "'\(key)' is missing or of another type") }
      return value
    }
    func integer(_ key: String) throws -> Int { try need(json[key]?.integer, key) }
    func number(_ json: JSONValue?, _ key: String) throws -> Double { try need(json?[key]?.double, key) }
    title = try need(json["title"]?.string, "title")
    shape = try ModelShape(try need(json["shape"], "shape"))
    data = try need(json["data"]?.string, "data")
    if let elsewhere = json["remote"], elsewhere != .null {
      remote = try need(try? RemoteData(json: elsewhere), "remote")
    }
    dataDigest = json["dataDigest"]?.string ?? ""
    initial = json["initial"]?.string
    resume = json["resume"]?.string
    state = try need(json["state"]?.string, "state")
    sequenceLength = try integer("sequenceLength")
    batchSize = try integer("batchSize")
    microbatchSize = try integer("microbatchSize")
    steps = try integer("steps")
    optimizer.beta1 = try number(json["optimizer"], "beta1")
    optimizer.beta2 = try number(json["optimizer"], "beta2")
    optimizer.epsilon = try number(json["optimizer"], "epsilon")
    optimizer.weightDecay = try number(json["optimizer"], "weightDecay")
    let rate = try need(json["schedule"], "schedule")
    schedule = LearningRateSchedule(
      learningRate: try number(rate, "learningRate"),
      schedule: try need(rate["fall"]?.string.flatMap(LearningRateSchedule.Decay.init), "schedule"),
      warmupSteps: try need(rate["warmupSteps"]?.integer, "warmupSteps"),
      steps: try need(rate["steps"]?.integer, "steps"),
      finalRateFraction: try number(rate, "finalRateFraction"), start: rate["start"]?.integer ?? 0)
    if let departures = json["course"] { course = try need(TrainingCourse(departures), "course") }
    toleratedSteps = json["toleratedSteps"]?.integer ?? 0
    maximumGradientNorm = json["maximumGradientNorm"]?.double
    maskFraction = try number(json, "maskFraction")
    seed = try integer("seed")
    shuffle = try need(json["shuffle"]?.string.flatMap(ShuffleOrder.Algorithm.init), "shuffle")
    precision = try need(json["precision"]?.string.flatMap(Parameters.Precision.init), "precision")
    device = try need(json["device"]?.string, "device")
    threads = try integer("threads")
    recomputeActivations = try need(json["recomputeActivations"]?.bool, "recomputeActivations")
    checkpointSteps = try integer("checkpointSteps")
    keep = KeepRule(last: try integer("keepLast"), everySteps: json["keepEverySteps"]?.integer)
    logSteps = try integer("logSteps")
    vocabularySize = try integer("vocabularySize")
    maskToken = try integer("maskToken")
    specialTokens = try need(json["specialTokens"]?.array, "specialTokens").map {
      try need($0.integer, "specialTokens")
    }
  }
}
