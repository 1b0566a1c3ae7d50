import ShardKit

/// The eight tasks of GLUE that its own authors' baselines and MosaicBERT are scored on (Wang et al. 2018,
/// arXiv:1804.07461).
public enum GLUETask: String, CaseIterable, Codable, Sendable {
  /// Does one sentence follow from another, contradict it, or neither?
  case mnli
  /// Do two questions ask the same?
  case qqp
  /// Does a sentence answer a question?
  case qnli
  /// Is a sentence of a review positive?
  case sst2
  /// Is a sentence acceptable English?
  case cola
  /// How alike are two sentences, 0 to 5?
  case stsb
  /// Do two sentences say the same?
  case mrpc
  /// Does one sentence follow from another?
  case rte

  public var title: String {
    switch self {
    case .mnli: "MNLI"
    case .qqp: "QQP"
    case .qnli: "QNLI"
    case .sst2: "SST-2"
    case .cola: "CoLA"
    case .stsb: "STS-B"
    case .mrpc: "MRPC"
    case .rte: "RTE"
    }
  }

  /// The labels in the order of the data's numbers: the Hub's files have numbers only.
  public var task: TextTask {
    switch self {
    case .mnli: .singleLabel(["entailment", "neutral", "contradiction"])
    case .qnli, .rte: .singleLabel(["entailment", "not_entailment"])
    case .qqp: .singleLabel(["not_duplicate", "duplicate"])
    case .mrpc: .singleLabel(["not_equivalent", "equivalent"])
    case .sst2: .singleLabel(["negative", "positive"])
    case .cola: .singleLabel(["unacceptable", "acceptable"])
    case .stsb: .regression
    }
  }

  /// The figures of `TextScores` that make up the task's score: their mean.
  public var metrics: [String] {
    switch self {
    case .mnli, .qnli, .sst2, .rte: ["accuracy"]
    case .qqp, .mrpc: ["accuracy", "f1"]
    case .cola: ["matthews"]
    case .stsb: ["spearman"]
    }
  }

  /// Whether there is so much data that another seed changes little.
  public var isLarge: Bool { [.mnli, .qqp, .qnli, .sst2].contains(self) }

  /// Whether it begins with what was learned on MNLI.
  public var followsMNLI: Bool { [.rte, .mrpc, .stsb].contains(self) }

  // MARK: MosaicBERT's settings (mosaicml/examples, benchmarks/bert)

  public var learningRate: Double {
    switch self {
    case .mnli, .cola: 5e-5
    case .qqp, .sst2, .stsb: 3e-5
    case .qnli, .rte: 1e-5
    case .mrpc: 8e-5
    }
  }

  /// Of AdamW. MosaicBERT's optimizer takes it as a part of the weights at the peak rate: a tenth of the rate, and 1e-5 for
  /// RTE.
  public var weightDecay: Double { self == .rte ? 1 : 0.1 }

  public var epochs: Int {
    switch self {
    case .mnli, .sst2, .rte: 3
    case .qqp: 5
    case .qnli, .cola, .stsb, .mrpc: 10
    }
  }

  public var batchSize: Int {
    switch self {
    case .mnli: 48
    case .qqp, .qnli, .sst2, .rte: 16
    case .cola, .stsb, .mrpc: 32
    }
  }
}

/// Scores on GLUE's development sets that others published, one a task: the mean of the task's metrics.
public struct PublishedGLUE: Sendable {
  public var model: String
  public var source: String
  private var scores: [GLUETask: Double]

  public subscript(task: GLUETask) -> Double? { scores[task] }
  public var mean: Double { scores.values.reduce(0, +) / Double(scores.count) }

  public static let all = [
    PublishedGLUE(
      model: "MosaicBERT base", source: "its model card",
      scores: [
        .mnli: 0.8495, .qqp: 0.9029, .qnli: 0.9074, .sst2: 0.9246, .cola: 0.5511, .stsb: 0.8927, .mrpc: 0.9003,
        .rte: 0.8136,
      ]),
    // MNLI: 83.91 and 84.10; QQP: accuracy 90.71, F1 87.49; MRPC: 84.07 and 88.85.
    PublishedGLUE(
      model: "BERT base cased", source: "transformers' example run_glue.py, without MNLI's checkpoint",
      scores: [
        .mnli: 0.8401, .qqp: 0.8910, .qnli: 0.9066, .sst2: 0.9232, .cola: 0.5653, .stsb: 0.8848, .mrpc: 0.8646,
        .rte: 0.6570,
      ]),
  ]
}
