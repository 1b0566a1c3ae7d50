import Glibc

/// Scores of documents whose labels are known: how well the one tells the other.
struct ScoredLabels {
  struct Point {
    /// Documents with this score or a higher one are taken for positive.
    var threshold: Double
    var precision: Double
    var recall: Double
  }

  private let scores: [Double]
  private let labels: [Bool]
  let positives: Int
  let negatives: Int
  /// From the highest score to the lowest.
  private let order: [Int]

  init(_ scores: [Double], _ labels: [Bool]) {
    precondition(scores.count == labels.count)
    self.scores = scores
    self.labels = labels
    positives = labels.count { $0 }
    negatives = labels.count - positives
    order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
  }

  /// Calls `body` with each distinct score, highest first, and how many positive and negative documents have it.
  private func forEachScore(_ body: (_ score: Double, _ positives: Int, _ negatives: Int) -> Void) {
    var place = 0
    while place < order.count {
      let score = scores[order[place]]
      var counts = [0, 0]
      while place < order.count, scores[order[place]] == score {
        counts[labels[order[place]] ? 1 : 0] += 1
        place += 1
      }
      body(score, counts[1], counts[0])
    }
  }

  /// The probability that a positive document scores higher than a negative one; equal scores count half. NaN without
  /// documents of both labels.
  var auc: Double {
    var above = 0.0, wins = 0.0
    forEachScore { _, positives, negatives in
      wins += Double(negatives) * (above + Double(positives) / 2)
      above += Double(positives)
    }
    return wins / (Double(positives) * Double(negatives))
  }

  /// The mean precision over the positive documents, at the threshold that each sets.
  var averagePrecision: Double {
    var sum = 0.0, before = 0.0
    for point in points {
      sum += (point.recall - before) * point.precision
      before = point.recall
    }
    return sum
  }

  /// By threshold, highest first. NaN without positive documents.
  var points: [Point] {
    var points: [Point] = [], taken = (positives: 0, all: 0)
    forEachScore { score, positives, negatives in
      taken.positives += positives
      taken.all += positives + negatives
      points.append(
        Point(
          threshold: score, precision: Double(taken.positives) / Double(taken.all),
          recall: Double(taken.positives) / Double(self.positives)))
    }
    return points
  }

  /// The mean squared distance of probabilities from the labels.
  var brier: Double {
    zip(scores, labels).reduce(0) { $0 + ($1.0 - ($1.1 ? 1 : 0)) * ($1.0 - ($1.1 ? 1 : 0)) } / Double(scores.count)
  }
}
