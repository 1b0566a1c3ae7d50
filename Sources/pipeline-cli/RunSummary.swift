import Glibc
import PipelineKit
import ShardKit

/// The table printed at the end of a run: each stage with its verdict, documents, time and rate.
struct RunSummary {
  private struct Row {
    var verdict = ""
    var manifest: NodeManifest?
    var milliseconds: Int?
  }

  private let graph: Graph
  private var rows: [String: Row] = [:]
  private(set) var failures: [(stage: String, message: String)] = []
  private var selected: [String] = []
  private var isInterrupted = false

  init(graph: Graph) { self.graph = graph }

  mutating func handle(_ event: RunEvent) {
    switch event {
    case .began(_, let stages): selected = stages
    case .judged(let stage, let verdict): rows[stage, default: Row()].verdict = verdict.name
    case .sealed(let stage, let manifest, let milliseconds):
      rows[stage]?.manifest = manifest
      rows[stage]?.milliseconds = milliseconds
      rows[stage]?.verdict = "done"
    case .fetched(let stage, _, _, _): rows[stage, default: Row()].verdict = "fetched"
    case .stageFailed(let stage, let message):
      rows[stage, default: Row()].verdict = "failed"
      failures.append((stage, message))
    case .blocked(let stage, _): rows[stage, default: Row()].verdict = "not run"
    case .interrupted: isInterrupted = true
    default: break
    }
  }

  /// Prints to standard output.
  func show(_ outcome: RunOutcome, milliseconds: Int) {
    let time = Quantities.duration(milliseconds: milliseconds)
    let fresh = selected.count { rows[$0]?.verdict == "fresh" }
    if outcome == .done, fresh == selected.count {
      return Console.line("nothing to do: \(Quantities.plural(fresh, "stage")) up to date (\(time))")
    }
    let style = Style(STDOUT_FILENO)
    var table = TextTable([
      ("stage", .left), ("verdict", .left), ("documents in", .right), ("out", .right), ("dropped", .right),
      ("time", .right), ("rate", .right),
    ])
    for stage in selected { table.add(cells(stage, style)) }
    Console.line()
    for line in table.lines(style) { Console.line(line) }
    Console.line()
    Console.line(closing(outcome, time, style))
  }

  private func cells(_ stage: String, _ style: Style) -> [String] {
    let row = rows[stage] ?? Row()
    var verdict = row.verdict.isEmpty ? "not run" : row.verdict
    if verdict == "run" || verdict == "resume" { verdict = "stopped" }
    let colored =
      switch verdict {
      case "done", "fetched": style.green(verdict)
      case "failed": style.red(verdict)
      case "fresh": style.dim(verdict)
      default: style.yellow(verdict)
      }
    guard let ledger = row.manifest?.ledger, let milliseconds = row.milliseconds else {
      return [stage, colored, "", "", "", "", ""]
    }
    guard ledger.countsDocuments else {
      return [stage, colored, "", "", "", Quantities.duration(milliseconds: milliseconds), ""]
    }
    let counts = [ledger.input.documents, ledger.output.documents, ledger.droppedDocuments].map { Quantities.count($0) }
    if let source = passSource(of: stage) { return [stage, colored] + counts + ["with \(source)", ""] }
    let bytes = max(ledger.input.bytes, ledger.output.bytes)
    return [stage, colored] + counts + [
      Quantities.duration(milliseconds: milliseconds),
      bytes > 0 && milliseconds > 0 ? Quantities.rate(Double(bytes) / Double(milliseconds) * 1000) : "",
    ]
  }

  /// The stage in whose pass a stage worked.
  private func passSource(of stage: String) -> String? {
    guard let node = graph.nodes.first(where: { $0.name == stage }), node.edges.count == 1 else { return nil }
    let source = graph.nodes[node.edges[0].source].name
    let isPassed = rows[source]?.manifest?.files(of: node.edges[0].output).contains(where: \.isPassed) ?? false
    return isPassed ? passSource(of: source) ?? source : nil
  }

  private func closing(_ outcome: RunOutcome, _ time: String, _ style: Style) -> String {
    switch outcome {
    case .done: return "\(style.green("done")) in \(time)"
    case .failed:
      return "\(style.red("failed")) after \(time): \(Quantities.plural(failures.count, "stage")) failed. "
        + "Finished tasks are kept; fix the cause and run again."
    case .interrupted:
      return "\(style.yellow("interrupted")) after \(time). Finished tasks are kept; run again to resume."
    }
  }

  /// The document counts of a stage; if it has none, its metrics or its files.
  static func result(_ manifest: NodeManifest) -> String {
    if manifest.ledger.countsDocuments { return ledger(manifest.ledger) }
    let figures = manifest.metrics.filter { $0.value != 0 }.sorted { $0.key < $1.key }
    let shown = figures.prefix(6).map { "\($0.key) \(Quantities.figure($0.value, of: $0.key))" }
    if !shown.isEmpty { return (shown + (figures.count > 6 ? ["…"] : [])).joined(separator: ", ") }
    let bytes = manifest.files.reduce(0) { $0 + $1.bytes }
    return "\(Quantities.plural(manifest.files.count, "file")), \(Quantities.bytes(bytes))"
  }

  /// `1,000 in, 990 out, 10 dropped (too-short 8, duplicate 2)`
  static func ledger(_ ledger: Ledger) -> String {
    var parts = ["\(Quantities.count(ledger.input.documents)) in", "\(Quantities.count(ledger.output.documents)) out"]
    if ledger.droppedDocuments > 0 {
      let reasons = ledger.dropped.sorted { ($1.value.documents, $0.key) < ($0.value.documents, $1.key) }
      var named = reasons.prefix(3).map { "\($0.key) \(Quantities.count($0.value.documents))" }
      if reasons.count > 3 { named.append("\(reasons.count - 3) more reasons") }
      parts.append("\(Quantities.count(ledger.droppedDocuments)) dropped (\(named.joined(separator: ", ")))")
    }
    for (name, table) in [("merged", ledger.merged), ("repeated", ledger.repeated)] where !table.isEmpty {
      parts.append("\(Quantities.count(table.values.reduce(0) { $0 + $1.documents })) \(name)")
    }
    if ledger.consumed.documents > 0 { parts.append("\(Quantities.count(ledger.consumed.documents)) read") }
    return parts.joined(separator: ", ")
  }
}

extension Ledger {
  fileprivate var countsDocuments: Bool {
    input.documents + output.documents + consumed.documents + droppedDocuments > 0
  }
}
