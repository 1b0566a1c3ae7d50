public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Scores documents by a fine-tuned encoder, for `gate` to decide by: the probability of each label, and their expectation.
public struct ScoreEncoder: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "A number per label, such as {\"none\": 0, \"basic\": 1, \"good\": 2, \"excellent\": 3}: 'expectation' is their mean, "
        + "weighted by the probabilities. {}: labels that are numbers are taken for their own.")
    public var values: [String: Double] = [:]
    @Option("Tokens of a text that count, from its beginning. 0: as many as in fine-tuning.", in: 0...1 << 16)
    public var maximumLength = 0
    @OptionGroup public var compute: ComputeOptions
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.encoder"
  public static let revision = 1
  public static let summary =
    "Scores documents by an encoder that classifier.finetune made, on CPUs or GPUs, for gates."
  static let documents = Input<Documents>("documents", "The documents to score.")
  static let signals = Output<Signals>(
    "signals",
    "p.LABEL per label (p.0, p.1, … for labels that rules cannot write, such as a-b), and expectation if labels have "
      + "numbers; one file per file of documents.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [signals.port]

  private static let expectation = "expectation"
  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    try options.scorer.validate(measures: [Self.expectation])
    guard options.maximumLength == 0 || options.maximumLength >= 8 else {
      throw StageError(.options, "maximumLength", "is \(options.maximumLength), below 8", hint: "Set 8 or more, or 0.")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let files = context.files(Self.documents)
    return try files.enumerated().flatMap { place, file in
      try options.compute.modelTasks(
        [(key: TaskPlan.padded(place), inputs: [.main: [file]] as TaskInputs)], context, weightCopies: 2,
        besides: 1 << 30 + 1024 * file.documents)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let head = try TunedHead(workspace)
    let values = try values(of: head.labels)
    let measures = ScorerOptions.columns("p", head.labels) + (values == nil ? [] : [Self.expectation])
    try options.scorer.validate(measures: measures)
    let scores = try scores(workspace, head)
    let output = try SignalsOutput(workspace, to: Self.signals, options.scorer, measures: measures)
    let stream = workspace.documents()
    var document = Document()
    var start = 0
    while try stream.next(&document) {
      guard start + head.labels.count <= scores.count else { throw Self.changed(workspace) }
      let probabilities = LabelScores.probabilities(scores[start..<(start + head.labels.count)].map { Double($0) })
      start += head.labels.count
      let expected = values.map { values in zip(values, probabilities).reduce(0) { $0 + $1.0 * $1.1 } }
      try output.write(document, probabilities + (expected.map { [$0] } ?? []))
    }
    guard start == scores.count else { throw Self.changed(workspace) }
    try output.finish()
  }

  private static func changed(_ workspace: Workspace) -> StageError {
    StageError(
      .input, workspace.task.key, "the model has scored another number of documents than the file has",
      hint: "Run 'pipeline verify', and run again.")
  }

  /// In the labels' order; nil if they have no numbers.
  private func values(of labels: [String]) throws -> [Double]? {
    guard !options.values.isEmpty else {
      let numbers = labels.compactMap { Double($0) }
      return numbers.count == labels.count && numbers.allSatisfy(\.isFinite) ? numbers : nil
    }
    for name in options.values.keys.sorted() where !labels.contains(name) {
      throw StageError(
        .options, "values", "the model has no label '\(name)'" + suggestion(for: name, among: labels),
        hint: "Its labels: \(labels.prefix(20).joined(separator: ", ")).")
    }
    return try labels.map { label in
      guard let value = options.values[label] else {
        throw StageError(.options, "values", "has no number of the model's label '\(label)'")
      }
      return value
    }
  }

  /// The head's outputs, document by document.
  private func scores(_ workspace: Workspace, _ head: TunedHead) throws -> [Float] {
    let engine = try TrainingEngine.require()
    var job = try EmbeddingJob(workspace, options.compute, engine)
    job.texts = try workspace.file().path
    job.scores = true
    job.maximumLength = options.maximumLength > 0 ? options.maximumLength : head.maximumLength
    job.result = "\(try workspace.temporaryDirectory())/scores.safetensors"
    guard try workspace.file().documents > 0 else { return [] }
    try EvaluationWorker(command: "embed", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(workspace)
    return try SafetensorsFile(job.result).floats(of: "vectors")
  }
}

/// What `task.json` says of a fine-tuned encoder.
private struct TunedHead {
  let labels: [String]
  let maximumLength: Int

  init(_ workspace: Workspace) throws {
    let path = workspace.files(CheckpointInput.role).first { $0.name == TunedTask.fileName }?.path
    guard let path, case .labels(let labels) = try TunedTask(tuned: path) else {
      throw StageError(
        .input, "inputs.checkpoint", "is of a model that does not label texts",
        hint: "Wire the checkpoint of a classifier.finetune.")
    }
    self.labels = labels
    let json = try JSONValue.parse(try FileSystem.read(path, limit: 1 << 20)).value
    maximumLength = json["maximumLength"]?.integer ?? 512
  }
}
