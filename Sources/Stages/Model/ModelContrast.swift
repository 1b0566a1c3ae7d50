public import PipelineKit
public import ShardKit
import Synchronization
import TextKit
import TrainerCore

/// Trains an encoder's vectors by contrast: of a batch, each text's vector is to be closer to the text that belongs to it
/// than to all others.
///
/// From documents, it draws sentences, each of which belongs to itself: it is encoded twice with different dropout
/// (unsupervised SimCSE, Gao et al. 2021, arXiv:2104.08821). From `pairs`, it takes texts that belong together, and
/// negatives. Two phases: *sentences* draws, *train* trains in child processes, from checkpoint to checkpoint: a killed
/// run resumes from the last one. The pooling and the prefixes are kept with the model, as later stages' defaults.
public struct ModelContrast: Stage {
  public struct Options: StageOptions {
    @Option(
      "JSON lines with anchor, positive and optionally negatives (texts, or lists of texts); also query, pos and neg. "
        + "Without a positive, a text belongs to itself. JSTS's and JNLI's files as well. Required unless documents are "
        + "wired.")
    public var pairs = InputFiles()
    @Option(
      "Of pairs with a score as their label, as in JSTS, those with at least this one belong together. Above 2, a file whose "
        + "labels are 0, 1 and 2 has JNLI's classes, of which 0 is for those that belong together.")
    public var minimumScore = 4.0
    @Option("Sentences that are drawn from the documents.", in: 2...1 << 30) public var sentences = 1_000_000
    @Option("Characters of a sentence at least; others are not drawn.", in: 1...1 << 16)
    public var minimumCharacters = 10
    @Option("Characters of a sentence at most.", in: 1...1 << 16) public var maximumCharacters = 300
    @Option(
      "Vector of a text: mean of its token vectors, cls, that of its first token, or pooler, that of its first token "
        + "through BERT's pooler. 'auto': the model's own; mean if it has none.")
    public var pooling = PoolingChoice.auto
    @Option("What cosines are divided by: lower values weigh the nearest negatives more.", in: 0.001...10)
    public var temperature = 0.05
    @Option("Before each anchor, such as \"query: \". null: the model's own, if any.")
    public var queryPrefix: String? = nil
    @Option("Before each positive and negative. null: the model's own, if any.")
    public var documentPrefix: String? = nil
    @Option("Whether later stages and programs should scale the model's vectors to length one.")
    public var normalize = true
    @Option("Steps at most. 0: those of the epochs.", in: 0...1 << 40) public var maximumSteps = 0
    @Option("Maximum examples of 'pairs'; sentences of documents have 'sentences'. 0: all.", in: 0...1 << 40) public
      var maximumExamples = 0
    @OptionGroup public var tuning = TuningOptions(batchSize: 128, maximumLength: 128, weightDecay: 0, epochs: 1)
    @Option(
      "Training processes. 0: one per GPU, one on the CPU. They share each batch; weights agree up to rounding (on GPUs, "
        + "'bert' drops other values).", in: 0...1024)
    public var processes = 0
    @Option("Steps between checkpoints.", in: 1...1 << 40, affectsOutput: false) public var checkpointSteps = 500
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "model.contrast"
  // 2: all positives of an anchor, and its own text behind another prefix, are no negatives of it; 'maximumExamples' is of
  // 'pairs' alone; sentences begin after an ideographic space, and end with a halfwidth full stop.
  // 3: numbers of JNLI's classes are no scores.
  public static let revision = 3
  public static let summary =
    "Trains an encoder's vectors by contrast: from sentences alone (SimCSE), or from pairs with negatives."
  static let documents = Input<Documents>(
    "documents", "Documents whose sentences are learned from. Or set 'pairs'.", required: false)
  static let drawn = Output<Intermediate>("sentences", "Sentences of one file of documents.", hidden: true)
  static let model = Output<Checkpoint>(
    "checkpoint", "The encoder: model.json, weights.safetensors, embedding.json (pooling and prefixes).")
  static let metrics = Output<Metrics>("metrics", "contrast.json: the last loss and the settings; losses.csv: by step.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [drawn.port, model.port, metrics.port]
  public enum Phase: String, StagePhase { case sentences, train }

  private static let drawing: Set = ["sentences", "minimumCharacters", "maximumCharacters", "seed"]

  public static func options(of phase: Phase) -> Set<String>? { phase == .sentences ? drawing : nil }

  private static let examplesRole: TaskInputs.Role = "examples"
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' means on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    guard options.minimumCharacters <= options.maximumCharacters else {
      throw StageError(
        .options, "minimumCharacters", "\(options.minimumCharacters) exceed the maximum, \(options.maximumCharacters)",
        hint: "Lower it.")
    }
    guard options.tuning.batchSize > 1, options.processes <= options.tuning.batchSize else {
      throw StageError(
        .options, "batchSize",
        "\(options.tuning.batchSize) is too small: the negatives are the other examples, and each process needs one",
        hint: "Raise it.")
    }
    guard options.tuning.dropout > 0 || !options.pairs.isEmpty else {
      throw StageError(
        .options, "dropout", "is 0, so that the two vectors of a sentence of the documents are equal", hint: "Raise it."
      )
    }
  }

  private var plannedProcesses: Int {
    if options.processes > 0 { return options.processes }
    return options.compute.device.isGPU ? max(1, ModelPretrain.Device.visibleGPUs) : 1
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let isWired = !context.artifacts(Self.documents).isEmpty
    guard isWired == options.pairs.isEmpty else {
      throw StageError(
        .options, "pairs", isWired ? "are set, but documents are wired too" : "are not set, and no documents are wired",
        hint: "Either wire \"documents\" or set \"pairs\".")
    }
    switch phase {
    case .sentences:
      let documents = context.files(Self.documents)
      return TaskPlan.perFile(documents).map { task in
        var task = task
        task.resources.memoryBytes = 64 << 20 + sampleBytes(of: Int(documents.map(\.contentBytes).max() ?? 0))
        return task
      }
    case .train: return try trainingTasks(context)
    }
  }

  private func trainingTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let examples = options.pairs.isEmpty ? context.files(Self.drawn) : try context.files(options.pairs)
    let bytes = examples.reduce(0) { $0 + Int($1.contentBytes) }
    // Of documents, the sample that is drawn once more, and what the processes read of it.
    let drawn = options.pairs.isEmpty ? sampleBytes(of: bytes) : 0
    let read = 4 * (options.pairs.isEmpty ? min(bytes, drawn) : bytes)
    let processes = plannedProcesses
    return try options.compute.modelTasks(
      [("contrast", [Self.examplesRole: examples])], context, weightCopies: 7 * processes,
      besides: drawn + processes * (1 << 30 + read + activationBytes(context, processes: processes))
    ).map { $0.using(cores: options.compute.threads * processes, gpus: options.compute.device.isGPU ? processes : 0) }
  }

  /// Main memory of what a process's forward pass keeps for the backward pass.
  private func activationBytes(_ context: PlanningContext, processes: Int) throws -> Int {
    var share = options.tuning
    share.batchSize = (share.batchSize + processes - 1) / processes
    guard !options.compute.device.isGPU else { return 0 }
    let negatives = try options.pairs.isEmpty ? nil : PlannedNegatives.counts(try context.files(options.pairs))
    // Each example's anchor and positive, and its negatives.
    func texts(_ examples: Int) -> Int { 2 * examples + (negatives?.most(of: examples) ?? 0) }
    return try options.compute.bytes(
      ofTraining: texts(share.batchSize), microbatch: texts(share.microbatchSize), maximumLength: share.maximumLength,
      dropout: share.dropout, context)
  }

  /// Memory of a sample of a text of some bytes.
  private func sampleBytes(of bytes: Int) -> Int {
    2 * min(2 * bytes, options.sentences * (64 + 4 * options.maximumCharacters))
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .sentences: try draw(workspace)
    case .train: try train(workspace)
    }
  }

  // MARK: Sentences

  private var sample: SentenceSample {
    SentenceSample(
      size: options.sentences, characters: options.minimumCharacters...options.maximumCharacters,
      seed: options.tuning.seed)
  }

  private func draw(_ workspace: Workspace) throws {
    var sample = sample
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      sample.add(text: document.text)
      workspace.consume(bytes: document.text.count)
    }
    let lines = sample.sentences().flatMap { Self.line(String(decoding: $0.text, as: UTF8.self)) }
    try workspace.write(Self.drawn, name: workspace.task.key + ".jsonl", lines)
  }

  private static func line(_ text: String) -> [UInt8] {
    let json: JSONValue = ["anchor": .string(text)]
    return Array(json.text().utf8) + [0x0A]
  }

  /// The sample of all files: the same, however the documents are divided into files.
  private func gathered(_ workspace: Workspace, _ folder: String) throws -> String {
    var sample = sample
    for file in workspace.files(Self.examplesRole) {
      for example in try ContrastExamples([file.path]).examples { sample.add(sentence: Array(example.anchor.utf8)) }
    }
    let path = "\(folder)/sentences.jsonl"
    let sentences = sample.sentences()
    guard sentences.count > 1 else {
      throw StageError(
        .input, "inputs.documents",
        "have \(sentences.count) different sentences of \(options.minimumCharacters) to \(options.maximumCharacters) "
          + "characters; contrast needs two at least",
        hint: "Wire documents with texts, or change minimumCharacters and maximumCharacters.")
    }
    workspace.metric("sentences", Double(sentences.count))
    try FileSystem.write(sentences.flatMap { Self.line(String(decoding: $0.text, as: UTF8.self)) }, to: path)
    return path
  }

  // MARK: Training

  private func train(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let state = try workspace.stateDirectory()
    let settings = try settings(workspace)
    let job = try job(workspace, engine, settings, state)
    let path = "\(state)/job.json"
    try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
    let usesGPU = job.device == "cuda"
    let processes = options.processes > 0 ? options.processes : usesGPU ? max(1, engine.gpus) : 1
    var crew = WorkerGroup(
      job: path, launch: LaunchEnvironment(processesPerNode: processes), gpus: usesGPU ? max(1, engine.gpus) : 0,
      errors: "\(state)/errors")
    crew.command = "contrast"
    let end = try contrast(crew, workspace)
    workspace.warn(
      "pairs-left-out", times: end.pairsLeftOut,
      "pairs do not belong together: their label is a score below minimumScore, or not 'entailment'")
    try publish(job, settings, end, workspace)
  }

  private func contrast(_ crew: WorkerGroup, _ workspace: Workspace) throws -> ContrastEnd {
    var end: ContrastEnd?
    try crew.run(workspace) { line in
      guard let json = try? JSONValue.parse(line).value else { return }
      if let last = try? ContrastEnd(json: json) {
        end = last
      } else if let step = try? FineTuningStep(json: json) {
        workspace.control.report(
          TaskStatus(fraction: Double(step.step) / Double(max(1, step.steps)), text: step.line))
      }
    }
    guard let end else {
      throw StageError(.check, "contrast", "its process ended without a result", hint: "Run again.")
    }
    guard end.isDone else {
      throw StageError(.cancelled, "", "training stopped at step \(end.steps), with a checkpoint")
    }
    return end
  }

  /// The model's own, as the options change them.
  private func settings(_ workspace: Workspace) throws -> EmbeddingSettings {
    var settings = try CheckpointInput.embedding(workspace) ?? EmbeddingSettings()
    if let pooling = options.pooling.pooling { settings.pooling = pooling }
    try CheckpointInput.check(settings.pooling, workspace)
    settings.queryPrefix = options.queryPrefix ?? settings.queryPrefix
    settings.documentPrefix = options.documentPrefix ?? settings.documentPrefix
    settings.normalizes = options.normalize
    // No fewer tokens of a text than it is trained with.
    settings.maximumLength = settings.maximumLength.map { max($0, options.tuning.maximumLength) }
    return settings
  }

  private func job(
    _ workspace: Workspace, _ engine: TrainingEngine, _ settings: EmbeddingSettings, _ state: String
  ) throws -> ContrastJob {
    let tuning = options.tuning
    var job = ContrastJob()
    job.checkpoint = try CheckpointInput.folder(workspace)
    job.tokenizer = try TokenizerInput.path(workspace)
    (job.device, job.precision) = options.compute.resolved(engine)
    job.threads = options.compute.threads
    job.dictionary = options.compute.mecabDictionary
    job.examples =
      options.pairs.isEmpty ? [try gathered(workspace, state)] : workspace.files(Self.examplesRole).map(\.path)
    job.inputsDigest = ModelPretrain.digest(of: workspace.task.files)
    (job.pooling, job.queryPrefix, job.documentPrefix) =
      (settings.pooling, settings.queryPrefix, settings.documentPrefix)
    (job.temperature, job.maximumSteps, job.maximumExamples) =
      (options.temperature, options.maximumSteps, options.pairs.isEmpty ? 0 : options.maximumExamples)
    job.minimumScore = options.minimumScore
    (job.learningRate, job.epochs, job.warmupFraction) = (tuning.learningRate, tuning.epochs, tuning.warmupFraction)
    (job.batchSize, job.microbatchSize, job.maximumLength) =
      (tuning.batchSize, tuning.microbatchSize, tuning.maximumLength)
    (job.weightDecay, job.dropout, job.seed) = (tuning.weightDecay, tuning.dropout, tuning.seed)
    (job.checkpointSteps, job.state, job.output) = (options.checkpointSteps, state, "\(state)/model")
    return job
  }

  private func publish(
    _ job: ContrastJob, _ settings: EmbeddingSettings, _ end: ContrastEnd, _ workspace: Workspace
  ) throws {
    var tuned = FineTuningJob()
    tuned.output = job.output
    try tuned.publishModel(workspace, to: Self.model)
    try workspace.write(Self.model, name: EmbeddingSettings.fileName, Array(settings.json.prettyText().utf8))
    try workspace.write(
      Self.metrics, name: ContrastJob.lossesName, try FileSystem.read("\(job.output)/\(ContrastJob.lossesName)"))
    let json: JSONValue = [
      "loss": .number(end.lastLoss), "steps": .integer(end.steps), "examples": .integer(end.examples),
      "pooling": .string(job.pooling.rawValue), "temperature": .number(job.temperature),
      "learningRate": .number(job.learningRate), "epochs": .integer(job.epochs), "batchSize": .integer(job.batchSize),
      "maximumLength": .integer(job.maximumLength), "dropout": .number(job.dropout), "seed": .integer(job.seed),
      "precision": .string(job.precision.rawValue),
    ]
    try workspace.write(Self.metrics, name: "contrast.json", Array(json.prettyText().utf8))
    workspace.metric("loss", end.lastLoss)
  }
}

/// The negatives of files, counted once in a process, which may plan several times.
private enum PlannedNegatives {
  private static let known = Mutex<[[Digest]: NegativeCounts]>([:])

  static func counts(_ files: [ArtifactFile]) throws -> NegativeCounts {
    let digests = files.map(\.digest)
    if let counts = known.withLock({ $0[digests] }) { return counts }
    let counts = try NegativeCounts(files.map(\.path))
    known.withLock { $0[digests] = counts }
    return counts
  }
}
