import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Explain why a stage will run, or why it last ran.",
    usage: "pipeline explain [<pipeline-file>] <stage> [--last <runs>] [--tasks] [--json]",
    discussion: """
      EXAMPLES
        pipeline explain corpus.json dedupe
        pipeline explain dedupe
        pipeline explain dedupe --tasks
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "Name of the stage in the pipeline file.")
  var stage: String?

  @Option(help: ArgumentHelp("Earlier verdicts to show.", valueName: "runs"))
  var last = 5

  @Flag(help: "Show each task's verdict from the last time its phase was planned.")
  var tasks = false

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let (graph, stage) = try options.graph(and: stage, called: "stage")
    let store = try options.openStore(graph)
    let explanation = try StageExplanation(stage: stage, graph: graph, store: store, last: max(0, last))
    if json { return Console.json(explanation.json) }
    let style = Style(STDOUT_FILENO)
    for line in tasks ? Self.taskLines(explanation) : Self.lines(explanation, style) { Console.line(line) }
  }

  static func lines(_ e: StageExplanation, _ style: Style) -> [String] {
    var lines = ["\(style.bold(e.stage)) (\(e.use), revision \(e.revision)): \(now(e.verdict))"]
    if e.verdict != .fresh { lines += e.verdict.reasons.map { "  \($0)" } }
    if !e.ownDifferences.isEmpty {
      lines.append("Changes in the stage itself since its newest output:")
      lines += e.ownDifferences.map { "  \($0)" }
    }
    if !e.causes.isEmpty {
      lines.append("Upstream stages:")
      for cause in e.causes {
        lines.append("  \(cause.stage): \(cause.verdict.name): \(cause.verdict.reasons.joined(separator: "; "))")
      }
    }
    if let newest = e.newest {
      let time = newest.sealed.map { ", finished \(Quantities.moment(milliseconds: $0))" } ?? ""
      lines.append("Newest output: \(newest.fingerprint.short), by run \(newest.run)\(time)")
    }
    if !e.earlier.isEmpty { lines.append("Earlier verdicts:") }
    for verdict in e.earlier {
      lines.append(
        "  \(Quantities.moment(milliseconds: verdict.at))  run \(verdict.run)  \(verdict.verdict): "
          + verdict.reasons.joined(separator: "; "))
    }
    return lines
  }

  /// One line per task: its phase and key, the run that planned it, the decision and the reasons.
  private static func taskLines(_ explanation: StageExplanation) -> [String] {
    guard !explanation.tasks.isEmpty else { return ["No run has planned the tasks of '\(explanation.stage)' yet."] }
    return explanation.tasks.map {
      "\($0.phase)/\($0.key)  run \($0.run)  \($0.verdict): \($0.reasons.joined(separator: "; "))"
    }
  }

  private static func now(_ verdict: Verdict) -> String {
    switch verdict {
    case .fresh: "up to date; a run would skip it"
    case .fetch: "a run would fetch it"
    case .resume: "a run would resume it"
    case .run: "a run would run it"
    case .pending: "a run may have to run it"
    case .unselected: "not selected"
    case .blocked: "blocked"
    case .impossible: "a run would fail here"
    }
  }
}
