import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Compare two runs: stages, counts, and the documents themselves.",
    usage: "pipeline diff [<pipeline-file>] [<run> [<run>]] [--examples <ids>] [--json]",
    discussion: """
      Shows for each stage what changed between the runs, the counts of its ledger, and which documents entered, left \
      or changed, with the reasons they were dropped for. With one run given, compares it with the newest other run; \
      with none, compares the two newest.

      EXAMPLES
        pipeline diff corpus.json
        pipeline diff corpus.json 3 5
        pipeline diff 3 5 --json
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: ArgumentHelp("Number of the earlier run.", valueName: "run"))
  var first: String?

  @Argument(help: ArgumentHelp("Number of the later run.", valueName: "run"))
  var second: String?

  @Option(help: ArgumentHelp("Example ids to list per kind of change.", valueName: "ids"))
  var examples = 3

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    var words = [first, second].compactMap { $0 }
    let graph: Graph
    if let document = options.document, Int64(document) != nil {
      words.insert(document, at: 0)
      var implied = options
      implied.document = nil
      graph = try implied.graph()
    } else {
      graph = try options.graph()
    }
    guard words.count <= 2 else { throw ValidationError("Expected at most two runs, not \(words.count).") }
    let store = try options.openStore(graph)
    let (before, after) = try Self.runs(words, graph, store)
    let difference = try RunDifference(
      before: before, after: after, graph: graph, store: store, examples: max(0, min(1000, examples)))
    if json { return Console.json(difference.json) }
    for line in Self.lines(difference, Style(STDOUT_FILENO)) { Console.line(line) }
  }

  private static func runs(
    _ words: [String], _ graph: Graph, _ store: RunStore
  ) throws -> (RunStore.Run, RunStore.Run) {
    let newest = try store.runs(last: 20, pipeline: graph.document.name)
    func run(_ word: String) throws -> RunStore.Run {
      guard let number = Int64(word), let run = try store.run(number) else {
        let known =
          newest.isEmpty
          ? "It has no runs yet" : "The newest are \(newest.map { String($0.id) }.joined(separator: ", "))"
        throw RunError(.selection, "the store has no run '\(word)'", hint: "\(known).")
      }
      return run
    }
    let named = try words.map(run)
    if named.count == 2 { return (named[0], named[1]) }
    let others = newest.filter { $0.id != named.first?.id }
    if let only = named.first, let last = others.first {
      return only.id < last.id ? (only, last) : (last, only)
    }
    guard newest.count >= 2, named.isEmpty else {
      throw RunError(
        .selection, "the store has fewer than two runs of '\(graph.document.name)'", hint: "Run the pipeline again.")
    }
    return (newest[1], newest[0])
  }

  // MARK: Text

  static func lines(_ difference: RunDifference, _ style: Style) -> [String] {
    func run(_ run: RunStore.Run) -> String {
      "run \(run.id) (\(run.state), \(Quantities.moment(milliseconds: run.started)))"
    }
    return ["\(run(difference.before)) → \(run(difference.after))"] + difference.stages.flatMap { lines($0, style) }
  }

  private static func lines(_ stage: RunDifference.Stage, _ style: Style) -> [String] {
    switch stage.state {
    case .same: return ["\(style.bold(stage.name)): unchanged"]
    case .added: return ["\(style.bold(stage.name)): only in the later run"]
    case .removed: return ["\(style.bold(stage.name)): only in the earlier run"]
    case .sameOutput, .changed: break
    }
    let isSame = stage.state == .sameOutput
    var lines = ["\(style.bold(stage.name)): \(isSame ? "recomputed, with the same content" : "changed")"]
    lines += stage.reasons.map { "  \($0)" }
    if let before = stage.before, let after = stage.after { lines += counts(before, after) }
    for (port, documents) in stage.documents { lines += moved(port, documents, style) }
    if let gap = stage.gap { lines.append("  \(gap)") }
    return lines
  }

  private static func counts(_ before: StageUse, _ after: StageUse) -> [String] {
    var lines: [String] = []
    func add(_ word: String, _ old: Count?, _ new: Count?) {
      let (old, new) = (old?.documents ?? 0, new?.documents ?? 0)
      guard old != new else { return }
      lines.append(
        "  \(word): \(Quantities.count(old)) → \(Quantities.count(new)) (\(new > old ? "+" : "")\(Quantities.count(new - old)))"
      )
    }
    let (old, new) = (before.ledger, after.ledger)
    add("in", old.input, new.input)
    add("out", old.output, new.output)
    for (word, table, other) in [
      ("dropped", old.dropped, new.dropped), ("merged", old.merged, new.merged),
      ("repeated", old.repeated, new.repeated),
    ] {
      for reason in Set(table.keys).union(other.keys).sorted() {
        add("\(word) \(reason)", table[reason], other[reason])
      }
    }
    add("consumed", old.consumed, new.consumed)
    return lines
  }

  private static func moved(_ port: String, _ difference: DocumentDifference, _ style: Style) -> [String] {
    var lines: [String] = []
    func add(_ word: String, _ count: Int, _ causes: [String: Int], _ because: String, _ examples: [String]) {
      guard count > 0 else { return }
      let reasons = causes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { cause, count in
        cause == DocumentDifference.notDropped
          ? "\(Quantities.count(count)) not dropped \(because)" : "\(cause) \(Quantities.count(count))"
      }
      let why = reasons.isEmpty ? "" : ": \(reasons.joined(separator: ", "))"
      lines.append("  \(port): \(Quantities.plural(count, "document")) \(word)\(why)")
      if !examples.isEmpty {
        lines.append(style.dim("    \(examples.joined(separator: ", "))\(count > examples.count ? ", …" : "")"))
      }
    }
    add("left", difference.left.count, difference.left.causes, "in the later run", difference.left.examples)
    add(
      "entered", difference.entered.count, difference.entered.causes, "in the earlier run", difference.entered.examples)
    add("changed", difference.changed, [:], "", difference.changedExamples)
    return lines.isEmpty ? ["  \(port): the same documents in other files"] : lines
  }
}
