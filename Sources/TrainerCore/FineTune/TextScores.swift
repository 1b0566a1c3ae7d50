import Glibc

/// How well a head's outputs agree with what is known of the texts.
public struct TextScores: Sendable {
  public enum Tally: Sendable {
    case labels(LabelConfusion)
    case flags(LabelFlags)
    /// What is known, and what the model says.
    case numbers([Double], [Double])
  }

  public let task: TextTask
  public let tally: Tally

  /// - Parameters:
  ///   - targets: of each text, as in training: its label's place, 0 or 1 for each label, or its number.
  ///   - outputs: of each text, the head's outputs.
  public init(_ task: TextTask, targets: [[Double]], outputs: [[Double]]) {
    self.task = task
    switch task {
    case .singleLabel(let labels):
      var confusion = LabelConfusion(labels: labels.count)
      for (target, output) in zip(targets, outputs) {
        confusion.add(label: Int(target[0]), given: Self.label(output))
      }
      tally = .labels(confusion)
    case .multiLabel(let labels):
      var flags = LabelFlags(labels: labels.count)
      for (target, output) in zip(targets, outputs) {
        flags.add(labels: target.map { $0 > 0.5 }, given: output.map { $0 > 0 })
      }
      tally = .flags(flags)
    case .regression: tally = .numbers(targets.map { $0[0] }, outputs.map { $0[0] })
    }
  }

  /// The place of the highest output; of equal ones, the first.
  public static func label(_ outputs: some Collection<Double>) -> Int {
    var best = 0, highest = -Double.infinity
    for (place, output) in outputs.enumerated() where output > highest { (best, highest) = (place, output) }
    return best
  }

  /// The labels' probabilities, which sum to 1.
  public static func probabilities(_ outputs: some Collection<Double>) -> [Double] {
    let highest = outputs.max() ?? 0
    let powers = outputs.map { exp($0 - highest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  /// A label's own probability, of which others are independent.
  public static func sigmoid(_ output: Double) -> Double { 1 / (1 + exp(-output)) }

  /// By name: accuracy, macroF1, matthews, and for two labels f1, that of the second; or exactMatch, microF1, macroF1; or
  /// pearson, spearman, rootMeanSquaredError.
  public var figures: [(name: String, value: Double)] {
    switch tally {
    case .labels(let confusion):
      let all = [
        ("accuracy", confusion.accuracy), ("macroF1", confusion.macroF1), ("matthews", confusion.matthews),
      ]
      return task.labels.count == 2 ? all + [("f1", confusion.f1(1))] : all
    case .flags(let flags):
      return [("exactMatch", flags.exactMatch), ("microF1", flags.microF1), ("macroF1", flags.macroF1)]
    case .numbers(let known, let said):
      let squares = zip(known, said).map { ($0 - $1) * ($0 - $1) }
      return [
        ("pearson", Correlation.pearson(said, known)), ("spearman", Correlation.spearman(said, known)),
        ("rootMeanSquaredError", Correlation.mean(squares).squareRoot()),
      ]
    }
  }
}
