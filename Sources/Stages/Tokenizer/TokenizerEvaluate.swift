public import PipelineKit
import ShardKit
import TextKit

/// Measures a tokenizer on documents and fails the run if too many tokens or words are unknown.
public struct TokenizerEvaluate: Stage {
  public struct Options: StageOptions {
    @Option(
      "Maximum fraction of unknown tokens or words; a larger one fails the run.", in: 0...1, formerly: "maximumOOV")
    public var maximumOOVFraction = 0.005
    @Option("The unit of the fraction: 'token' (unknown tokens per token) or 'word' (unknown words per word).")
    public var per = Unit.token
    @Option("Folder of the MeCab dictionary. null: the system default.") public var mecabDictionary: String? = nil

    public init() {}
  }

  public enum Unit: String, CaseIterable, OptionChoice { case token, word }

  public static let name = "tokenizer.evaluate"
  public static let revision = 2
  public static let summary =
    "Measures a tokenizer's fraction of unknown words and its lengths; too many unknown words fail the run."
  static let documents = Input<Documents>("documents", "Held-out texts.")
  static let parts = Output<Metrics>("parts", "Sums per part of the texts.", hidden: true)
  static let metrics = Output<Metrics>(
    "metrics", "metrics.json: fractions, lengths, unknown characters with their counts.")
  public static let inputs = [documents.port, TokenizerInput.port.port]
  public static let outputs = [parts.port, metrics.port]
  public enum Phase: String, StagePhase { case measure, judge }

  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.mecabDictionary) }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .measure:
      let tokenizer = try TokenizerInput.files(context)
      let words = try TokenizerInput.wordsIdentity(tokenizer, dictionary: options.mecabDictionary)
      return try TaskPlan.grouped(context.files(Self.documents), bytes: 64 << 20).map {
        try $0.reading(tokenizer: tokenizer, words)
      }
    case .judge: return [TaskPlan(key: "metrics", inputs: [.main: context.files(Self.parts)])]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .measure: try measure(workspace)
    case .judge: try judge(workspace)
    }
  }

  private func measure(_ workspace: Workspace) throws {
    let meter = try TokenizerMeter(try TokenizerInput.load(workspace), dictionary: options.mecabDictionary)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      try document.text.withUnsafeBufferPointer { try meter.add($0) }
      workspace.consume(bytes: document.text.count)
    }
    try workspace.write(
      Self.parts, name: workspace.task.key + ".json", Array(meter.measurement.json.prettyText().utf8))
  }

  private func judge(_ workspace: Workspace) throws {
    var total = TokenizerMeasurement()
    for file in workspace.files(.main) {
      total += try TokenizerMeasurement(jsonFile: file.path, limit: .max)
    }
    let rate = options.per == .token ? total.unknownPerToken : total.unknownPerWord
    guard rate <= options.maximumOOVFraction else { throw tooManyUnknown(rate, total) }
    for (name, value) in [
      ("tokens", Double(total.tokens)), ("words", Double(total.words)), ("unknown words", Double(total.unknownWords)),
      ("unknown per token", total.unknownPerToken), ("unknown per word", total.unknownPerWord),
      ("characters per token", total.charactersPerToken),
    ] { workspace.metric(name, value) }
    try workspace.write(Self.metrics, name: "metrics.json", Array(total.json.prettyText().utf8))
  }

  private func tooManyUnknown(_ rate: Double, _ total: TokenizerMeasurement) -> StageError {
    let ranked = total.rankedUnknownScalars
    let examples = ranked.prefix(8).map { scalar, count in
      "\(Unicode.Scalar(scalar).map { String($0) } ?? "?") (\(count))"
    }
    let listed = ranked.isEmpty ? "" : "; most frequent unknown characters: \(examples.joined(separator: ", "))"
    return StageError(
      .check, "maximumOOVFraction",
      "\(percent(rate, 3)) of \(options.per.rawValue)s are unknown, \(percent(options.maximumOOVFraction, 3)) are allowed "
        + "(\(total.unknownWords) unknown words in \(total.documents) documents\(listed))",
      hint: "Raise \"alphabetLimit\" of tokenizer.train, or \"maximumOOVFraction\".")
  }
}
