import PipelineKit
import ShardKit
import TrainerCore

/// What `task.json` says of an encoder that was fine-tuned on texts.
struct TunedHead {
  /// The member that says whether it was trained on pairs.
  static let pairsKey = "pairs"

  let task: TextTask
  /// Tokens of a text that it was trained with.
  let maximumLength: Int
  let takesPairs: Bool

  /// - Parameter pairField: where the second text stands; empty: single texts.
  init(_ workspace: Workspace, pairField: String) throws {
    let path = workspace.files(CheckpointInput.role).first { $0.name == TunedTask.fileName }?.path
    guard let path, case .texts(let task) = try TunedTask(tuned: path) else {
      throw StageError(
        .input, "inputs.checkpoint", "is of a model that does not label texts",
        hint: "Wire the checkpoint of a classifier.finetune, or of a huggingface.read of a classification model.")
    }
    self.task = task
    let json = try Self.json(path)
    maximumLength = Self.maximumLength(json)
    takesPairs = json[Self.pairsKey]?.bool ?? !pairField.isEmpty
    guard takesPairs == !pairField.isEmpty else {
      throw StageError(
        .options, "pairField",
        takesPairs
          ? "is empty, but the model was fine-tuned on pairs" : "is set, but the model was fine-tuned on single texts",
        hint: takesPairs ? "Name the metadata field of the second text." : "Remove it.")
    }
  }

  /// - Parameter path: of `task.json`.
  static func maximumLength(path: String) throws -> Int { maximumLength(try json(path)) }

  private static func maximumLength(_ json: JSONValue) -> Int { json["maximumLength"]?.integer ?? 512 }

  private static func json(_ path: String) throws -> JSONValue {
    try JSONValue.parse(try FileSystem.read(path, limit: 1 << 20)).value
  }
}

/// The options of stages that run a fine-tuned encoder over documents.
struct PredictionOptions: StageOptions {
  @Option(
    "The metadata field with the second text of a pair; the document's text is the first. \"\": single texts.")
  var pairField = ""
  @Option("Tokens of a text that count, from its beginning. 0: as many as in fine-tuning.", in: 0...1 << 16)
  var maximumLength = 0
  @OptionGroup var compute: ComputeOptions

  init() {}

  func validate() throws { try EncoderOptions.check(maximumLength: maximumLength) }

  func tasks(_ files: [ArtifactFile], in context: PlanningContext) throws -> [TaskPlan] {
    let encoding = try compute.bytes(ofScoring: maximumLength, context)
    return try files.enumerated().flatMap { place, file in
      try compute.modelTasks(
        [(key: TaskPlan.padded(place), inputs: [.main: [file]] as TaskInputs)], context, weightCopies: 2,
        besides: 1 << 30 + encoding + 1024 * file.documents)
    }
  }
}

/// A fine-tuned encoder's outputs for the records of a file, in order.
struct HeadOutputs {
  let head: TunedHead
  private let values: [Float]
  private var next = 0
  private let name: String

  /// Runs the model.
  /// - Parameters:
  ///   - pairPath: keys from the record's root to the second text; empty: single texts.
  ///   - count: the file's records.
  init(
    _ workspace: Workspace, _ options: PredictionOptions, _ head: TunedHead, texts: ArtifactFile, pairPath: String,
    count: Int
  ) throws {
    self.head = head
    name = texts.name
    guard count > 0 else {
      values = []
      return
    }
    let engine = try TrainingEngine.require()
    var job = try EmbeddingJob(workspace, options.compute, engine)
    job.texts = texts.path
    job.pair = pairPath
    job.scores = true
    job.maximumLength = options.maximumLength > 0 ? options.maximumLength : head.maximumLength
    job.result = "\(try workspace.temporaryDirectory())/scores.safetensors"
    try EvaluationWorker(command: "embed", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(workspace)
    values = try SafetensorsFile(job.result).floats(of: "vectors")
  }

  /// The documents of the task's file.
  init(_ workspace: Workspace, _ options: PredictionOptions, _ head: TunedHead) throws {
    let file = try workspace.file()
    try self.init(
      workspace, options, head, texts: file,
      pairPath: options.pairField.isEmpty ? "" : "metadata.\(options.pairField)", count: file.documents)
  }

  /// The head's outputs for the next record; nil if it has no second text.
  mutating func take() throws -> [Double]? {
    let end = next + head.task.outputs
    guard end <= values.count else { throw changed }
    let row = values[next..<end].map { Double($0) }
    next = end
    return row.contains(where: \.isNaN) ? nil : row
  }

  /// - Throws: `StageError` if there were more records.
  func finish() throws { guard next == values.count else { throw changed } }

  private var changed: StageError {
    StageError(
      .input, name, "the model has scored another number of records than the file has",
      hint: "Run 'pipeline verify', and run again.")
  }
}
