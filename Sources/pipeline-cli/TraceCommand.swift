import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Show what each stage did with one document, or what a training step read.",
    usage:
      "pipeline trace [<pipeline-file>] (<id> [--follow] | [<stage>] (--step <number> | --shard <shard> --sample <number>))",
    discussion: """
      Of a document, shows where each stage wrote it (file and line, or MDS shard and sample), or why it was dropped: \
      the reason, the measured value and the threshold, and for a duplicate the document that was kept.

      With --step, shows the samples that a training step consisted of, the documents in them, and the records of the \
      sources that these come from; with --shard and --sample, the same of one sample of an MDS data set.

      EXAMPLES
        pipeline trace corpus.json wikipedia/12345
        pipeline trace corpus.json wikipedia/12345 --follow    also the kept document
        pipeline trace corpus.json train --step 3120           what that step read
        pipeline trace corpus.json --shard 3 --sample 17
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: ArgumentHelp("Id of the document; or with --step and --shard, name of the stage.", valueName: "id"))
  var id: String?

  @Flag(help: "If it was dropped as a duplicate, also trace the kept document.")
  var follow = false

  @Option(help: ArgumentHelp("The step of a training, from 1.", valueName: "number"))
  var step: Int?

  @Option(help: ArgumentHelp("A shard of an MDS data set: its number, from 0, or its file.", valueName: "shard"))
  var shard: String?

  @Option(help: ArgumentHelp("A sample of the shard, from 0.", valueName: "number"))
  var sample: Int?

  @Option(
    help: ArgumentHelp("Samples of the step to show (default: 10 as text, all as JSON).", valueName: "count"))
  var samples: Int?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard (shard == nil) == (sample == nil) else { throw ValidationError("--shard and --sample go together.") }
    guard step == nil || shard == nil else { throw ValidationError("Name either --step or --shard and --sample.") }
    guard samples == nil || step != nil else { throw ValidationError("--samples limits what --step shows.") }
    guard samples ?? 1 >= 1 else { throw ValidationError("--samples must be at least 1.") }
    guard !follow || (step == nil && shard == nil) else {
      throw ValidationError("--follow follows a document, not a sample.")
    }
  }

  func run() throws {
    if step == nil, shard == nil { return try traceDocument() }
    let (graph, stage) = try options.graph(andPerhaps: id)
    let store = try options.openStore(graph)
    let report =
      if let step {
        try SampleTraceReport(step: step, of: stage, limit: samples ?? (json ? .max : 10), graph, store)
      } else {
        try SampleTraceReport(shard: shard ?? "", sample: sample ?? 0, of: stage, graph, store)
      }
    if json { return Console.json(report.json) }
    for line in report.lines(Style(STDOUT_FILENO)) { Console.line(line) }
  }

  private func traceDocument() throws {
    let (graph, id) = try options.graph(and: id, called: "id")
    let store = try options.openStore(graph)
    let traces = try Self.traces(id, graph, store, follow: follow)
    guard traces[0].isFound else {
      if json { Console.json(traces[0].json) }
      throw RunError(
        .notFound, "no finished output of this pipeline contains a document with the id '\(id)', and none dropped it",
        hint: "Ids are case-sensitive and must be complete, as in the \"id\" field of the documents.")
    }
    if json { return Console.json(follow ? .list(traces.map(\.json)) : traces[0].json) }
    let style = Style(STDOUT_FILENO)
    for (number, trace) in traces.enumerated() {
      if number > 0 { Console.line() }
      for line in Self.lines(trace, style) { Console.line(line) }
    }
    if !follow, let survivor = traces[0].survivor {
      Console.line()
      Console.line("The kept document: pipeline trace \(graph.document.path) \(shellQuoted(survivor))")
    }
  }

  /// Traces a document and, with `--follow`, the chain of documents it was dropped for.
  private static func traces(
    _ id: String, _ graph: Graph, _ store: RunStore, follow: Bool
  ) throws -> [DocumentTrace] {
    var traces = [try DocumentTrace(id: id, graph: graph, store: store)]
    var seen: Set<String> = [id]
    while follow, let survivor = traces.last?.survivor, seen.insert(survivor).inserted, traces.count < 20 {
      traces.append(try DocumentTrace(id: survivor, graph: graph, store: store))
    }
    return traces
  }

  static func lines(_ trace: DocumentTrace, _ style: Style) -> [String] {
    var lines = [style.bold(trace.id)]
    func isElsewhere(_ step: DocumentTrace.Step) -> Bool { !step.readsDocuments && step.absence == .notSeen }
    let shown = trace.steps.filter { !isElsewhere($0) && $0.absence != .notReached }
    let width = shown.map { displayWidth($0.stage) }.max() ?? 0
    for step in shown {
      let name = "  " + step.stage + String(repeating: " ", count: width - displayWidth(step.stage)) + "  "
      for (number, text) in verdicts(step, style).enumerated() {
        lines.append((number == 0 ? name : String(repeating: " ", count: displayWidth(name))) + text)
      }
    }
    for (title, steps) in [
      ("not reached", trace.steps.filter { $0.absence == .notReached }),
      ("not in the output of", trace.steps.filter(isElsewhere)),
    ] where !steps.isEmpty {
      lines.append(style.dim("  \(title): \(steps.map(\.stage).joined(separator: ", "))"))
    }
    return lines
  }

  private static func verdicts(_ step: DocumentTrace.Step, _ style: Style) -> [String] {
    var lines = step.places.map { place -> String in
      let unit = place.kind == .mds ? "sample \(place.ordinal)" : "line \(place.ordinal + 1)"
      let name = ArchivePath.lastPart(of: place.path)
      let bytes = place.textBytes.map { ", \(Quantities.count($0)) bytes of text" } ?? ""
      let copy = place.id.hasSuffix("") && place.id.contains("#") ? " as \(place.id)" : ""
      let doubt = place.isVerified ? "" : " (matched by the hash of its id only)"
      return "\(style.green("kept"))\(copy): \(unit) of \(place.port)/\(name)\(bytes)\(doubt)"
    }
    lines += step.notes.map { "\(style.yellow("changed")): \(reason($0))" }
    lines += step.drops.map { "\(style.red("dropped")): \(reason($0))" }
    return lines.isEmpty ? [style.dim(absence(step.absence))] : lines
  }

  private static func reason(_ drop: DocumentTrace.Drop) -> String {
    var text = drop.reason
    if let value = drop.value {
      text += ": \(JSONValue.number(value).plainText)"
      if let threshold = drop.threshold { text += " (threshold \(JSONValue.number(threshold).plainText))" }
    }
    if let survivor = drop.survivor { text += ", in favor of \(survivor)" }
    if let detail = drop.detail { text += " (\(visible(detail)))" }
    return text
  }

  private static func absence(_ absence: DocumentTrace.Absence?) -> String {
    switch absence {
    case .notRun: "has no finished output"
    case .notReached: "not reached"
    case .merged(let reasons):
      "not in its output under this id: the stage joins documents (\(reasons.joined(separator: ", "))) and does not "
        + "record which went where"
    case .consumed: "read; this stage writes no documents"
    case .notSeen, nil: "not in its output under this id"
    }
  }
}

extension JSONValue {
  /// A number without a trailing `.0`.
  var plainText: String {
    let text = text()
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}
