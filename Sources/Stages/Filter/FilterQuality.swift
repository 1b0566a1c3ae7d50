public import PipelineKit
import ShardKit
import TextKit

/// Drops documents of low quality by measured thresholds, or only scores them.
///
/// Presets provide the thresholds of Swallow, HojiChar, LLM-jp and Uzushio; each threshold is an option. Definitions
/// follow these projects, with defects fixed: ー and kanji beyond the BMP count as Japanese, blank lines are not
/// duplicate paragraphs or short lines, phrases match at word boundaries as far as scripts show them, and a document
/// exactly at a threshold always passes. Out of scope: thresholds on KenLM perplexity (Uzushio), which need a model.
public struct FilterQuality: Stage, PassingStage {
  public static let name = "filter.quality"
  public static let revision = 4
  public static let summary =
    "Drops documents of low quality by the thresholds of Swallow, HojiChar, LLM-jp or Uzushio, or scores them."
  static let documents = Input<Documents>("documents", "The documents to judge.")
  static let kept = Output<Documents>("documents", "The documents that pass every threshold.")
  static let tallies = Output<Intermediate>("tallies", "Histograms, one file per task.", hidden: true)
  static let measures = Output<Metrics>("measures", "measures.json: a histogram of every measure.")
  public static let inputs = [documents.port]
  public static let outputs = [kept.port, tallies.port, measures.port]
  public static var passed: Input<Documents> { documents }
  public enum Phase: String, StagePhase { case filter, report }

  private let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { options.measuring.namedFiles(needsNouns: options.needsNouns) }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .filter:
      return try options.measuring.tasks(
        Self.documents, nouns: options.nouns, needsLZ4: options.needsLZ4, in: context)
    case .report: return [TaskPlan(key: "measures", inputs: [.main: context.files(Self.tallies)])]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .filter: try runPass(workspace)
    case .report: try report(workspace)
    }
  }

  public func pass(_ workspace: Workspace) throws -> DocumentPass {
    var judge = QualityJudge(
      options, measurer: try options.measuring.measurer(workspace, nouns: options.nouns))
    let output = try workspace.documents(to: Self.kept)
    return DocumentPass { document in
      if options.mode == .score {
        judge.score(&document)
        try output.write(document)
      } else if let miss = judge.miss(document) {
        try workspace.drop(document, miss)
      } else {
        try output.write(document)
      }
    } end: {
      if let failure = judge.failure { throw StageError(.input, try workspace.file().path, failure.message) }
      try workspace.write(Self.tallies, name: workspace.task.key + ".json", Array(judge.tally.json.text().utf8))
    }
  }

  /// Adds up the tasks' histograms in order.
  private func report(_ workspace: Workspace) throws {
    var sum = MeasureTally()
    for file in workspace.files(Self.tallies) {
      sum += try MeasureTally(jsonFile: file.path, limit: 64 << 20)
    }
    try workspace.write(Self.measures, name: "measures.json", Array(sum.report.prettyText().utf8))
  }
}
