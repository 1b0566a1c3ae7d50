public import PipelineKit
import ShardKit

/// Changes the domains' fractions of a corpus by leaving documents out and, if allowed, by repeating some.
///
/// - `count`: domain, hash and amount of each document, file by file.
/// - `plan`: amounts by domain (`MixTargets`), then the cut in each domain's documents by hash (`MixSelection`).
/// - `sample`: writes each file's documents according to the cuts.
///
/// A document's position is the hash of its id with the seed, so the selection does not depend on order or partition.
public struct MixRebalance: Stage {
  public enum Unit: String, CaseIterable, OptionChoice { case documents, characters, tokens }

  public struct Options: StageOptions {
    @Option("The unit of shares and budget.") public var unit = Unit.characters
    @Option("Field with a document's domain: metadata.KEY or source.") public var domain = "metadata.domain"
    @Option("Maximum fraction per domain; other domains are kept entirely. Used without shares and ratios.")
    public var caps = ["news": 0.3]
    @Option("Target fraction per domain; unnamed domains divide the remainder in proportion.")
    public var shares: [String: Double] = [:]
    @Option("Multiple to take of each domain: 0.0323, 1, or 4 to use it four times; others are kept entirely.")
    public var ratios: [String: Double] = [:]
    @Option("Total amount of the mix, with caps or shares. 0: as much as possible.", in: 0...Int.max)
    public var budget = 0
    @Option("Maximum number of uses per document; above 1 allows upsampling.", in: 1...1000)
    public var maximumRepeats = 1.0
    @Option("Field with a document's number of tokens, such as metadata.dedup_meta.token_count. Empty: estimated.")
    public var tokensField = ""
    @Option("Used to estimate tokens if no field gives them.", in: 0.1...100) public var charactersPerToken = 2.0
    @Option("The domain of documents that state none.") public var unknownDomain = "unknown"
    @Option("Seed of the selection.", in: 0...Int.max) public var seed = 0

    public init() {}
  }

  public static let name = "mix.rebalance"
  public static let revision = 1
  static let reason = "over-share"
  public static let summary = "Changes the domains' fractions of a corpus, by caps, target shares or ratios."
  static let documents = Input<Documents>("documents", "The documents to mix.")
  static let mixed = Output<Documents>("documents", "The mix.")
  static let report = Output<Report>("report", "Fractions before and after: mix.json and mix.svg.")
  static let counted = Output<Intermediate>("counted", "Hash and amount of each document, by domain.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [mixed.port, report.port, counted.port]
  public enum Phase: String, StagePhase { case count, plan, sample }

  /// Targets affect only the plan; measuring the documents does not depend on them.
  public static func options(of phase: Phase) -> Set<String>? {
    phase == .plan ? nil : ["unit", "domain", "tokensField", "charactersPerToken", "unknownDomain", "seed"]
  }

  let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    _ = try MixMeasure(options)
    let forms = [!options.shares.isEmpty, !options.ratios.isEmpty].count { $0 }
    guard forms < 2 else {
      throw StageError(.options, "ratios", "excludes 'shares'", hint: "Remove one of them.")
    }
    guard options.ratios.isEmpty || options.budget == 0 else {
      throw StageError(
        .options, "budget", "'ratios' already determine the amount", hint: "Use 'shares' with a budget.")
    }
    for (option, values) in [("caps", options.caps), ("shares", options.shares), ("ratios", options.ratios)] {
      let limit = option == "ratios" ? 1000.0 : 1
      for (domain, value) in values.sorted(by: { $0.key < $1.key }) where !(0...limit).contains(value) {
        throw StageError(.options, option, "\(value) of '\(domain)' is not between 0 and \(Int(limit))")
      }
    }
    let sum = MixTargets.sum(options.shares)
    guard sum <= 1 + 1e-9 else {
      throw StageError(.options, "shares", "sum to \(sum)", hint: "Give fractions that sum to at most 1.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) -> [TaskPlan] {
    let files = context.files(Self.documents)
    switch phase {
    case .count: return TaskPlan.perFile(files)
    case .plan: return [TaskPlan(key: "plan", inputs: [.main: context.files(Self.counted)])]
    case .sample:
      let plan = context.files(Self.report).filter { $0.name == "mix.json" }
      return files.enumerated().map {
        TaskPlan(key: TaskPlan.padded($0.offset), inputs: [.main: [$0.element], "plan": plan])
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .count: try count(workspace)
    case .plan: try plan(workspace)
    case .sample: try sample(workspace)
    }
  }

  var targets: MixTargets {
    let form: MixTargets.Form =
      !options.ratios.isEmpty
      ? .ratios(options.ratios) : !options.shares.isEmpty ? .shares(options.shares) : .caps(options.caps)
    let repeats = options.ratios.values.reduce(options.maximumRepeats, max)
    return MixTargets(form: form, budget: UInt64(options.budget), maximumRepeats: repeats)
  }

  // MARK: count

  private func count(_ workspace: Workspace) throws {
    let measure = try MixMeasure(options)
    let stream = workspace.documents(counted: false)
    var rows: [[RankedRow]] = []
    var numbers: [String: Int] = [:]
    var document = Document()
    while try stream.next(&document) {
      let (domain, amount) = measure.measure(document)
      if measure.isEstimated {
        workspace.warn("tokens-estimated", "\(document.idString) does not state its number of tokens")
      }
      let number = numbers[domain] ?? numbers.count
      if number == rows.count {
        guard rows.count < 1 << 16 else {
          throw StageError(
            .options, "domain", "'\(options.domain)' has more than 65536 distinct values",
            hint: "Name a field with few distinct values.")
        }
        numbers[domain] = number
        rows.append([])
      }
      let (rank, record) = measure.place(document.id)
      rows[number].append(RankedRow(rank: rank, record: record, weight: amount, label: 0))
    }
    try write(rows, numbers, workspace)
  }

  /// Writes all rows into one file, domain after domain, and the position of each domain's rows.
  private func write(_ rows: [[RankedRow]], _ numbers: [String: Int], _ workspace: Workspace) throws {
    let file = try workspace.file(Self.counted, workspace.task.key + ".rows")
    var entries: [JSONValue] = []
    var start = 0
    for (domain, number) in numbers.sorted(by: { $0.key < $1.key }) {
      let own = rows[number]
      try own.withUnsafeBytes { try file.write($0) }
      let amount = own.reduce(0) { $0 + Int($1.weight) }
      entries.append([
        "name": .string(domain), "start": .integer(start), "rows": .integer(own.count), "amount": .integer(amount),
      ])
      start += own.count
    }
    try workspace.publish(Self.counted, file, name: workspace.task.key + ".rows")
    try workspace.write(Self.counted, name: workspace.task.key + ".json", Array(JSONValue.list(entries).text().utf8))
  }

  // MARK: plan

  private func plan(_ workspace: Workspace) throws {
    let counted = try CountedDomains(workspace.files(.main))
    let domains = counted.domains
    for name in options.caps.keys.sorted()
    where domains[name] == nil && options.shares.isEmpty && options.ratios.isEmpty {
      workspace.warn("cap-without-documents", "no document has the domain '\(name)'")
    }
    for name in options.ratios.keys.sorted() where domains[name] == nil {
      workspace.warn("ratio-without-documents", "no document has the domain '\(name)'")
    }
    var selection = MixSelection(Array(domains.values))
    try selection.select(targets) { counted.rows($0, check: workspace.control.check) }
    let report = MixReport(unit: options.unit.rawValue, selection: selection)
    try workspace.write(Self.report, name: "mix.json", Array(report.json.prettyText().utf8))
    try workspace.write(Self.report, name: "mix.svg", Array(report.svg.utf8))
  }

  // MARK: sample

  private func sample(_ workspace: Workspace) throws {
    let measure = try MixMeasure(options)
    let rules = try MixReport.rules(in: workspace.file("plan").path)
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.mixed)
    var document = Document()
    while try stream.next(&document) {
      let domain = measure.domain(document)
      let (rank, record) = measure.place(document.id)
      guard let rule = rules[domain] else {
        throw StageError(.input, document.idString, "its domain '\(domain)' was not counted", hint: "Run with --force.")
      }
      let copies = rule.domain.copies(rank: rank, record: record)
      if copies == 0 {
        try workspace.drop(
          document, DropReason(Self.reason, value: rule.share, threshold: rule.keptShare, detail: domain))
        continue
      }
      try output.write(document)
      guard copies > 1 else { continue }
      let id = document.id
      for copy in 2...copies {
        document.id = id + Array("#\(copy)".utf8)
        workspace.repeatDocument("sampled-up", bytes: document.text.count)
        try output.write(document)
      }
    }
  }
}
