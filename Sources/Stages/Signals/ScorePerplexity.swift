public import PipelineKit
import ShardKit
import TextKit

/// Writes how surprised an n-gram language model is by each document, for `gate` to decide by.
///
/// - `compile`: makes a table of an ARPA file, which the tasks of a machine share; KenLM's binary files are used as they are.
/// - `score`: the documents.
public struct ScorePerplexity: Stage {
  public enum Unit: String, OptionChoice { case words, characters }
  public enum Form: String, OptionChoice { case nfkc, none }

  public struct Options: StageOptions {
    @Option(
      "The model: an ARPA file, which may be compressed, or a file of KenLM's build_binary (probing, or trie without -q and "
        + "-a). Or wire a stage that makes one to 'model'.")
    var model = InputFiles()
    @Option("What the model's words are: words between white space, or single characters without white space.")
    var unit = Unit.words
    @Option("The form that texts are brought into before; the one that the model was trained on.") var form = Form.nfkc
    @OptionGroup var scorer: ScorerOptions

    public init() {}
  }

  public static let name = "score.perplexity"
  public static let revision = 3
  public static let summary = "Scores documents by the perplexity of an n-gram language model, for gates."
  static let documents = Input<Documents>("documents", "The documents to score.")
  static let model = Input<Files>(
    "model",
    "The model, if a stage made or downloaded it: one file that ends with .arpa, .arpa.gz or .arpa.zst, or if there is none, "
      + "one that ends with .binary, .bin or .klm; others are left out.",
    required: false, holdsRecords: false)
  static let table = Output<Intermediate>("table", "The n-grams of an ARPA file.", hidden: true)
  static let signals = Output<Signals>(
    "signals", "perplexity, tokens and unknownFraction, one file per file of documents.")
  public static let inputs = [documents.port, model.port]
  public static let outputs = [signals.port, table.port]
  public enum Phase: String, StagePhase { case compile, score }

  private static let measures = ["perplexity", "tokens", "unknownFraction"]
  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws { try options.scorer.validate(measures: Self.measures) }

  public static func options(of phase: Phase) -> Set<String>? { phase == .compile ? [] : nil }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let model = try model(in: context), isBinary = try BackoffModel.isBinary(model.path)
    switch phase {
    case .compile:
      guard !isBinary else { return [] }
      // A line of about 20 bytes becomes a slot of 16 bytes in a table that is between a third and two thirds full, is
      // doubled when it grows and copied in the end; compressed files are about a quarter of that.
      let isCompressed = !model.name.hasSuffix(".arpa")
      let memoryBytes = (64 << 20) + (isCompressed ? 20 : 5) * Int(model.bytes)
      return [TaskPlan(key: "table", inputs: ["model": [model]], memoryBytes: memoryBytes)]
    case .score:
      // The model is mapped, and shared with other tasks.
      let models = isBinary ? [model] : context.files(Self.table)
      return TaskPlan.perFile(context.files(Self.documents), memoryBytes: 64 << 20).map {
        $0.with(inputs: ["model": models])
      }
    }
  }

  private func model(in context: PlanningContext) throws -> ArtifactFile {
    let wired = context.files(Self.model)
    let texts = Self.files(wired, [".arpa", ".arpa.gz", ".arpa.zst"])
    let models =
      try context.files(options.model) + (texts.isEmpty ? Self.files(wired, [".binary", ".bin", ".klm"]) : texts)
    guard models.count == 1, let model = models.first else {
      throw StageError(
        .options, "model", models.isEmpty ? "there is no model" : "there are \(models.count) models, not one",
        hint: "Name one file, or wire a stage that makes one that ends with .arpa, .arpa.gz, .arpa.zst or .binary.")
    }
    return model
  }

  private static func files(_ files: [ArtifactFile], _ ends: [String]) -> [ArtifactFile] {
    files.filter { file in ends.contains { file.name.hasSuffix($0) } }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .compile: try compile(workspace)
    case .score: try score(workspace)
    }
  }

  private func compile(_ workspace: Workspace) throws {
    let name = "model.ngrams"
    let file = try workspace.file(Self.table, name)
    try BackoffModel.compile(workspace.file("model").path, to: file)
    try workspace.publish(Self.table, file, name: name)
  }

  private func score(_ workspace: Workspace) throws {
    let scorer = BackoffScorer(try BackoffModel(workspace.file("model").path))
    let unit: BackoffModel.Unit = options.unit == .words ? .words : .characters
    let output = try SignalsOutput(workspace, to: Self.signals, options.scorer, measures: Self.measures)
    let stream = workspace.documents()
    var document = Document()
    var normalized: [UInt8] = []
    while try stream.next(&document) {
      var score = BackoffModel.Score()
      if options.form == .nfkc {
        normalized.removeAll(keepingCapacity: true)
        document.text.withUnsafeBufferPointer { NFKC.current.normalize($0, into: &normalized) }
        try normalized.withUnsafeBufferPointer { try scorer.add($0, unit, to: &score) }
      } else {
        try document.text.withUnsafeBufferPointer { try scorer.add($0, unit, to: &score) }
      }
      let unknown = score.tokens > 0 ? Double(score.unknown) / Double(score.tokens) : .nan
      try output.write(document, [score.perplexity, Double(score.tokens), unknown])
    }
    try output.finish()
  }
}
