public import PipelineKit
import ShardKit

/// Compares corpora, or the sources or domains of corpora, by the measures of scoring stages: what a gate would drop of each,
/// quantiles, histograms side by side.
public struct ReportCompare: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The page's title.") var title = "Comparison"
    @Option("A paragraph of your own below the title.") var summary = ""
    @Option(
      "The scoring stages of each corpus, by a name for it: {\"English\": [\"english\", \"english-language\"], \"math\": "
        + "[\"math\"]}. {}: every wired stage is a corpus.")
    var corpora: [String: [String]] = [:]
    @Option(
      "A text beside the measures, such as source or domain: documents are compared by it within each corpus. \"\": corpora "
        + "are compared as wholes.")
    var by = ""
    @Option("The most groups to compare, those with the most documents; the others are counted together.", in: 2...40)
    var groups = 12
    @Option("Names of the measures to compare; []: all.") var measures: [String] = []
    @Option("Rules of this preset of filter.quality, as of a gate.") var preset = QualityPreset.none
    @Option(
      "Rules by name, as of a gate; quantiles are those of all documents together. The page says what share of each group "
        + "misses them.")
    var require: [String: String] = [:]

    public init() {}
  }

  public static let name = "report.compare"
  public static let revision = 2
  public static let summary =
    "Compares corpora, sources or domains by their measures: what a gate would drop, quantiles, histograms."
  static let signals = Input<Signals>(
    "signals", "The measures of two or more corpora, or of one with \"by\".", many: true)
  static let report = Output<Report>(
    "report", "comparison.html, one self-contained page; comparison.md; comparison.json.")
  public static let inputs = [signals.port]
  public static let outputs = [report.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  /// A corpus with the roles of its scoring stages' files.
  struct Corpus: Codable {
    var name: String
    var roles: [String]
  }

  public func validate() throws {
    _ = try rules()
    if options.corpora.count == 1, options.by.isEmpty {
      throw StageError(
        .options, "corpora", "there is one, and nothing to compare it with", hint: "Name another, or set \"by\".")
    }
    for (name, stages) in options.corpora where stages.isEmpty {
      throw StageError(
        .options, "corpora", "'\(name)' has no stages", hint: "Name the scoring stages of its documents.")
    }
  }

  private func rules() throws -> GateRules { try GateRules(options.preset, require: options.require) }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let wired = context.artifacts(Self.signals).map { artifact in
      var artifact = artifact
      artifact.files = artifact.files.filter { $0.name.hasSuffix(".signals") }
      return artifact
    }
    let corpora = try corpora(of: wired)
    guard corpora.count > 1 || !options.by.isEmpty else {
      throw StageError(
        .options, "inputs.signals", "there is one corpus, and nothing to compare it with",
        hint: "Wire the scoring stages of another one, or set \"by\" to source or domain.")
    }
    var inputs: TaskInputs = [:]
    for (place, artifact) in wired.enumerated() { inputs += [TaskInputs.Role(Self.role(place)): artifact.files] }
    let largest = wired.flatMap(\.files).map(\.bytes).max() ?? 0
    // The measures of one file at a time, of which a third or more is left by compression.
    let memoryBytes = (128 << 20) + 8 * Int(largest)
    return [try TaskPlan(key: "comparison", inputs: inputs, payload: corpora, memoryBytes: memoryBytes)]
  }

  private static func role(_ place: Int) -> String { "signals-\(place)" }

  private func corpora(of wired: [WiredArtifact]) throws(StageError) -> [Corpus] {
    if options.corpora.isEmpty {
      return wired.enumerated().map { Corpus(name: $0.element.stage, roles: [Self.role($0.offset)]) }
    }
    var left = Set(wired.map(\.stage))
    var corpora: [Corpus] = []
    for (name, stages) in options.corpora.sorted(by: { ExactText($0.key) < ExactText($1.key) }) {
      var roles: [String] = []
      for stage in stages {
        guard let place = wired.firstIndex(where: { $0.stage == stage }), left.remove(stage) != nil else {
          throw StageError(
            .options, "corpora", "'\(name)' names '\(stage)', which is not wired, or is another corpus's",
            hint: "Wired are \(wired.map(\.stage).joined(separator: ", ")).")
        }
        if wired[place].files.count != wired.first(where: { $0.stage == stages[0] })?.files.count {
          throw StageError(
            .input, stage, "it measured another number of files of documents than '\(stages[0])'",
            hint: "Name scoring stages of the same documents.")
        }
        roles.append(Self.role(place))
      }
      corpora.append(Corpus(name: name, roles: roles))
    }
    guard let other = left.sorted().first else { return corpora }
    throw StageError(
      .options, "corpora", "no corpus names the wired stage '\(other)'", hint: "Add it, or do not wire it.")
  }

  public func run(_ workspace: Workspace) throws {
    let parts = try workspace.payload([Corpus].self).map { corpus in
      let files = corpus.roles.map { workspace.files(TaskInputs.Role($0)) }
      return ComparedCorpus(
        name: corpus.name, files: (files.first ?? []).indices.map { place in files.map { $0[place] } })
    }
    var comparison = ComparedGroups(parts, by: options.by, limit: options.groups) { try workspace.control.check() }
    try comparison.measure(options.measures, try rules())
    let page = ComparisonPage(title: options.title, summary: options.summary, comparison: comparison)
    try workspace.write(Self.report, name: "comparison.html", Array(page.page.html.utf8))
    try workspace.write(Self.report, name: "comparison.md", Array(page.page.markdown.utf8))
    try workspace.write(Self.report, name: "comparison.json", Array(page.json.prettyText().utf8))
  }
}
