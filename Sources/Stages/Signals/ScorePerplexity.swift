public import PipelineKit
import ShardKit
import TextKit

/// Writes how surprised an n-gram language model is by each document, for `gate` to decide by.
public struct ScorePerplexity: SinglePhaseStage {
  public enum Unit: String, OptionChoice { case words, characters }
  public enum Form: String, OptionChoice { case nfkc, none }

  public struct Options: StageOptions {
    @Option(
      "The model: an ARPA file, which may be compressed; KenLM's binary form is not read. Or wire a stage that makes one to "
        + "'model'.")
    var model = InputFiles()
    @Option("What the model's words are: words between white space, or single characters without white space.")
    var unit = Unit.words
    @Option("The form that texts are brought into before; the one that the model was trained on.") var form = Form.nfkc
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.perplexity"
  public static let revision = 2
  public static let summary = "Scores documents by the perplexity of an n-gram language model, for gates."
  static let documents = Input<Documents>("documents", "The documents to score.")
  static let model = Input<Files>(
    "model",
    "The model, if a stage made or downloaded it: one file that ends with .arpa, .arpa.gz or .arpa.zst; others are left "
      + "out.",
    required: false, holdsRecords: false)
  static let signals = Output<Signals>(
    "signals", "perplexity, tokens and unknownFraction, one file per file of documents.")
  public static let inputs = [documents.port, model.port]
  public static let outputs = [signals.port]

  private static let measures = ["perplexity", "tokens", "unknownFraction"]
  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws { try options.scorer.validate(measures: Self.measures) }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let models = try context.files(options.model) + context.files(Self.model).filter(Self.isModel)
    guard models.count == 1, let model = models.first else {
      throw StageError(
        .options, "model", models.isEmpty ? "there is no model" : "there are \(models.count) models, not one",
        hint: "Name one ARPA file, or wire a stage that makes one that ends with .arpa, .arpa.gz or .arpa.zst.")
    }
    // A line of about 20 bytes becomes an entry of 16 bytes in a table that is between a third and two thirds full and
    // is doubled when it grows; compressed files are about a quarter of that.
    let isCompressed = !model.name.hasSuffix(".arpa")
    return TaskPlan.perFile(
      context.files(Self.documents), memoryBytes: (64 << 20) + (isCompressed ? 12 : 3) * Int(model.bytes)
    ).map { $0.with(inputs: ["model": [model]]) }
  }

  private static func isModel(_ file: ArtifactFile) -> Bool {
    [".arpa", ".arpa.gz", ".arpa.zst"].contains { file.name.hasSuffix($0) }
  }

  public func run(_ workspace: Workspace) throws {
    let model = try BackoffModel(workspace.file("model").path)
    let output = try SignalsOutput(workspace, to: Self.signals, options.scorer, measures: Self.measures)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      var score = BackoffModel.Score()
      let text = options.form == .nfkc ? NFKC.current.normalize(document.text) : document.text
      for line in text.split(separator: UInt8(ascii: "\n")) {
        let tokens = line.withUnsafeBufferPointer(tokens)
        if !tokens.isEmpty { model.add(sentence: tokens, to: &score) }
      }
      let unknown = score.tokens > 0 ? Double(score.unknown) / Double(score.tokens) : .nan
      try output.write(document, [score.perplexity, Double(score.tokens), unknown])
    }
    try output.finish()
  }

  /// The hashes of a line's words or characters.
  private func tokens(_ line: UnsafeBufferPointer<UInt8>) -> [UInt64] {
    var tokens: [UInt64] = []
    func append(_ range: Range<Int>) {
      if !range.isEmpty {
        tokens.append(recordHash(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: line[range]))))
      }
    }
    var start = 0
    UTF8Scanning.forEachScalar(line) { scalar, begin, end in
      let isSpace = ScalarProperties(of: scalar).contains(.whitespace)
      if options.unit == .characters {
        if !isSpace { append(begin..<end) }
      } else if isSpace {
        append(start..<begin)
        start = end
      }
    }
    if options.unit == .words { append(start..<line.count) }
    return tokens
  }
}
