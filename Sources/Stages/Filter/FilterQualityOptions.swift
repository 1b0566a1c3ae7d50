public import PipelineKit
import ShardKit
import TextKit

extension FilterQuality {
  public struct Options: StageOptions {
    @Option(
      "Where thresholds that are not given come from. A threshold that is given wins; null is off. All are for web pages: "
        + "books, minutes and poems fail them for their length or style (see 'sources'). hojichar is 20 to 30 times slower "
        + "than the others, for MeCab.")
    var preset = QualityPreset.swallow
    @Option(
      "drop: drop documents at the first threshold they miss. score: drop none, and write every measure and the "
        + "thresholds missed to 'metadata.quality'.")
    var mode = Mode.drop
    @Option(
      "Only documents of these sources are judged, all others pass: gates for the web leave books alone. []: all.")
    var sources: [String] = []
    @Option(
      "Longer documents are measured in pieces of about this size, cut at line ends, and each measure but a count of "
        + "characters is the pieces' median: no long book falls for one long sentence, or for repeating itself over "
        + "hundreds of pages. 0: whole documents, as the presets' authors do.",
      in: ByteCount(0)...ByteCount.gibibytes(1))
    var pieceBytes = ByteCount(0)
    @Option(
      "How duplicate n-grams are counted: distinct n-grams of distinct ones (as the code of Swallow, which the "
        + "preset's numbers belong to), or occurrences of all occurrences (as its README).")
    var duplicateGrams = GramCount.distinct
    @Option("Documents with a URL in another domain are dropped. null: the preset's; []: no check.")
    var topLevelDomains: [String]? = nil
    @Option("The member of the metadata that holds the URL.") var urlField = "url"
    @Option("Files of words that should not occur, one a line, UTF-8. None by default.") var ngWords = InputFiles()
    @Option("Files of advertising phrases, one a line, instead of the built-in list.") var adPhrases = InputFiles()
    @Option("Files of forum phrases, one a line, instead of the built-in list.") var forumPhrases = InputFiles()
    @Option("Folder of MeCab's dictionary (UniDic, as HojiChar asks for, or IPADIC); null for the system's choice.")
    var mecabDictionary: String? = nil
    @OptionGroup private var thresholds: QualityThresholds

    public init() {}

    subscript(rule: QualityRule) -> Threshold {
      get { thresholds[rule] }
      set { thresholds[rule] = newValue }
    }
  }

  enum Mode: String, OptionChoice { case drop, score }
  enum GramCount: String, OptionChoice { case distinct, occurrences }
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
