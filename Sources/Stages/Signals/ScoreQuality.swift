public import PipelineKit
import ShardKit
import TextKit

/// Writes the measures of `filter.quality` beside documents, for `gate` to decide by.
public struct ScoreQuality: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "Names of the measures to take, such as hiraganaFraction; []: all but nounFraction, which takes MeCab and most of "
        + "the time.")
    var measures: [String] = []
    @OptionGroup var measuring: QualityMeasuring
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.quality"
  public static let revision = 1
  public static let summary = "Measures the quality of documents for gates: length, scripts, repetition, phrases."
  static let documents = Input<Documents>("documents", "The documents to measure.")
  static let signals = Output<Signals>("signals", "The measures, one file per file of documents.")
  public static let inputs = [documents.port]
  public static let outputs = [signals.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  /// Beside the measures, for gates such as that of LLM-jp.
  static let topLevelDomain = "topLevelDomain"

  private var measures: [QualityMeasure] {
    let all = QualityMeasure.allCases.filter { $0 != .characters }
    if options.measures.isEmpty { return all.filter { $0 != .nounFraction } }
    return all.filter { options.measures.contains($0.rawValue) }
  }

  private var needsNouns: Bool { measures.contains(.nounFraction) }

  private var nouns: QualityMeasuring.Nouns? {
    needsNouns ? QualityMeasuring.Nouns(option: "measures", way: "leave out nounFraction") : nil
  }

  public var namedFiles: [String: InputFiles] { options.measuring.namedFiles(needsNouns: needsNouns) }

  public func validate() throws {
    let known = QualityMeasure.allCases.map(\.rawValue)
    for name in options.measures where !known.contains(name) {
      throw StageError(.options, "measures", "no measure is named '\(name)'\(suggestion(for: name, among: known))")
    }
    try options.scorer.validate(measures: measures.map(\.rawValue), texts: [Self.topLevelDomain])
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    try options.measuring.tasks(
      Self.documents, nouns: nouns, needsLZ4: measures.contains(.lz4Ratio), in: context)
  }

  public func run(_ workspace: Workspace) throws {
    let measurer = try options.measuring.measurer(workspace, nouns: nouns)
    let measures = measures
    let output = try SignalsOutput(
      workspace, to: Self.signals, options.scorer, measures: measures.map(\.rawValue), texts: [Self.topLevelDomain])
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      let values = document.text.withUnsafeBufferPointer { text in
        let pieces = TextPieces.of(text, bytes: options.measuring.pieceBytes.bytes)
        let found = PieceMeasures(pieces, measures, by: measurer)
        return measures.map { found[$0] }
      }
      try output.write(document, values, texts: [options.measuring.topLevelDomain(document.metadata) ?? ""])
    }
    if let failure = measurer.failure { throw StageError(.input, try workspace.file().path, failure.message) }
    try output.finish()
  }
}
