/// Pairs told apart by a threshold of their similarity.
struct PairThreshold {
  /// By pair: how similar it is, and whether it is of the sought label.
  let similarities: [Double]
  let isWanted: [Bool]
  /// Whether a pair at the threshold itself is not given the label, as where similarity is a distance turned round.
  var isStrict = false

  /// A figure, and the threshold that gives it: pairs that are more similar are given the label.
  typealias Best = (value: Double, threshold: Double)

  /// The highest F1 of the sought label that a threshold between two pairs gives; of equal ones the first from above.
  var bestF1: Best {
    let wanted = isWanted.count { $0 }
    return best { found, given, _ in found == 0 ? 0 : 2 * Double(found) / Double(given + wanted) }
  }

  /// The highest fraction of pairs that are given the right label.
  var bestAccuracy: Best {
    let unwanted = isWanted.count { !$0 }
    return best { found, given, all in Double(found + unwanted - (given - found)) / Double(all) }
  }

  private func best(_ value: (_ found: Int, _ given: Int, _ all: Int) -> Double) -> Best {
    let order = similarities.indices.sorted { (-similarities[$0], $0) < (-similarities[$1], $1) }
    var best: Best = (0, -1), found = 0
    for (place, pair) in order.enumerated().dropLast() {
      if isWanted[pair] { found += 1 }
      let value = value(found, place + 1, order.count)
      if value > best.value { best = (value, (similarities[pair] + similarities[order[place + 1]]) / 2) }
    }
    return best
  }

  private func isGiven(_ similarity: Double, _ threshold: Double) -> Bool {
    isStrict ? similarity > threshold : similarity >= threshold
  }

  /// F1 of the sought label with a threshold that other pairs have given.
  func f1(_ threshold: Double) -> Double {
    let given = similarities.map { isGiven($0, threshold) }
    let found = zip(given, isWanted).count { $0 && $1 }
    let all = given.count { $0 } + isWanted.count { $0 }
    return all == 0 ? 0 : 2 * Double(found) / Double(all)
  }

  func accuracy(_ threshold: Double) -> Double {
    let right = zip(similarities, isWanted).count { isGiven($0, threshold) == $1 }
    return isWanted.isEmpty ? 0 : Double(right) / Double(isWanted.count)
  }

  /// The mean precision over the thresholds of all pairs, by the gain in recall: `average_precision_score` of
  /// scikit-learn, MTEB's figure. Equally similar pairs count together.
  var averagePrecision: Double {
    let order = similarities.indices.sorted { (-similarities[$0], $0) < (-similarities[$1], $1) }
    let wanted = isWanted.count { $0 }
    var sum = 0.0, found = 0, place = 0
    while place < order.count, wanted > 0 {
      var end = place, fresh = 0
      while end < order.count, similarities[order[end]] == similarities[order[place]] {
        if isWanted[order[end]] { fresh += 1 }
        end += 1
      }
      found += fresh
      sum += Double(fresh) / Double(wanted) * Double(found) / Double(end)
      place = end
    }
    return sum
  }
}
