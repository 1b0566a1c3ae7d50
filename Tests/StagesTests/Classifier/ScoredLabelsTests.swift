import Glibc
import TestKit
import Testing

@testable import Stages

@Suite struct ScoredLabelsTests {
  private let scores: [Double]
  private let labels: [Bool]

  init() {
    var random = SplitMix(seed: 5)
    // Few distinct values, so that many are equal.
    scores = (0..<300).map { _ in Double(Int.random(in: 0...60, using: &random)) / 10 - 3 }
    labels = scores.map { $0 + Double(Int.random(in: -30...30, using: &random)) / 10 > 0 }
  }

  @Test func aucIsTheShareOfPairsInOrder() {
    var (wins, pairs) = (0.0, 0.0)
    for (a, positive) in zip(scores, labels) where positive {
      for (b, other) in zip(scores, labels) where !other {
        wins += a > b ? 1 : a == b ? 0.5 : 0
        pairs += 1
      }
    }
    #expect(abs(ScoredLabels(scores, labels).auc - wins / pairs) < 1e-12)
    #expect(ScoredLabels([1, 2, 3], [false, false, true]).auc == 1)
    #expect(ScoredLabels([1, 2], [true, true]).auc.isNaN)
  }

  /// By scikit-learn's average_precision_score and precision_recall_curve.
  @Test func precisionIsThatOfThePublishedExample() {
    let scored = ScoredLabels([0.1, 0.4, 0.35, 0.8], [false, false, true, true])
    #expect(abs(scored.averagePrecision - 0.8333333333333333) < 1e-12)
    #expect(scored.points.map(\.recall) == [0.5, 0.5, 1, 1])
    #expect(scored.points.map(\.precision) == [1, 0.5, 2.0 / 3, 0.5])
    #expect(ScoredLabels([3, 3, 3, 3], labels.prefix(3) + [true]).points.count == 1)
  }

  /// The loss cannot be made smaller by any small step, and margins that say nothing get the share of positives.
  @Test func plattsSigmoidHasTheLeastLoss() throws {
    guard case .sigmoid(let slope, let offset) = Calibration(.platt, margins: scores, labels: labels) else {
      throw Unexpected()
    }
    let positives = Double(labels.count { $0 }), negatives = Double(labels.count { !$0 })
    func loss(_ slope: Double, _ offset: Double) -> Double {
      zip(scores, labels).reduce(0) { sum, one in
        let p = Calibration.sigmoid(slope: slope, offset: offset)(one.0)
        let target = one.1 ? (positives + 1) / (positives + 2) : 1 / (negatives + 2)
        return sum - target * log(p) - (1 - target) * log(1 - p)
      }
    }
    let least = loss(slope, offset)
    for step in [(0.01, 0.0), (-0.01, 0), (0, 0.01), (0, -0.01), (0.01, -0.01)] {
      #expect(loss(slope + step.0, offset + step.1) > least)
    }
    let blind = Calibration(.platt, margins: labels.map { _ in 1 }, labels: labels)
    #expect(abs(blind(1) - positives / 300) < 0.01)
  }

  @Test func isotonicProbabilitiesRiseAndHaveTheLeastError() {
    let calibration = Calibration(.isotonic, margins: scores, labels: labels)
    #expect(calibration.isSane)
    let grid = stride(from: -4.0, through: 4, by: 0.01).map { calibration($0) }
    #expect(zip(grid, grid.dropFirst()).allSatisfy { $0 <= $1 })
    // Within each range of scores with one probability, it is the mean of the labels, which has the least error.
    var byValue: [Double: (sum: Double, count: Double)] = [:]
    for (score, label) in zip(scores, labels) {
      let value = calibration(score)
      byValue[value] = ((byValue[value]?.sum ?? 0) + (label ? 1 : 0), (byValue[value]?.count ?? 0) + 1)
    }
    #expect(byValue.allSatisfy { abs($0.key - $0.value.sum / $0.value.count) < 1e-9 })
    #expect(byValue.count > 5)
    #expect(Calibration(.isotonic, margins: [1, 2, 3, 4], labels: [false, true, false, true])(2.5) == 0.5)
    #expect(Calibration(.isotonic, margins: [1, 2], labels: [false, true])(1.5) == 0.5)
  }

  private struct Unexpected: Error {}
}
