public import PipelineKit
import ShardKit
import TrainerCore

/// Averages the weights of models, or of the last checkpoints of a training, into one model.
///
/// Fine-tuned models of one task keep its head (a model soup); trainings that branched from one checkpoint become one
/// model (Branch-Train-Merge). All models must have the same shape.
public struct ModelMerge: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "Weights of the average: a stage's name, or STAGE@STEP or STAGE@best for one of its kept checkpoints; others weigh 1. "
        + "They are divided by their sum. A negative weight moves away from that model.")
    public var weights: [String: Double] = [:]
    @Option(
      "Number of the newest checkpoints to take of each training in 'checkpoints'. One that is kept only since it is the best "
        + "counts if 'weights' names it. 0: all.", in: 0...10_000)
    public var last = 0

    public init() {}
  }

  public static let name = "model.merge"
  // 2: a checkpoint that is kept only since it is the best is none of the last. 3: the first of few, which
  // keepEverySteps keeps, is one of the last.
  public static let revision = 3
  public static let summary = "Averages the weights of several models, or of a training's last checkpoints."
  static let models = Input<Checkpoint>(
    "models", "Models of one shape and tokenizer with a common ancestor: trained, or fine-tuned for one task.",
    required: false, many: true)
  static let kept = Input<Checkpoints>(
    "checkpoints", "Checkpoints that model.pretrain kept.", required: false, many: true)
  static let merged = Output<Checkpoint>("checkpoint", "The average: weights.safetensors and model.json.")
  static let report = Output<Report>("report", "merge.json: each model's share, and its distance from the average.")
  public static let inputs = [models.port, kept.port]
  public static let outputs = [merged.port, report.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let sources = try MergeSource.all(
      models: context.artifacts(Self.models), kept: context.artifacts(Self.kept), last: options.last,
      weights: options.weights)
    let shares = try MergeSource.shares(of: sources, weights: options.weights)
    let payload = zip(sources, shares).map { MergedModels.Planned(name: $0.name, share: $1) }
    var inputs: TaskInputs = [:]
    for (place, source) in sources.enumerated() { inputs += [MergeSource.role(place): source.files] }
    return [
      try TaskPlan(key: "merge", inputs: inputs, payload: payload, memoryBytes: 256 << 20 + sources.count << 23)
    ]
  }

  public func run(_ workspace: Workspace) throws {
    let sources = try MergedModels(workspace)
    let average = WeightAverage(sources.parts.map { .init(weights: $0.parts.weights, share: $0.share) })
    try workspace.write(
      Self.merged, name: ModelShape.fileName, Array(sources.shape.json.prettyText().utf8))
    if let task = sources.task { try workspace.write(Self.merged, name: TunedTask.fileName, task) }
    if let embedding = sources.embedding {
      try workspace.write(Self.merged, name: EmbeddingSettings.fileName, embedding)
    }
    if sources.embeddingsDiffer {
      workspace.warn(
        "embeddings-differ",
        "the models make vectors of texts differently (\(EmbeddingSettings.fileName)): the average's are the means of tokens, "
          + "unless a later stage says otherwise")
    }
    let file = try workspace.file(Self.merged, ModelShape.weightsName)
    try Safetensors.write(
      average.tensors(sources.parameters), metadata: ["format": "pt"], to: file, name: ModelShape.weightsName)
    try workspace.publish(Self.merged, file, name: ModelShape.weightsName)
    let models = zip(sources.parts, average.distances).map { part, distance -> JSONValue in
      ["name": .string(part.name), "share": .number(part.share), "distance": .number(distance)]
    }
    let report: JSONValue = ["models": .list(models)]
    try workspace.write(Self.report, name: "merge.json", Array(report.prettyText().utf8))
    workspace.metric("models", Double(models.count))
    if models.count == 1 {
      workspace.warn("one-checkpoint", "the training kept one checkpoint, which is taken as it is")
    }
  }
}
