import ShardKit
import TextKit

/// Histograms of measures. Adding tallies in the same order gives bit-identical sums.
struct MeasureTally {
  fileprivate struct Histogram: Codable {
    var documents = 0
    var sum = 0.0
    var minimum = Double.infinity
    var maximum = -Double.infinity
    var bins = [Int](repeating: 0, count: MeasureTally.binCount)

    mutating func add(_ value: Double, bin: Int) {
      documents += 1
      sum += value
      minimum = min(minimum, value)
      maximum = max(maximum, value)
      bins[bin] += 1
    }
  }

  private var histograms: [QualityMeasure: Histogram] = [:]
  private static let binCount = 100

  mutating func add(_ value: Double, of measure: QualityMeasure) {
    histograms[measure, default: Histogram()].add(value, bin: Self.bin(value, measure.isCount))
  }

  /// Fractions and ratios: 100 bins of 0.01, the last one open. Counts and lengths: four bins per doubling.
  private static func bin(_ value: Double, _ isCount: Bool) -> Int {
    guard value > 0 else { return 0 }
    let bin = isCount ? value.log2Floor4 + 1 : Int(min(value, 1e6) * 100)
    return min(bin, binCount - 1)
  }

  private static func lowerBound(of bin: Int, _ isCount: Bool) -> Double {
    guard isCount else { return Double(bin) / 100 }
    guard bin > 0 else { return 0 }
    let (octave, quarter) = ((bin - 1) / 4, (bin - 1) % 4)
    return Double(1 << octave) * (1 + Double(quarter) / 4)
  }

  static func += (a: inout MeasureTally, b: MeasureTally) {
    for (measure, other) in b.histograms {
      var sum = a.histograms[measure] ?? Histogram()
      sum.documents += other.documents
      sum.sum += other.sum
      sum.minimum = min(sum.minimum, other.minimum)
      sum.maximum = max(sum.maximum, other.maximum)
      for i in sum.bins.indices { sum.bins[i] += other.bins[i] }
      a.histograms[measure] = sum
    }
  }
}

/// For the phase that adds up.
extension MeasureTally: JSONRecord {
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: QualityMeasure.self)
    for measure in QualityMeasure.allCases {
      try container.encodeIfPresent(histograms[measure], forKey: measure)
    }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: QualityMeasure.self)
    for measure in QualityMeasure.allCases {
      let histogram = try container.decodeIfPresent(Histogram.self, forKey: measure)
      guard (histogram?.bins.count ?? Self.binCount) == Self.binCount else {
        throw DecodingError.dataCorruptedError(
          forKey: measure, in: container, debugDescription: "the tally is of another version")
      }
      histograms[measure] = histogram
    }
  }
}

extension MeasureTally {
  /// For readers: bins as `[from, documents]`, without empty ones.
  var report: JSONValue {
    members { measure, h in
      let bins = h.bins.indices.filter { h.bins[$0] > 0 }.map { bin in
        JSONValue.list([.number(Self.lowerBound(of: bin, measure.isCount)), .integer(h.bins[bin])])
      }
      return [
        "documents": .integer(h.documents), "mean": .number(h.sum / Double(h.documents)),
        "minimum": .number(h.minimum), "maximum": .number(h.maximum), "bins": .list(bins),
      ]
    }
  }

  private func members(_ value: (QualityMeasure, Histogram) -> JSONValue) -> JSONValue {
    .object(
      QualityMeasure.allCases.compactMap { measure in
        histograms[measure].map { JSONMember(measure.rawValue, value(measure, $0)) }
      })
  }
}

extension QualityMeasure {
  /// A count or a length, not a fraction or a ratio.
  fileprivate var isCount: Bool {
    switch self {
    case .characters, .japaneseCharacters, .leadingKana, .characterRun, .meanSentenceLength, .longestSentence,
      .adPhrases, .forumSigns, .ngWords:
      true
    default: false
    }
  }
}

extension Double {
  /// 0 for values below 1¼, 1 below 1½, … 4 from 2, 5 from 2½, …
  fileprivate var log2Floor4: Int {
    guard self >= 1 else { return 0 }
    return Int(exponent) * 4 + Int((significand - 1) * 4)
  }
}
