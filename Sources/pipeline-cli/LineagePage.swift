import PipelineKit
import ShardKit

/// A lineage report as one self-contained HTML page, with inline diagrams and no scripts.
struct LineagePage {
  private let report: LineageReport

  init(_ report: LineageReport) { self.report = report }

  var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>\(escaped(report.pipeline)): lineage</title>
    <style>
    \(Self.style)
    </style>
    </head>
    <body>
    <h1>\(escaped(report.pipeline))</h1>
    <p>\(escaped(headline))</p>
    <h2>Stages</h2>
    <div class="picture">
    \(GraphDrawing.svg(report))</div>
    <h2>Documents</h2>
    <div class="picture">
    \(FlowDrawing.svg(report))</div>
    <h2>Ledger</h2>
    \(table)
    \(report.stages.map(section).joined())
    </body>
    </html>

    """
  }

  private var headline: String {
    guard let run = report.run else { return "This pipeline has not run before." }
    let time = run.ended.map { ", took \(Quantities.duration(milliseconds: $0 - run.started))" } ?? ""
    return
      "\(report.document), run \(run.id): \(run.state), began \(Quantities.moment(milliseconds: run.started))\(time)"
  }

  // MARK: The ledger

  private var table: String {
    let head = ["stage", "in", "out", "dropped", "merged", "repeated", "consumed", "time", "rate", "output"]
    let rows = report.stages.map { stage -> String in
      let cells = [stage.name] + (stage.made.map(Self.cells) ?? [String](repeating: "", count: head.count - 1))
      return "<tr>"
        + cells.enumerated().map { $0 == 0 ? "<th>\(escaped($1))</th>" : "<td>\(escaped($1))</td>" }.joined()
        + "</tr>"
    }
    return "<div class=\"picture\"><table>\n<tr>\(head.map { "<th>\($0)</th>" }.joined())</tr>\n"
      + rows.joined(separator: "\n") + "\n</table></div>"
  }

  private static func cells(_ made: StageLineage.Made) -> [String] {
    func number(_ count: Int) -> String { count == 0 ? "" : Quantities.count(count) }
    func sum(_ table: [String: Count]) -> String { number(table.values.reduce(0) { $0 + $1.documents }) }
    let ledger = made.ledger
    return [
      number(ledger.input.documents), number(ledger.output.documents), number(ledger.droppedDocuments),
      sum(ledger.merged), sum(ledger.repeated), number(ledger.consumed.documents),
      Quantities.duration(milliseconds: made.milliseconds), made.bytesPerSecond.map(Quantities.rate) ?? "",
      Quantities.bytes(made.outputs.reduce(0) { $0 + $1.bytes }),
    ]
  }

  // MARK: One stage

  private func section(_ stage: StageLineage) -> String {
    var rows: [(String, String)] = [("kind", "\(stage.use), revision \(stage.revision)")]
    for wired in stage.inputs {
      rows.append(("reads", "\(wired.stage).\(wired.port)" + (wired.digest.map { "  \($0.short)" } ?? "")))
    }
    if let made = stage.made { rows += Self.rows(made) } else { rows.append(("output", "none yet")) }
    let body = rows.map { "<tr><th>\(escaped($0.0))</th><td>\(escaped($0.1))</td></tr>" }.joined(separator: "\n")
    return "<details><summary>\(escaped(stage.name))</summary>\n<table class=\"facts\">\n\(body)\n</table></details>\n"
  }

  private static func rows(_ made: StageLineage.Made) -> [(String, String)] {
    var rows: [(String, String)] = []
    for file in made.files.prefix(20) { rows.append(("file", "\(file.option): \(file.name)  \(file.digest.short)")) }
    if made.files.count > 20 { rows.append(("file", "… and \(Quantities.count(made.files.count - 20)) more")) }
    for member in made.options.members ?? [] { rows.append(("option", "\(member.key) = \(member.value.text())")) }
    for output in made.outputs {
      rows.append(
        (
          "wrote",
          "\(output.port) (\(output.kind.rawValue)): \(LineageCommand.size(output)), "
            + "\(Quantities.plural(output.documents, "document"))  \(output.digest.short)"
        ))
    }
    for (reason, count) in made.ledger.dropped.sorted(by: { $0.key < $1.key }) {
      rows.append(
        ("dropped", "\(reason): \(Quantities.plural(count.documents, "document")), \(Quantities.bytes(count.bytes))"))
    }
    for (name, value) in made.metrics.sorted(by: { $0.key < $1.key }) {
      rows.append(("metric", "\(name) = \(JSONValue.number(value).plainText)"))
    }
    for (name, warning) in made.warnings.sorted(by: { $0.key < $1.key }) {
      rows.append(("warning", "\(name), \(Quantities.plural(warning.count, "time")): \(warning.example)"))
    }
    let reused = made.reusedTasks > 0 ? ", \(Quantities.count(made.reusedTasks)) reused" : ""
    rows.append(("tasks", "\(Quantities.count(made.tasks))\(reused)"))
    rows.append(("finished", Quantities.moment(milliseconds: made.sealed)))
    rows.append(("fingerprint", made.fingerprint.hex))
    return rows
  }

  private static let style = """
    :root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6676; --line: #c9d1dc; --page: #fff; --card: #f4f6f9;
      --band: #3f7fbf; --drop: #d2573f; --bar: #24476b; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #3a4350; --page: #14181e;
      --card: #1d232b; --band: #5b9bd8; --drop: #e5775f; --bar: #9cc3ea; } }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 2rem; }
    h1 { margin: 0; } h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
    p { color: var(--soft); margin: .2rem 0; }
    .picture { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); }
    th:first-child, .facts td { text-align: left; } th { font-weight: 600; }
    .facts th { text-align: left; color: var(--soft); font-weight: 400; vertical-align: top; }
    .facts td { word-break: break-word; white-space: pre-wrap; }
    details { margin: .6rem 0; } summary { cursor: pointer; font-weight: 600; }
    svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
    svg .name { font-weight: 600; } svg .small { fill: var(--soft); font-size: 11px; }
    svg .reason { fill: var(--drop); font-size: 11px; }
    svg .stage { fill: var(--card); stroke: var(--line); } svg .empty { stroke-dasharray: 4 3; opacity: .7; }
    svg .wire { fill: none; stroke: var(--band); stroke-width: 1.6; opacity: .7; }
    svg .band { fill: var(--band); opacity: .38; } svg .band:hover { opacity: .6; }
    svg .drop { fill: var(--drop); opacity: .5; } svg .bar { fill: var(--bar); }
    """
}
