import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Show what each stage did with one document.",
    usage: "pipeline trace [<pipeline-file>] <id> [--follow] [--json]",
    discussion: """
      Shows where each stage wrote the document (file and line, or MDS shard and sample), or why it was dropped: the \
      reason, the measured value and the threshold, and for a duplicate the document that was kept.

      EXAMPLES
        pipeline trace corpus.json wikipedia/12345
        pipeline trace corpus.json wikipedia/12345 --follow    also the kept document
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "Id of the document.")
  var id: String?

  @Flag(help: "If it was dropped as a duplicate, also trace the kept document.")
  var follow = false

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
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
    lines += step.drops.map { drop in
      var text = "\(style.red("dropped")): \(drop.reason)"
      if let value = drop.value {
        text += ": \(JSONValue.number(value).plainText)"
        if let threshold = drop.threshold { text += " (threshold \(JSONValue.number(threshold).plainText))" }
      }
      if let survivor = drop.survivor { text += ", in favor of \(survivor)" }
      if let detail = drop.detail { text += " (\(detail))" }
      return text
    }
    return lines.isEmpty ? [style.dim(absence(step.absence))] : lines
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
