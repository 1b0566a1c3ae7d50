import Glibc
import ShardKit

/// How well clusters agree with labels: V-measure (Rosenberg and Hirschberg 2007).
struct ClusterAgreement: Equatable {
  /// Whether a cluster has texts of one label only: 0…1.
  let homogeneity: Double
  /// Whether the texts of a label are in one cluster: 0…1.
  let completeness: Double

  /// Their harmonic mean.
  var vMeasure: Double {
    let sum = homogeneity + completeness
    return sum > 0 ? 2 * homogeneity * completeness / sum : 0
  }

  init(labels: [Int], clusters: [Int]) {
    let labelEntropy = Self.entropy(Self.counts(labels)), clusterEntropy = Self.entropy(Self.counts(clusters))
    let pairs = zip(labels, clusters).map { [$0, $1] }
    // What label and cluster say of one another.
    let shared = max(0, labelEntropy + clusterEntropy - Self.entropy(Self.counts(pairs)))
    homogeneity = labelEntropy > 0 ? shared / labelEntropy : 1
    completeness = clusterEntropy > 0 ? shared / clusterEntropy : 1
  }

  var json: JSONValue {
    [
      "vMeasure": .number(vMeasure), "homogeneity": .number(homogeneity), "completeness": .number(completeness),
    ]
  }

  /// In the order of first occurrences, so that sums have the same bits everywhere.
  private static func counts<T: Hashable>(_ values: [T]) -> [Int] {
    var places: [T: Int] = [:], counts: [Int] = []
    for value in values {
      if let place = places[value] {
        counts[place] += 1
      } else {
        places[value] = counts.count
        counts.append(1)
      }
    }
    return counts
  }

  private static func entropy(_ counts: [Int]) -> Double {
    let all = Double(counts.reduce(0, +))
    guard counts.count > 1 else { return 0 }
    return -counts.reduce(0) { $0 + Double($1) / all * (log(Double($1)) - log(all)) }
  }
}
