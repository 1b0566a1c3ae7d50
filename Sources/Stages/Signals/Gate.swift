public import PipelineKit
import ShardKit

/// Keeps the documents that meet rules on the measures of scoring stages.
///
/// - `cut`: the quantiles that the rules name, exactly, from the measures alone.
/// - `decide`: the rules on each file's documents.
///
/// A changed rule reads no text to measure it again, and `pipeline what-if` answers what it would do without running.
public struct Gate: Stage {
  public enum Mode: String, CaseIterable, OptionChoice {
    case drop, tag
  }

  public struct Options: StageOptions {
    @Option(
      "Rules of this preset of filter.quality, on the measures of score.quality, named after the reasons of its drops: "
        + "minimum-characters, maximum-top-2-gram.")
    var preset = QualityPreset.none
    @Option(
      "Rules by name, which a document must meet to be kept; the name becomes the reason of drops. A rule is a condition "
        + "on measures: \"characters >= 400\", \"hiraganaFraction >= 0.15 and source != 'wikipedia'\", \"domain in "
        + "['news', 'law'] or score > quantile(score, 0.3, by: source, weight: characters)\", \"urlDomain not in "
        + "blocked\". A comparison with a missing value is not met; \"score is missing or score > 0.5\" keeps those "
        + "without one. A rule named as one of the preset's replaces it, an empty one removes it.")
    var require: [String: String] = [:]
    @Option(
      "Files of texts, one per line, that rules name by the file's name without its ending: \"source in trusted\" reads "
        + "trusted.txt.")
    var lists = InputFiles()
    @Option("Only documents of these sources are judged; all others pass. []: all.") var sources: [String] = []
    @Option("drop: drops documents at the first rule that they miss. tag: writes the missed rule to 'metadata.gate'.")
    var mode = Mode.drop

    public init() {}
  }

  public static let name = "gate"
  public static let revision = 2
  public static let summary = "Keeps documents that meet rules on the measures of scoring stages."
  static let documents = Input<Documents>("documents", "The documents to decide on.")
  static let signals = Input<Signals>(
    "signals", "Measures of these documents, or of those that they were selected from.", many: true)
  static let kept = Output<Documents>("documents", "The documents that meet every rule.")
  static let cuts = Output<Intermediate>("cuts", "The quantiles.", hidden: true)
  public static let inputs = [documents.port, signals.port]
  public static let outputs = [kept.port, cuts.port]
  public enum Phase: String, StagePhase { case cut, decide }

  let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws { _ = try GateRules(options.preset, require: options.require) }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let rules = try GateRules(options.preset, require: options.require)
    guard !rules.rules.isEmpty else {
      throw StageError(
        .options, "require", "there is no rule", hint: "Set \"preset\", or a rule: {\"long\": \"characters >= 400\"}.")
    }
    let parts = try GateParts(context)
    let lists = try context.files(options.lists)
    try rules.check(columns: parts.columns(), lists: GateLists.names(lists))
    switch phase {
    case .cut:
      guard !rules.quantiles.isEmpty else { return [] }
      return [
        TaskPlan(
          key: "cuts", inputs: [.main: parts.files.map(\.documents), "signals": parts.files.flatMap(\.signals)],
          memoryBytes: 256 << 20)
      ]
    case .decide:
      let cuts = context.files(Self.cuts)
      return parts.files.enumerated().map { i, file in
        TaskPlan(
          key: TaskPlan.padded(i),
          inputs: [.main: [file.documents], "signals": file.signals, "cuts": cuts, "lists": lists],
          memoryBytes: 64 << 20 + 64 * file.documents.documents)
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    let rules = try GateRules(options.preset, require: options.require)
    switch phase {
    case .cut: try cut(rules, workspace)
    case .decide: try decide(rules, workspace)
    }
  }

  private func cut(_ rules: GateRules, _ workspace: Workspace) throws {
    let documents = workspace.files(.main)
    let signals = workspace.files("signals")
    let wired = signals.count / max(1, documents.count)
    let parts = documents.indices.map { i in
      GateParts.File(documents: documents[i], signals: Array(signals[(i * wired)..<((i + 1) * wired)]))
    }
    let cuts = try GateCuts.find(rules.quantiles, in: parts) { try workspace.control.check() }
    try workspace.write(Self.cuts, name: "cuts.json", Array(cuts.json.text().utf8))
  }

  private func decide(_ rules: GateRules, _ workspace: Workspace) throws {
    let file = GateParts.File(documents: try workspace.file(), signals: workspace.files("signals"))
    let wanted = rules.columns.union([SignalsOutput.source])
    let cuts = try workspace.files("cuts").first.map { try GateCuts(jsonFile: $0.path, limit: 64 << 20) }
    let evaluation = GateEvaluation(
      table: try file.table(wanted), lists: try GateLists.read(workspace.files("lists")),
      quantiles: cuts?.values ?? [:])
    let verdicts = GateVerdicts(rules, evaluation, sources: Set(options.sources))
    for (rule, count) in zip(rules.rules, verdicts.misses) where count > 0 {
      workspace.metric("missed \(rule.name)", Double(count))
    }
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.kept)
    var document = Document()
    var row = 0
    while try stream.next(&document) {
      defer { row += 1 }
      guard let reason = verdicts.reason(row) else {
        try output.write(document)
        continue
      }
      if options.mode == .tag {
        setMember("gate", .string(reason.name), ofObject: &document.metadata)
        try output.write(document)
      } else {
        try workspace.drop(document, reason)
      }
    }
  }
}
