public import ShardKit

/// Everything that a training process is told: one JSON file that the stage writes and each process reads. Members that
/// come from an option have its name.
public struct TrainingJob: JSONRecord, Equatable, Sendable {
  public static let writesNull = true

  /// Title of the chart.
  public var title = "Pretraining"
  public var shape = ModelShape()
  /// Folder of the token data set; if its shards are elsewhere, of its index.json alone.
  public var data = ""
  public var remote: RemoteData?
  /// What the loss is measured on during training; nil: nothing.
  public var heldOut: HeldOutTokens?
  /// Named sets of tokens in place of `data`; nil: there is one set.
  public var mixture: TokenMixture?
  /// Digest of the data set's index: identifies the data, wherever they are stored.
  public var dataDigest = ""
  /// A folder with `weights.safetensors` to begin from; nil: random weights.
  public var initial: String?
  /// A checkpoint to continue, with its moments, at its step and position in the data. Other data start at their
  /// beginning; the same data in another order start at the next epoch.
  public var resume: String?
  /// Folder of checkpoints and metrics during training.
  public var state = ""
  /// Whether the first machine of the group writes checkpoints and metrics for this one.
  public var isFollower = false
  /// Digest of all input files: what machines with stores of their own must have in common.
  public var inputsDigest = ""

  /// Tokens of a sample.
  public var sequenceLength = 128
  /// Whether documents that are packed into one sample do not see each other, and positions restart.
  public var isolatesDocuments = false
  /// Samples of an optimizer step, over all devices.
  public var batchSize = 2048
  /// Smaller steps at the beginning; nil: all have the same size.
  public var batchRamp: BatchRamp?
  /// Samples that go through the model at once on a device, at most.
  public var microbatchSize = 128
  /// Optimizer steps, from the first one of all.
  public var steps = 1000
  public var optimizer = AdamW()
  public var learningRateSchedule = LearningRateSchedule(
    learningRate: 3e-4, schedule: .cosine, warmupSteps: 0, steps: 1000)
  public var course = TrainingCourse()
  /// Steps with a loss or gradient that is not finite that are passed over; one more ends the training.
  public var skipNonFinite = 0
  /// Larger gradients are scaled down to this norm; 0: no clipping.
  public var maximumGradientNorm = 0.0
  /// The fraction of tokens that are masked: 0…1.
  public var maskFraction = 0.3
  public var seed = 17
  public var shuffle = ShuffleOrder.Algorithm.py1e
  /// Samples of a window of the algorithms that have one; 0: the algorithm's own.
  public var shuffleWindow = 0

  public var precision = Parameters.Precision.float32
  /// "cpu" or "cuda".
  public var device = "cpu"
  /// CPU threads per process.
  public var threads = 1
  public var recomputeActivations = false
  /// Gradients that are summed over processes in one message, while others are still computed; 0: all in one message,
  /// after the backward pass.
  public var bucketBytes = 0

  /// Steps between checkpoints.
  public var checkpointSteps = 1000
  public var keep = KeepRule()
  /// Steps between logged metrics.
  public var logSteps = 10
  /// Tokens of the tokenizer; the model's embedding may have more rows.
  public var vocabularySize = 32_768
  /// Token ids.
  public var maskToken = 4
  public var specialTokens: [Int] = [0, 1, 2, 3, 4]

  public init() {}

  /// Identifies this training: checkpoints of another one are refused. Paths, speed, how often files are written, and
  /// how a step is split (microbatches, processes, threads, devices) are not part of it: after the same steps the
  /// weights are the same up to rounding. Where more depends on the split, the stage keeps trainings apart. Nor is the
  /// course, which determines itself from which step on it matters.
  public var fingerprint: String { Digester.digest(Array(identity(keepingCourse: false).text().utf8)).hex }

  func identity(keepingCourse: Bool) -> JSONValue {
    var plain = self
    plain.title = ""
    plain.data = ""
    plain.remote = nil
    plain.mixture = mixture?.withoutPlaces
    plain.heldOut = nil
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
      plain.skipNonFinite = 0
    }
    let plainest = Self().json
    return .object(
      (plain.json.members ?? []).filter { member in
        !Self.unidentified.contains(member.key)
          && !(Self.addedLater.contains(member.key) && member.value == plainest[member.key])
      })
  }

  /// Members that decide steps and are younger than trainings that may still be unfinished: left out at their defaults.
  private static let addedLater: Set = ["mixture", "shuffleWindow", "batchRamp", "isolatesDocuments"]

  /// Members that are younger than trainings that may still be unfinished. None decides a step, but for rounding.
  private static let unidentified: Set = ["isFollower", "inputsDigest", "bucketBytes", "heldOut"]

  /// Samples of each step.
  public var stepSizes: StepSizes { StepSizes(batchSize: batchSize, ramp: batchRamp) }

  /// What determines the order of the samples, along with the data.
  public var order: String { "\(setOrder), batches of \(batchSize)" }

  /// What determines the order of the samples of one set of tokens.
  public var setOrder: String {
    "\(shuffle.rawValue)\(shuffleWindow > 0 ? " in windows of \(shuffleWindow)" : ""), seed \(seed)"
  }

  /// The learning rate of the step that follows `finished` steps.
  public func learningRate(after finished: Int) -> Double {
    var schedule = learningRateSchedule
    if let later = course.learningRate(after: finished) { schedule.learningRate = later }
    return schedule.learningRate(after: finished)
  }

  /// Whether a checkpoint of this training can be resumed: the steps up to it agree with the course.
  public func continues(_ state: CheckpointState) -> Bool {
    state.course == course.text(until: state.step) && state.badSteps <= skipNonFinite && state.step <= steps
  }

  /// Whether a checkpoint is of this very training: resuming it leads to this job's result.
  public func isOwn(_ state: CheckpointState) -> Bool { state.fingerprint == fingerprint && continues(state) }

  /// The step of another training's checkpoint that this one continues; 0: none.
  public var firstStep: Int {
    resume?.split(separator: "/").last.flatMap { TrainingCheckpoint.step(ofFolder: String($0)) } ?? 0
  }

  /// Steps between the points of the published curve, which has a thousand points whatever is logged.
  public var curveEverySteps: Int { max(1, steps / 1000) }
}

extension TrainingJob {
  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member; `TorchError` for numbers that
  ///   no training can have.
  public init(path: String) throws {
    try self.init(jsonFile: path)
    do { try validate() } catch { throw TorchError(.file, path, error.message, hint: error.hint) }
  }

  private func validate() throws(TorchError) {
    try shape.validate()
    try heldOut?.validate()
    let counts = [
      ("sequenceLength", sequenceLength), ("batchSize", batchSize), ("microbatchSize", microbatchSize),
      ("steps", steps), ("checkpointSteps", checkpointSteps), ("logSteps", logSteps),
    ]
    for (name, value) in counts where value < 1 { throw TorchError(.file, "", "\(name) is \(value), below 1") }
    let schedule = learningRateSchedule
    guard seed >= 0, schedule.warmupSteps >= 0, schedule.start >= 0, schedule.start <= schedule.steps,
      schedule.decaySteps ?? 0 >= 0
    else {
      throw TorchError(.file, "", "seed, warmupSteps, decaySteps or the schedule's start is out of range")
    }
    guard batchRamp.map({ $0.steps > 0 && (1...batchSize).contains($0.first) }) ?? true else {
      throw TorchError(.file, "", "the ramp of the batch is not one to \(batchSize) samples")
    }
    guard mixture?.fits(steps: steps, stepSizes) ?? true else {
      throw TorchError(.file, "", "the mixture's phases are not those of \(steps) steps of \(batchSize) samples")
    }
  }
}
