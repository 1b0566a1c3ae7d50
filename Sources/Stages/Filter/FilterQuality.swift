import PipelineKit
import ShardKit
import TextKit

/// Drops documents of poor text by measured gates, or only scores them.
///
/// Presets give the numbers that Swallow, HojiChar, LLM-jp and Uzushio use; each number is an option. Definitions are
/// those of the peers but for their faults: ー and kanji beyond the BMP count as Japanese, blank lines are no duplicate
/// paragraphs and no short lines, phrases match at word boundaries as far as scripts show them, one rule holds at the
/// threshold for all (a document exactly at it stays). Outside the scope: gates on KenLM perplexity (Uzushio), which
/// need a model.
public struct FilterQuality: Stage {
  public static let name = "filter.quality"
  public static let revision = 3
  public static let summary =
    "Drops documents of poor text, by thresholds of Swallow, HojiChar, LLM-jp or Uzushio, or scores them."
  static let documents = Input<Documents>("documents", "The documents to judge.")
  static let kept = Output<Documents>("documents", "The documents that pass every gate.")
  static let tallies = Output<Counts>("tallies", "Histograms of each task.", hidden: true)
  static let measures = Output<Metrics>("measures", "measures.json: a histogram of every measure taken.")
  public static let inputs = [documents.port]
  public static let outputs = [kept.port, tallies.port, measures.port]
  public static let phases = ["filter", "report"]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(phase: String, in context: PlanningContext) throws -> [TaskPlan] {
    if phase == "report" { return [TaskPlan(key: "measures", files: context.files(Self.tallies))] }
    let ng = try context.files(options.ngWords)
    let ads = try context.files(options.adPhrases)
    let forum = try context.files(options.forumPhrases)
    let lz4 = options.needsLZ4 ? " LZ4-\(CompressionRatio.lz4Version)" : ""
    let dictionary = options.needsNouns ? try mecab { try NounCensus.dictionaryIdentity($0) } : ""
    return context.files(Self.documents).enumerated().map { i, file in
      TaskPlan(
        key: TaskPlan.padded(i), files: [file] + ng + ads + forum,
        note: "\(ng.count) \(ads.count) \(forum.count) \(dictionary)\(lz4)",
        memoryBytes: 96 << 20)
    }
  }

  public func run(_ workspace: Workspace) throws {
    if workspace.phase == "report" { return try report(workspace) }
    var judge = QualityJudge(options, measurer: try measurer(workspace.task))
    let stream = workspace.documents([workspace.task.files[0]])
    let output = try workspace.documents(to: Self.kept)
    var document = Document()
    while try stream.next(&document) {
      if options.mode == .score {
        judge.score(&document)
        try output.write(document)
      } else if let miss = judge.miss(document) {
        try workspace.drop(document, miss)
      } else {
        try output.write(document)
      }
    }
    if let failure = judge.failure { throw StageError(.input, workspace.task.files[0].path, failure.message) }
    try workspace.write(Self.tallies, name: workspace.task.key + ".json", Array(judge.tally.json.text().utf8))
  }

  private func measurer(_ task: TaskPlan) throws -> QualityMeasurer {
    let counts = task.note.split(separator: " ").prefix(3).compactMap { Int($0) }
    var lists = task.files.dropFirst()
    func next(_ count: Int, _ standard: [String]) throws -> PhraseMatcher {
      defer { lists = lists.dropFirst(count) }
      return PhraseMatcher(count == 0 ? standard : try PhraseLists.read(lists.prefix(count)))
    }
    let ng = try next(counts[0], [])
    let ads = try next(counts[1], PhraseLists.ads)
    let forum = try next(counts[2], PhraseLists.forum)
    return QualityMeasurer(
      QualityMeasurer.Phrases(ads: ads, forum: forum, ng: ng),
      countsOccurrences: options.duplicateGrams == .occurrences,
      nouns: options.needsNouns ? try mecab { try NounCensus(dictionary: $0) } : nil)
  }

  private func mecab<R>(_ body: (String?) throws -> R) throws -> R {
    do { return try body(options.mecabDictionary) } catch let error as TokenizerError {
      throw StageError(
        .environment, QualityRule.maximumNounShare.rawValue, error.message,
        hint: "\(error.hint ?? MeCab.remedy), or set \"\(QualityRule.maximumNounShare.rawValue)\": null.")
    }
  }

  /// Adds up the tasks' histograms in their order.
  private func report(_ workspace: Workspace) throws {
    var sum = MeasureTally()
    for file in workspace.files(Self.tallies) {
      let bytes = try openSource(file.path).readAll(limit: 64 << 20)
      sum += try MeasureTally(json: try JSONValue.parse(bytes).value)
    }
    try workspace.write(Self.measures, name: "measures.json", Array(sum.report.prettyText().utf8))
  }
}
