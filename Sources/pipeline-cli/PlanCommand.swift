import ArgumentParser
import PipelineKit
import ShardKit

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a run would do, and why; change nothing.")

  @OptionGroup var options: DocumentOptions
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
    if json {
      let stages = plan.verdicts.map { node, verdict -> JSONValue in
        [
          "stage": .string(graph.nodes[node].name), "verdict": .string(verdict.name),
          "reasons": .strings(verdict.reasons),
        ]
      }
      return Console.standardOutput(JSONValue.list(stages).prettyText())
    }
    let width = graph.nodes.map { $0.name.count }.max() ?? 0
    for (node, verdict) in plan.verdicts {
      let name = graph.nodes[node].name
      let pad = String(repeating: " ", count: width - name.count + 2)
      let word = verdict.name + String(repeating: " ", count: max(0, 11 - verdict.name.count))
      Console.line("\(name)\(pad)\(word)\(verdict.reasons.joined(separator: "; "))")
    }
  }
}
