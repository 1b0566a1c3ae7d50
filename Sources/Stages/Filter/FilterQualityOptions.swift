public import PipelineKit
import ShardKit
import TextKit

extension FilterQuality {
  public struct Options: StageOptions {
    @Option(
      "Defaults of the thresholds that are not given. A given threshold overrides them; null disables it. All are for "
        + "web pages: books, minutes and poems fail them for their length or style (see 'sources'). hojichar is 20 to "
        + "30 times slower than the others, because of MeCab.")
    var preset = QualityPreset.swallow
    @Option(
      "drop: drops documents at the first threshold they miss. score: drops none, and writes every measure and the "
        + "missed thresholds to 'metadata.quality'.")
    var mode = Mode.drop
    @Option(
      "Only documents of these sources are judged; all others pass: thresholds for the web do not suit books. []: all."
    )
    var sources: [String] = []
    @Option("Top-level domains to keep, by the document's URL. null: the preset's. []: no check.")
    var topLevelDomains: [String]? = nil
    @OptionGroup var measuring: QualityMeasuring
    @OptionGroup private var thresholds: QualityThresholds

    public init() {}

    subscript(rule: QualityRule) -> Threshold {
      get { thresholds[rule] }
      set { thresholds[rule] = newValue }
    }
  }

  enum Mode: String, OptionChoice { case drop, score }
}

extension FilterQuality.Options {
  /// The thresholds in force, in the order of the rules.
  var gate: [(rule: QualityRule, threshold: Double)] {
    let defaults = preset.thresholds
    return QualityRule.allCases.compactMap { rule in
      switch self[rule] {
      case .preset: defaults[rule].map { (rule, $0) }
      case .off: nil
      case .at(let value): (rule, value)
      }
    }
  }

  var needsNouns: Bool { gate.contains { $0.rule.measure == .nounFraction } }

  var nouns: QualityMeasuring.Nouns? {
    let option = QualityRule.maximumNounFraction.rawValue
    return needsNouns ? QualityMeasuring.Nouns(option: option, way: "set \"\(option)\": null") : nil
  }

  var needsLZ4: Bool { mode == .score || gate.contains { $0.rule.measure == .lz4Ratio } }

  var acceptedDomains: [String] { (topLevelDomains ?? preset.topLevelDomains).map { $0.lowercased() } }

  /// "gate 2 of 3": the first of the preset's chained gates that the value misses.
  func gateName(_ rule: QualityRule, _ value: Double) -> String? {
    let gates = preset.gates
    guard gates.count > 1, self[rule] == .preset else { return nil }
    let missed = gates.firstIndex { gate in gate[rule].map { !rule.passes(value, $0) } ?? false }
    return missed.map { "gate \($0 + 1) of \(gates.count)" }
  }
}
