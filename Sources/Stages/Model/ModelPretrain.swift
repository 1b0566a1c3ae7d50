import Glibc
public import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// Trains a model on masked tokens, in child processes, from checkpoint to checkpoint.
///
/// The stage is one task, of one machine or of several. A killed run resumes from the last checkpoint, which the task's state folder keeps until the
/// model is published. If `skipSteps` or `laterRates` change, training resumes from the last checkpoint before the
/// change takes effect. How a step is divided (microbatches, processes) changes rounding and, for BERT on GPUs, the
/// attention dropout. Where that matters it is part of the fingerprint, but an unfinished training is resumed anyway.
/// A second phase (longer sequences) is a second `model.pretrain` with the first one's `checkpoint` as its input, or
/// with its `checkpoints` to continue with moments and steps.
public struct ModelPretrain: Stage {
  public static let name = "model.pretrain"
  public static let formerNames = ["pretrain"]
  public static let revision = 3
  public static let summary =
    "Trains a masked-language model (MosaicBERT, its rotary form, ModernBERT or BERT) on token shards."
  static let tokens = Input<MDS>(
    "tokens", "Token ids, from tokenizer.encode: one set, or several with names, for 'mixture'. Or set 'remote'.",
    required: false, named: true)
  static let validation = Input<MDS>(
    "validation", "Held-out token ids that the loss is measured on during training: one set, or several with names.",
    required: false, named: true)
  static let initial = Input<Checkpoint>(
    "checkpoint", "The initial model, such as an earlier phase's.", required: false)
  static let resume = Input<Checkpoints>(
    "resume", "A training to continue: weights, moments, step and data position of a kept checkpoint.",
    required: false)
  static let index = Output<MDS>("index", "The index.json of remote tokens.", hidden: true)
  static let location = Output<Intermediate>("location", "Where remote tokens are stored.", hidden: true)
  static let model = Output<Checkpoint>("checkpoint", "The trained model: weights.safetensors and model.json.")
  static let best = Output<Checkpoint>(
    "best", "The model with the lowest loss on the validation tokens; nothing without these.")
  static let kept = Output<Checkpoints>(
    "checkpoints",
    "The last checkpoint, the best one (see best.json) and those of keepEverySteps, for another pretrain's 'resume'.")
  static let metrics = Output<Metrics>(
    "metrics",
    "training.json and curve.csv: loss, learning rate and gradient norm by step; validation.csv: losses by set and step."
  )
  static let report = Output<Report>("report", "training.svg, metrics.jsonl with times, TensorBoard events.")
  public static let inputs = [tokens.port, TokenizerInput.port.port, validation.port, initial.port, resume.port]
  public static let outputs = [index.port, location.port, model.port, best.port, kept.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case index, train }

  /// The index identifies the training data, wherever it is stored.
  public static func options(of phase: Phase) -> Set<String>? {
    let places: Set = ["remote", "remoteEndpoint", "snapshot"]
    return phase == .index ? places : Set(Options.fields.filter(\.affectsOutput).map(\.name)).subtracting(places)
  }

  static let tokensRole: TaskInputs.Role = "tokens"
  static let resumeRole: TaskInputs.Role = "resume"
  let options: Options
  /// Where the variables of a launcher are read.
  var environment: @Sendable (String) -> String? = { getenv($0).map { String(cString: $0) } }

  public init(options: Options) { self.options = options }

  public func validate() throws {
    try checkCourse(from: 0)
    if !options.remote.isEmpty { _ = try RemoteTokens(remote()) }
    _ = try options.mixture.ends(steps: options.steps)
    func refuse(_ option: String, _ message: String, _ hint: String) -> StageError {
      StageError(.options, option, message, hint: hint)
    }
    guard options.remote.isEmpty || options.mixture.phases.isEmpty else {
      throw refuse(
        "mixture", "tokens at \"remote\" are one set, without a name", "Remove it, or wire named sets as \"tokens\".")
    }
    guard options.hiddenSize % options.heads == 0 else {
      throw refuse(
        "hiddenSize", "\(options.hiddenSize) is not a multiple of \(options.heads) heads", "Use 64 per head.")
    }
    guard options.processes * options.nodes <= options.batchSize else {
      throw refuse(
        "processes",
        options.nodes == 1
          ? "\(options.processes) exceed the batch of \(options.batchSize) samples"
          : "\(options.processes) on each of \(options.nodes) nodes exceed the batch of \(options.batchSize) samples",
        "Lower them.")
    }
    try options.checkRamp(processes: options.processes * options.nodes)
    guard options.warmupSteps <= options.steps else {
      throw refuse("warmupSteps", "\(options.warmupSteps) exceed the \(options.steps) steps", "Lower them.")
    }
    try checkWindow(refuse)
    guard options.warmupSteps + options.decaySteps <= options.steps else {
      throw refuse(
        "decaySteps", "\(options.decaySteps) and \(options.warmupSteps) of warm-up exceed the \(options.steps) steps",
        "Lower them.")
    }
    guard options.decaySteps == 0 || options.schedule != .constant else {
      throw refuse("decaySteps", "'schedule' is constant, so nothing decays", "Use linear, cosine or sqrt.")
    }
    guard options.muonMomentum == Options().muonMomentum || options.optimizer == .muon else {
      throw refuse("muonMomentum", "'optimizer' is adamw, which has none", "Remove it, or set \"optimizer\": \"muon\".")
    }
    guard options.model != .bert || options.sequenceLength <= options.maximumLength else {
      throw refuse(
        "maximumLength", "'bert' has \(options.maximumLength) positions for sequences of \(options.sequenceLength)",
        "Raise it.")
    }
  }

  private func checkWindow(_ refuse: (String, String, String) -> StageError) throws {
    let (shuffle, window) = (options.shuffle, options.shuffleWindow)
    guard window != 1 else {
      throw refuse("shuffleWindow", "a window of one sample holds nothing to shuffle", "Use \"shuffle\": \"none\".")
    }
    guard window == 0 || shuffle.hasWindow else {
      throw refuse("shuffleWindow", "the order '\(shuffle.rawValue)' has no windows", "Use \"shuffle\": \"window\".")
    }
    guard window > 0 || shuffle != .window else {
      throw refuse(
        "shuffleWindow", "says how many samples 'window' shuffles together, and is not set", "Set it, such as to 10000."
      )
    }
  }

  func checkCourse(from start: Int) throws {
    guard try options.course().steps(after: start, until: options.steps) > 0 else {
      throw StageError(
        .options, "skipSteps", "skips every step after \(start) of \(options.steps)",
        hint: "Skip fewer steps: at least one must train.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .index: try indexTasks(context)
    case .train: [try trainingTask(context)]
    }
  }

  private func indexTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let wired = context.files(Self.tokens)
    guard wired.isEmpty != options.remote.isEmpty else {
      throw StageError(
        .options, "remote", wired.isEmpty ? "there are no tokens" : "is set, but \"tokens\" is wired too",
        hint: "Either wire \"tokens\" or set \"remote\".")
    }
    return wired.isEmpty ? [TaskPlan(key: "index", memoryBytes: 64 << 20)] : []
  }

  private func trainingTask(_ context: PlanningContext) throws -> TaskPlan {
    let sets = TokenSets(context.artifacts(Self.tokens))
    let tokens = sets == nil ? context.files(Self.tokens) + context.files(Self.index) : []
    guard sets != nil || tokens.contains(where: { $0.name == "index.json" }) else { throw Self.noIndex() }
    let tokenizer = try TokenizerInput.files(context)
    let initial = context.files(Self.initial), resumed = try resumed(context)
    let shape = try plannedShape(initial + resumed), kind = shape.kind
    try options.checkSettings(of: kind)
    try checkReading(sets, tokens, resumed)
    var inputs: TaskInputs = [
      TokenizerInput.role: tokenizer, Self.tokensRole: tokens, CheckpointInput.role: initial, Self.resumeRole: resumed,
    ]
    if let sets { inputs += sets.inputs }
    let heldOut = try heldOut(context)
    if let heldOut { inputs += heldOut.inputs }
    let files = tokenizer + tokens + (sets?.sets.flatMap(\.files) ?? []) + initial + resumed
    let unmasked = TokenizerInput.furtherUnmasked(tokenizer)
    var task = TaskPlan(key: "train", inputs: inputs, stateKey: stateKey(files, sets, unmasked: unmasked))
    task =
      if sets == nil, heldOut == nil, unmasked == nil { try task.with(payload: cut(kind)) } else {
        try task.with(payload: Sets(cut: cut(kind), names: sets?.names, heldOut: heldOut?.names, unmasked: unmasked))
      }
    task.resources = resources(shape)
    return task
  }

  /// For the payload of a training with named or held-out sets, or with ids that are not masked though they are of no special
  /// token.
  struct Sets: Codable {
    var cut: Cut?
    var names: [String]?
    var heldOut: [String]?
    var unmasked: Int?
  }

  /// Checks what is read of the tokens, and how often.
  private func checkReading(_ sets: TokenSets?, _ tokens: [ArtifactFile], _ resumed: [ArtifactFile]) throws {
    if let sets {
      _ = try options.mixture(try sets.sources(), continuing: try Self.state(resumed))
      return
    }
    guard options.mixture.phases.isEmpty else {
      throw StageError(
        .options, "mixture", "there is one set of tokens, without a name",
        hint: "Give the sets names in the inputs: \"tokens\": { \"ja\": \"encode-ja\", \"en\": \"encode-en\" }.")
    }
    guard options.maximumEpochs > 0, let file = tokens.first(where: { $0.name == "index.json" }) else { return }
    let samples = max(1, try MDSIndex(path: file.path).samples)
    var first = 0, taken = 0.0
    if let state = try Self.state(resumed) {
      var job = try TrainingJob(options)
      job.dataDigest = file.digest.hex
      let start = job.dataStart(continuing: state, samples: samples)
      first = state.step
      taken = Double(start.epoch) * Double(samples) + Double(start.sampleInEpoch)
    }
    let sizes = options.stepSizes, ramp = min(options.steps, options.batchRampSteps)
    taken +=
      first < ramp
      ? Double(sizes.samples(of: first..<ramp)) + Double(options.steps - ramp) * Double(options.batchSize)
      : Double(options.steps - first) * Double(options.batchSize)
    try options.checkEpochs(taken / Double(samples), of: "its tokens")
  }

  /// The state of the checkpoint among its files; nil if there are none.
  private static func state(_ files: [ArtifactFile]) throws -> CheckpointState? {
    guard let file = files.first(where: { CheckpointFolder.step(of: $0.name) != nil }) else { return nil }
    guard let state = TrainingCheckpoint.state(in: ArchivePath.folder(of: file.path)) else {
      throw StageError(
        .input, file.path, "the checkpoint's state cannot be read", hint: "Run the earlier training again.")
    }
    return state
  }

  static func noIndex(_ input: String = "tokens") -> StageError {
    StageError(.input, "inputs.\(input)", "has no index.json", hint: "Wire the output of 'tokenizer.encode'.")
  }

  // MARK: Continuing another training

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .index: try fetchIndex(workspace)
    case .train: try train(workspace)
    }
  }

  private func train(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let launch = try launch(processes(engine), environment: environment)
    // The state is the first machine's.
    let state = workspace.isFollower ? try workspace.temporaryDirectory() : try workspace.stateDirectory()
    let job = try job(workspace, engine, state: state)
    let path = "\(state)/job.json"
    try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
    let crew = WorkerGroup(
      job: path, launch: launch, gpus: job.device == "cuda" ? max(1, engine.gpus) : 0,
      errors: "\(state)/errors", keepsErrors: !workspace.isFollower,
      metricsFile: "\(state)/\(TrainingJournal.watchFolder)/\(TrainingWatch.prometheusName)")
    let summary = try crew.train(workspace)
    // The first machine publishes the same weights.
    guard !workspace.isFollower else { return }
    try TrainingResult(job: job, summary: summary, state: state, keepsOptimizer: options.keepOptimizer)
      .publish(workspace)
  }

  // MARK: Remote tokens

  private static let maximumIndexBytes = 1 << 30

  private func fetchIndex(_ workspace: Workspace) throws {
    let path = try workspace.temporaryDirectory() + "/index.json"
    var data = remote()
    data.allowsPrivateAddresses = options.allowPrivateAddresses
    try RemoteTokens(data).fetch("index.json", to: path)
    let text = try FileSystem.read(path, limit: Self.maximumIndexBytes)
    let index = try MDSIndex(text: text, name: "\(options.remote)/index.json")
    let bare = index.shards.count { $0.stored.hashes.isEmpty }
    workspace.warn("no-hash", times: bare, "index.json has no hash for \(bare) shards: only their sizes are checked")
    try workspace.write(Self.index, name: "index.json", text)
    try workspace.write(Self.location, name: "location.json", Array(remote().json.prettyText().utf8))
  }

  private func remote() -> RemoteData {
    var data = RemoteData()
    data.place = options.remote.hasSuffix("/") ? String(options.remote.dropLast()) : options.remote
    data.endpoint = options.remoteEndpoint
    return data
  }
}
