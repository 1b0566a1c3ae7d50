import ShardKit

/// The tasks of JGLUE whose data may be shared (Kurihara et al. 2022).
public enum JGLUEBenchmark: String, CaseIterable, Codable, Sendable {
  /// How alike are two sentences, 0 to 5?
  case jsts
  /// Does one sentence follow from another, contradict it, or neither?
  case jnli
  /// Which of five choices answers the question?
  case jcommonsenseqa
  /// Which part of the paragraph answers the question?
  case jsquad

  public var title: String {
    switch self {
    case .jsts: "JSTS"
    case .jnli: "JNLI"
    case .jcommonsenseqa: "JCommonsenseQA"
    case .jsquad: "JSQuAD"
    }
  }

  /// Tokens of an input in JGLUE's own experiments.
  public var maximumLength: Int {
    switch self {
    case .jsts, .jnli: 128
    case .jcommonsenseqa: 64
    case .jsquad: 384
    }
  }

  public var batchSize: Int { self == .jcommonsenseqa ? 64 : 32 }

  /// The names of the scores, first the one that settings are chosen by.
  public var metrics: [String] {
    switch self {
    case .jsts: ["spearman", "pearson"]
    case .jnli, .jcommonsenseqa: ["accuracy"]
    case .jsquad: ["f1", "exactMatch"]
    }
  }

  public static let entailments = ["entailment", "contradiction", "neutral"]
  static let choices = 5

  /// Inputs of an example: one per choice.
  public var sequencesPerExample: Int { self == .jcommonsenseqa ? Self.choices : 1 }
}

/// Scores on JGLUE's development sets that JGLUE's authors published (github.com/yahoojapan/JGLUE, v1.1–1.3).
public struct PublishedScores: Sendable {
  public var model: String
  private var scores: [JGLUEBenchmark: [String: Double]]

  public subscript(task: JGLUEBenchmark, metric: String) -> Double? { scores[task]?[metric] }

  private init(_ model: String, _ sts: (Double, Double), _ nli: Double, _ squad: (Double, Double), _ qa: Double) {
    self.model = model
    scores = [
      .jsts: ["pearson": sts.0, "spearman": sts.1], .jnli: ["accuracy": nli],
      .jsquad: ["exactMatch": squad.0, "f1": squad.1], .jcommonsenseqa: ["accuracy": qa],
    ]
  }

  public static let all = [
    PublishedScores("Human", (0.899, 0.861), 0.925, (0.871, 0.944), 0.986),
    PublishedScores("Tohoku BERT base v2", (0.909, 0.868), 0.906, (0.871, 0.941), 0.808),
    PublishedScores("Tohoku BERT base char", (0.893, 0.851), 0.896, (0.864, 0.937), 0.718),
    PublishedScores("Tohoku BERT large", (0.913, 0.872), 0.905, (0.880, 0.946), 0.816),
    PublishedScores("NICT BERT base", (0.910, 0.871), 0.909, (0.897, 0.947), 0.823),
    PublishedScores("Waseda RoBERTa base", (0.913, 0.873), 0.900, (0.864, 0.927), 0.840),
    PublishedScores("Waseda RoBERTa large s512", (0.926, 0.892), 0.934, (0.918, 0.963), 0.891),
  ]
}
