import PipelineKit
import ShardKit
import TrainerCore

/// The head of a converted model, by transformers' classes.
enum HuggingFaceHead: Equatable {
  /// No head: the model only computes vectors.
  case none
  case maskedLanguage
  case task(TunedTask)

  init(_ parts: CheckpointParts) throws {
    if let task = parts.task {
      self = .task(task)
    } else {
      self = parts.hasLanguageHead ? .maskedLanguage : .none
    }
    // transformers 5 has no other classes for nomic_bert.
    if parts.shape.kind == .ropeBERT, let task = parts.task, ending != Self.sequenceEnding {
      throw StageError(
        .input, "inputs.checkpoint", "transformers has no \(className(.ropeBERT)), which \(task.name) requires",
        hint: "Fine-tune a MosaicBERT, ModernBERT or BERT for this task.")
    }
  }

  func className(_ kind: ModelShape.Kind) -> String {
    let family =
      switch kind {
      case .bert: "Bert"
      case .ropeBERT: "NomicBert"
      case .mosaicBERT: "MosaicBert"
      case .modernBERT: "ModernBert"
      }
    return family + ending
  }

  private static let sequenceEnding = "ForSequenceClassification"

  private var ending: String {
    switch self {
    case .none: "Model"
    case .maskedLanguage: "ForMaskedLM"
    case .task(.benchmark(.jsts)), .task(.benchmark(.jnli)), .task(.texts): Self.sequenceEnding
    case .task(.benchmark(.jcommonsenseqa)): "ForMultipleChoice"
    case .task(.benchmark(.jsquad)): "ForQuestionAnswering"
    }
  }

  /// The members of `config.json` that describe the head.
  var members: [JSONMember] {
    switch self {
    case .task(.benchmark(.jsts)): Self.labels(["similarity"]) + [JSONMember("problem_type", "regression")]
    case .task(.benchmark(.jnli)): Self.classes(JGLUEBenchmark.entailments)
    case .task(.texts(.singleLabel(let labels))): Self.classes(labels)
    case .task(.texts(.multiLabel(let labels))):
      Self.labels(labels) + [JSONMember("problem_type", "multi_label_classification")]
    case .task(.texts(.regression)): Self.labels(["value"]) + [JSONMember("problem_type", "regression")]
    default: []
    }
  }

  private static func classes(_ names: [String]) -> [JSONMember] {
    labels(names) + [JSONMember("problem_type", "single_label_classification")]
  }

  private static func labels(_ names: [String]) -> [JSONMember] {
    let places = names.enumerated()
    return [
      JSONMember("id2label", .object(places.map { JSONMember("\($0.offset)", .string($0.element)) })),
      JSONMember("label2id", .object(places.map { JSONMember($0.element, .integer($0.offset)) })),
    ]
  }
}
