public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Writes what a fine-tuned encoder says of each document into its metadata: the label or labels with the probabilities of
/// all, or a number.
public struct ClassifierPredict: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The metadata field that is written; one of that name is replaced.") public var field = "prediction"
    @Option(
      "Of 'multi-label' models, the probability from which on a label is given.", in: 0...1)
    public var threshold = 0.5
    @OptionGroup var prediction: PredictionOptions

    public init() {}
  }

  public static let name = "classifier.predict"
  // 2: odd tokens of pairs that are too long are left to the longer part.
  public static let revision = 2
  public static let summary = "Labels documents by an encoder that classifier.finetune made, in their metadata."
  static let documents = Input<Documents>("documents", "The documents to label.")
  static let predicted = Output<Documents>(
    "documents",
    "The documents with metadata.prediction: label and probabilities; of 'multi-label', labels and probabilities; of "
      + "'regression', value.")
  public static let inputs = [documents.port, CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [predicted.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.prediction.compute.mecabDictionary) }
  public var settled: [String: JSONValue] {
    ComputeSettings.settled(options.prediction.compute.device, options.prediction.compute.precision)
  }

  public func validate() throws {
    try options.prediction.validate()
    guard !options.field.isEmpty, !options.field.contains(".") else {
      throw StageError(
        .options, "field", "'\(options.field)' is not the name of one field", hint: "Give a name without dots.")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    try options.prediction.tasks(context.files(Self.documents), in: context)
  }

  public func run(_ workspace: Workspace) throws {
    let head = try TunedHead(workspace, pairField: options.prediction.pairField)
    var outputs = try HeadOutputs(workspace, options.prediction, head)
    let output = try workspace.documents(to: Self.predicted)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      guard let scores = try outputs.take() else {
        try workspace.drop(document, DropReason("no-second-text"))
        continue
      }
      guard var members = JSONMembers(object: document.metadata) else {
        try workspace.drop(document, DropReason("metadata-too-large"))
        continue
      }
      members.set(Array(options.field.utf8), Array(json(scores, head.task).text().utf8))
      document.metadata = members.object
      try output.write(document)
    }
    try outputs.finish()
  }

  private func json(_ scores: [Double], _ task: TextTask) -> JSONValue {
    func object(_ probabilities: [Double]) -> JSONValue {
      .object(zip(task.labels, probabilities).map { JSONMember($0, .number($1)) })
    }
    switch task {
    case .regression: return ["value": .number(scores[0])]
    case .singleLabel(let labels):
      return [
        "label": .string(labels[TextScores.label(scores)]), "probabilities": object(TextScores.probabilities(scores)),
      ]
    case .multiLabel(let labels):
      let probabilities = scores.map(TextScores.sigmoid)
      let given = zip(labels, probabilities).filter { $0.1 >= options.threshold }.map(\.0)
      return ["labels": .strings(given), "probabilities": object(probabilities)]
    }
  }
}
