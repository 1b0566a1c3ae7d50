import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say why a stage will run, or why it ran when it last did.",
    usage: "pipeline explain [<document>] <stage> [--last <runs>] [--tasks] [--json]",
    discussion: """
      EXAMPLES
        pipeline explain corpus.json dedupe
        pipeline explain dedupe
        pipeline explain dedupe --tasks
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "The stage's name in the document.")
  var stage: String?

  @Option(help: ArgumentHelp("How many earlier verdicts to show.", valueName: "runs"))
  var last = 5

  @Flag(help: "Show the verdict on each task, as its phase was last prepared.")
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
      lines.append("In the stage itself, against its newest output:")
      lines += e.ownDifferences.map { "  \($0)" }
    }
    if !e.causes.isEmpty {
      lines.append("Stages before it:")
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

  /// A line per task: where it belongs, the run that judged it, what was decided and why.
  private static func taskLines(_ explanation: StageExplanation) -> [String] {
    guard !explanation.tasks.isEmpty else { return ["No run has planned the tasks of '\(explanation.stage)' yet."] }
    return explanation.tasks.map {
      "\($0.phase)/\($0.key)  run \($0.run)  \($0.verdict): \($0.reasons.joined(separator: "; "))"
    }
  }

  private static func now(_ verdict: Verdict) -> String {
    switch verdict {
    case .fresh: "up to date; a run would not touch it"
    case .resume: "a run would go on with it"
    case .run: "a run would run it"
    case .pending: "a run may have to run it"
    case .unselected: "not selected"
    case .blocked: "blocked"
    case .impossible: "a run would fail at it"
    }
  }
}
