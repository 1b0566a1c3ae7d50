import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a run would do, and why, without running anything.",
    usage: "pipeline plan [<pipeline-file>] [<options>]",
    discussion: """
      Verdicts: fresh (up to date), resume (some tasks are done), run, pending (depends on what other stages will \
      write; stays fresh if they write the same content as before), unselected, impossible (it would fail immediately).
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var selection: SelectionOptions

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let graph = try options.graph()
    var settings = PipelineRun.Settings()
    selection.apply(to: &settings)
    let run = try PipelineRun(graph: graph, store: try options.openStore(graph), settings: settings)
    Self.show(try run.plan(), graph, json: json)
  }

  static func show(_ plan: Plan, _ graph: Graph, json: Bool) {
    if json { return Console.json(.list(plan.verdicts.map { Self.json(graph.nodes[$0.node], $0.verdict) })) }
    let style = Style(STDOUT_FILENO)
    var table = TextTable([("", .left), ("", .left), ("", .left)])
    for (node, verdict, _) in plan.verdicts {
      let reasons = verdict == .fresh ? "" : verdict.reasons.joined(separator: "; ")
      table.add([graph.nodes[node].name, colored(verdict, style), reasons])
    }
    for line in table.lines(style) { Console.line(line) }
    for (node, verdict, _) in plan.verdicts where verdict != .unselected {
      let node = graph.nodes[node]
      for remark in node.configured.stage.remarks { Console.line("\(node.name): \(remark)") }
    }
  }

  private static func json(_ node: Graph.Node, _ verdict: Verdict) -> JSONValue {
    [
      "stage": .string(node.name), "verdict": .string(verdict.name), "reasons": .strings(verdict.reasons),
      "remarks": .strings(node.configured.stage.remarks),
    ]
  }

  static func colored(_ verdict: Verdict, _ style: Style) -> String {
    switch verdict {
    case .fresh: style.green(verdict.name)
    case .run, .resume: style.cyan(verdict.name)
    case .pending, .unselected: style.dim(verdict.name)
    case .blocked, .impossible: style.red(verdict.name)
    }
  }
}
