import ShardKit
import TestKit
import Testing

@testable import TrainerCore

@Suite struct TextScoresTests {
  private func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-9 }

  private func confusion(_ labels: Int, _ known: [Int], _ given: [Int]) -> LabelConfusion {
    var confusion = LabelConfusion(labels: labels)
    for (label, given) in zip(known, given) { confusion.add(label: label, given: given) }
    return confusion
  }

  /// The examples of scikit-learn's documentation.
  @Test func figuresOfLabelsAreScikitLearns() {
    let three = confusion(3, [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1])
    #expect(close(three.accuracy, 2 / 6.0) && close(three.macroF1, 0.8 / 3))
    #expect(close(three.precision(0), 2 / 3.0) && three.recall(0) == 1 && three.f1(1) == 0)
    #expect(close(confusion(2, [1, 1, 1, 0], [1, 0, 1, 1]).matthews, -1 / 3.0))
    // A label that no text has and none was given does not count.
    #expect(confusion(3, [0, 1], [0, 1]).macroF1 == 1)
  }

  /// Of two labels, (TP·TN − FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)); of more, by the sums over all pairs of texts.
  @Test func matthewsIsACorrelation() {
    var random = SplitMix(seed: 7)
    for labels in [2, 3, 5] {
      let known = (0..<200).map { _ in Int(random.next() % UInt64(labels)) }
      let given = known.map { random.next() % 3 == 0 ? Int(random.next() % UInt64(labels)) : $0 }
      // The correlation of the indicators of all labels, taken together.
      func columns(_ values: [Int]) -> [[Double]] {
        (0..<labels).map { label in
          let flags = values.map { $0 == label ? 1.0 : 0.0 }
          let mean = flags.reduce(0, +) / Double(flags.count)
          return flags.map { $0 - mean }
        }
      }
      func together(_ a: [[Double]], _ b: [[Double]]) -> Double {
        zip(a, b).reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + $1.0 * $1.1 } }
      }
      let (x, y) = (columns(known), columns(given))
      let expected = together(x, y) / (together(x, x) * together(y, y)).squareRoot()
      #expect(close(confusion(labels, known, given).matthews, expected))
    }
    #expect(confusion(2, [0, 1], [1, 1]).matthews == 0)
  }

  @Test func figuresOfSeveralLabelsCountEachByItself() {
    let task = TextTask.multiLabel(["a", "b"])
    let scores = TextScores(
      task, targets: [[1, 0], [1, 1], [0, 0], [0, 1]], outputs: [[2, -1], [3, -2], [-1, 0.5], [-3, 4]])
    let figures = Dictionary(uniqueKeysWithValues: scores.figures.map { ($0.name, $0.value) })
    // a: 2 of 2; b: 1 right, 1 given wrongly, 1 missed.
    #expect(close(figures["microF1"]!, 6 / 8.0) && close(figures["macroF1"]!, (1 + 0.5) / 2))
    #expect(close(figures["exactMatch"]!, 0.5))
  }

  @Test func numbersCorrelate() {
    let scores = TextScores(.regression, targets: [[1], [2], [3]], outputs: [[2], [4], [6]])
    let figures = Dictionary(uniqueKeysWithValues: scores.figures.map { ($0.name, $0.value) })
    #expect(close(figures["pearson"]!, 1) && close(figures["spearman"]!, 1))
    #expect(close(figures["rootMeanSquaredError"]!, (14 / 3.0).squareRoot()))
    #expect(TextScores.label([0.5, 0.5]) == 0 && close(TextScores.probabilities([1000, 1000]).reduce(0, +), 1))
    #expect(close(TextScores.sigmoid(0), 0.5))
  }

  @Test func targetsAreReadByTheKindOfTask() {
    let single = TextTask.singleLabel(["が", "か\u{3099}"])
    #expect(single.targets("か\u{3099}") == [1] && single.targets("x") == nil && single.targets(.list(["が"])) == nil)
    let several = TextTask.multiLabel(["a", "b"])
    #expect(several.targets(.list(["b"])) == [0, 1] && several.targets(.list([])) == [0, 0])
    #expect(several.targets(.list(["c"])) == nil && several.targets("a") == nil)
    #expect(TextTask.regression.targets(.number(2.5)) == [2.5] && TextTask.regression.targets("2.5") == nil)
  }
}
