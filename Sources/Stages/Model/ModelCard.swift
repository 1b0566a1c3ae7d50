public import PipelineKit
import ShardKit
import TrainerCore

/// Adds a README.md to a converted model: the architecture, the data, the training cost, the scores, and how to load
/// it. The output is the complete folder, ready to be published.
public struct ModelCard: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The model's name.") public var name = "Model"
    @Option("A paragraph of your own below the title.") public var summary = ""
    @Option("The model's license, as Hugging Face names it, such as 'apache-2.0'.") public var license = ""
    @Option("ISO codes of the model's languages.") public var languages = ["ja"]
    @Option("The sources of the data with their licenses: {\"Wikipedia\": \"CC BY-SA 4.0\"}.")
    public var sources: [String: String] = [:]
    @Option("Facts that no stage measures, such as cost: {\"GPU hours\": \"40 (one H200)\"}.")
    public var facts: [String: String] = [:]

    public init() {}
  }

  public static let name = "model.card"
  public static let formerNames = ["report.modelcard"]
  public static let revision = 2
  public static let summary = "Adds a README.md to a converted model: data, hyperparameters, cost, scores, usage."
  static let model = Input<HuggingFaceModel>("model", "The model, from huggingface.convert.")
  static let metrics = Input<Metrics>(
    "metrics", "Measurements by stages: the mix, the training, the evaluations.", required: false, many: true)
  static let reports = Input<Report>(
    "reports", "Reports that contain figures, such as mix.rebalance's fractions.", required: false, many: true)
  static let card = Output<HuggingFaceModel>("model", "The model's files with README.md.")
  public static let inputs = [model.port, metrics.port, reports.port]
  public static let outputs = [card.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  private static let figures: TaskInputs.Role = "figures"

  private struct Measured: Codable {
    /// The source stage of each file of figures.
    var stages: [String] = []
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    var measured = Measured()
    var figures: [ArtifactFile] = []
    for artifact in context.artifacts(Self.reports) + context.artifacts(Self.metrics) {
      for file in artifact.files where file.name.hasSuffix(".json") && file.bytes < 1 << 24 {
        measured.stages.append(artifact.stage)
        figures.append(file)
      }
    }
    let inputs: TaskInputs = [.main: context.files(Self.model), Self.figures: figures]
    return [try TaskPlan(key: "card", inputs: inputs, payload: measured)]
  }

  public func run(_ workspace: Workspace) throws {
    let measured: Measured = try workspace.payload()
    let model = workspace.files(.main)
    for file in model where file.name != "README.md" { try workspace.link(Self.card, name: file.name, to: file) }
    guard let configuration = model.first(where: { $0.name == HuggingFaceConfiguration.fileName }) else {
      throw StageError(.input, "inputs.model", "has no \(HuggingFaceConfiguration.fileName)")
    }
    let json = try JSONValue.parse(try FileSystem.read(configuration.path)).value
    var card = ModelCardText(
      options: options, configuration: json,
      shape: try HuggingFaceConfiguration.shape(json, path: configuration.path))
    for (stage, file) in zip(measured.stages, workspace.files(Self.figures)) {
      card.measured.append((stage, file.name, try JSONValue.parse(try FileSystem.read(file.path)).value))
    }
    try workspace.write(Self.card, name: "README.md", Array(card.markdown.utf8))
  }
}
