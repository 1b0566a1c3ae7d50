import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct LineageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lineage", abstract: "Show where outputs come from and how documents moved through the stages.",
    usage: "pipeline lineage [<pipeline-file>] [<stage>] [--json | --openlineage | --html <file>]",
    discussion: """
      EXAMPLES
        pipeline lineage corpus.json
        pipeline lineage corpus.json dedupe
        pipeline lineage corpus.json --html lineage.html    one self-contained page
        pipeline lineage corpus.json --openlineage          run events for a catalog
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "Show only this stage.")
  var stage: String?

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(name: .customLong("openlineage"), help: "Print OpenLineage run events, one per line.")
  var openLineage = false

  @Option(help: ArgumentHelp("Write one self-contained HTML page.", valueName: "file"))
  var html: String?

  func run() throws {
    let (graph, name) = try options.graph(andPerhaps: stage)
    let chosen = try name.map { name in
      let group = graph.indices(of: name)
      return Set((group.isEmpty ? [try graph.node(named: name)] : group).map { graph.nodes[$0].name })
    }
    if openLineage {
      guard name == nil else { throw ValidationError("--openlineage prints the events of all stages.") }
      for event in try OpenLineage(graph: graph, store: try options.openStore(graph)).events {
        Console.line(event.text())
      }
      return
    }
    var report = try LineageReport(graph: graph, store: try options.openStore(graph))
    if let chosen { report.stages.removeAll { !chosen.contains($0.name) } }
    if let html {
      try FileSystem.write(Array(LineagePage(report).html.utf8), to: html)
      return Console.line("\(html) written")
    }
    if json { return Console.json(report.json) }
    let style = Style(STDOUT_FILENO)
    for (number, stage) in report.stages.enumerated() {
      if number > 0 { Console.line() }
      for line in Self.lines(stage, style) { Console.line(line) }
    }
  }

  static func lines(_ stage: StageLineage, _ style: Style) -> [String] {
    var lines = ["\(style.bold(stage.name))  \(style.dim("\(stage.use), revision \(stage.revision)"))"]
    for wired in stage.inputs {
      let digest = wired.digest.map { "  \($0.short)" } ?? "  not read yet"
      lines.append("  reads    \(wired.stage).\(wired.port)\(digest)")
    }
    guard let made = stage.made else { return lines + ["  has no finished output"] }
    lines += files(made)
    for output in made.outputs {
      let documents = output.documents > 0 ? ", \(Quantities.plural(output.documents, "document"))" : ""
      lines.append(
        "  wrote    \(output.port)  \(output.digest.short)  \(size(output))" + documents)
    }
    lines += ledger(made.ledger)
    var time =
      "  time     \(Quantities.duration(milliseconds: made.milliseconds)) in "
      + Quantities.plural(made.tasks, "task")
    if made.reusedTasks > 0 { time += ", \(Quantities.count(made.reusedTasks)) of them reused" }
    if let rate = made.bytesPerSecond { time += ", \(Quantities.rate(rate)) per task" }
    lines.append("\(time); finished \(Quantities.moment(milliseconds: made.sealed))")
    lines += made.usages.map(usage)
    for (name, value) in made.metrics.sorted(by: { $0.key < $1.key }) {
      lines.append("  metric   \(name)  \(JSONValue.number(value).plainText)")
    }
    for (name, warning) in made.warnings.sorted(by: { $0.key < $1.key }) {
      lines.append(
        "  \(style.yellow("warning"))  \(name), \(Quantities.plural(warning.count, "time")); the first: \(warning.example)"
      )
    }
    return lines
  }

  /// What an output takes on disk.
  static func size(_ output: StageLineage.Output) -> String {
    if output.isPassed { return "handed on in memory" }
    return "\(Quantities.plural(output.files, "file")), \(Quantities.bytes(output.bytes))"
  }

  /// What a phase asked for and used on a cluster.
  private static func usage(_ usage: RunStore.PhaseUsage) -> String {
    let memory = Double(usage.peakBytes) / Double(max(1, usage.askedBytes)) * 100
    let processors = Double(usage.processorMilliseconds) / Double(max(1, usage.reservedMilliseconds)) * 100
    let place = "\(Quantities.plural(usage.tasks, "task")) on \(Quantities.plural(usage.hosts, "node"))"
    return "  used     \(usage.phase): \(place); at most \(Quantities.bytes(Int64(usage.peakBytes))) of "
      + "\(Quantities.bytes(Int64(usage.askedBytes))) (\(fixed(memory, 0)) %), processors \(fixed(processors, 0)) %"
  }

  private static func files(_ made: StageLineage.Made) -> [String] {
    var options: [(String, [NodeIdentity.File])] = []
    for file in made.files {
      if options.last?.0 == file.option {
        options[options.count - 1].1.append(file)
      } else {
        options.append((file.option, [file]))
      }
    }
    return options.map { option, files in
      let what =
        files.count == 1 ? "\(files[0].name)  \(files[0].digest.short)" : Quantities.plural(files.count, "file")
      return "  reads    \(option): \(what)"
    }
  }

  private static func ledger(_ ledger: Ledger) -> [String] {
    func counted(_ word: String, _ count: Count) -> String {
      let pad = String(repeating: " ", count: max(1, 9 - word.count))
      return "  \(word)\(pad)\(Quantities.plural(count.documents, "document")), \(Quantities.bytes(count.bytes))"
    }
    var lines: [String] = []
    if ledger.input.documents > 0 { lines.append(counted("in", ledger.input)) }
    if ledger.output.documents > 0 { lines.append(counted("out", ledger.output)) }
    if ledger.consumed.documents > 0 { lines.append(counted("consumed", ledger.consumed)) }
    for (word, table) in [("dropped", ledger.dropped), ("merged", ledger.merged), ("repeated", ledger.repeated)] {
      for (reason, count) in table.sorted(by: { ($1.value.documents, $0.key) < ($0.value.documents, $1.key) }) {
        lines.append(counted(word, count) + "  \(reason)")
      }
    }
    return lines
  }
}
