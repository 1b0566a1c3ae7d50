public import PipelineKit
import ShardKit

/// Gives domains the shares that a mix is to have, by leaving documents out and, where allowed, by repeating some.
///
/// - `count`: domain, hash and amount of each document, file by file.
/// - `plan`: amounts by domain (`MixTargets`), then the cut in each domain's documents by hash (`MixSelection`).
/// - `sample`: each file against the cuts.
///
/// A document's place is the hash of its id with the seed, so the choice depends on neither order nor partition.
public struct MixRebalance: Stage {
  public enum Unit: String, CaseIterable, OptionChoice { case documents, characters, tokens }

  public struct Options: StageOptions {
    @Option("What shares and budget are counted in.") public var unit = Unit.characters
    @Option("Where a document says its domain: metadata.KEY or source.") public var domain = "metadata.domain"
    @Option("The greatest share of a domain; others stay whole. Used where neither shares nor ratios are.")
    public var caps = ["news": 0.3]
    @Option("The share of each domain; domains not named divide the rest as they are.")
    public var shares: [String: Double] = [:]
    @Option("What to take of each domain: 0.0323, 1, or 4 to use it four times; others stay whole.")
    public var ratios: [String: Double] = [:]
    @Option("The amount of the whole mix, with caps or shares; 0 takes as much as there is.", in: 0...Int.max)
    public var budget = 0
    @Option("How often a document may be used at most; above 1 samples up.", in: 1...1000)
    public var maximumRepeats = 1.0
    @Option("Where a document says its tokens, such as metadata.dedup_meta.token_count; empty estimates them.")
    public var tokensField = ""
    @Option("Estimates tokens where no field says them.", in: 0.1...100) public var charactersPerToken = 2.0
    @Option("The domain of documents that name none.") public var unknownDomain = "unknown"
    @Option("Another seed chooses other documents.", in: 0...Int.max) public var seed = 0

    public init() {}
  }

  public static let name = "mix.rebalance"
  public static let revision = 1
  public static let summary = "Gives domains their shares of the corpus, by caps, target shares or ratios."
  static let documents = Input<Documents>("documents", "The documents to mix.")
  static let mixed = Output<Documents>("documents", "The mix.")
  static let report = Output<Report>("report", "Shares before and after: mix.json and mix.svg.")
  static let counted = Output<Counts>("counted", "Hash and amount of each document, by domain.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [mixed.port, report.port, counted.port]
  public enum Phase: String, StagePhase { case count, plan, sample }

  /// Targets decide the plan; documents are measured whatever they are.
  public static func options(of phase: Phase) -> Set<String>? {
    phase == .plan ? nil : ["unit", "domain", "tokensField", "charactersPerToken", "unknownDomain", "seed"]
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    _ = try MixMeasure(options)
    let forms = [!options.shares.isEmpty, !options.ratios.isEmpty].count { $0 }
    guard forms < 2 else {
      throw StageError(.options, "ratios", "'shares' and 'ratios' are two forms of a mix", hint: "Leave one out.")
    }
    guard options.ratios.isEmpty || options.budget == 0 else {
      throw StageError(
        .options, "budget", "'ratios' say how much is taken already", hint: "Use 'shares' with a budget.")
    }
    for (option, values) in [("caps", options.caps), ("shares", options.shares), ("ratios", options.ratios)] {
      let limit = option == "ratios" ? 1000.0 : 1
      for (domain, value) in values.sorted(by: { $0.key < $1.key }) where !(0...limit).contains(value) {
        throw StageError(.options, option, "\(value) of '\(domain)' is not between 0 and \(Int(limit))")
      }
    }
    let sum = options.shares.keys.sorted().reduce(0) { $0 + options.shares[$1]! }
    guard sum <= 1 + 1e-9 else {
      throw StageError(.options, "shares", "they sum to \(sum)", hint: "Shares are parts of 1.")
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

  private var targets: MixTargets {
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
      if measure.isEstimated { workspace.warn("tokens-estimated", "\(document.idString) does not say its tokens") }
      let number = numbers[domain] ?? numbers.count
      if number == rows.count {
        guard rows.count < 1 << 16 else {
          throw StageError(
            .options, "domain", "'\(options.domain)' has more than 65536 different values",
            hint: "Name a field of few values.")
        }
        numbers[domain] = number
        rows.append([])
      }
      let (rank, record) = measure.place(document.id)
      rows[number].append(RankedRow(rank: rank, record: record, weight: amount, label: 0))
    }
    try write(rows, numbers, workspace)
  }

  /// All rows in one file, domain after domain, and where each domain's rows stand.
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
    let files = workspace.files(.main)
    var domains: [String: MixSelection.Domain] = [:]
    var places: [String: [(path: String, rows: Range<Int>?)]] = [:]
    for file in files where file.name.hasSuffix(".json") {
      let path = String(file.path.dropLast(".json".count)) + ".rows"
      for entry in try JSONValue.parse(FileSystem.read(file.path)).value.array ?? [] {
        guard let name = entry["name"]?.string, let start = entry["start"]?.integer, let rows = entry["rows"]?.integer,
          let amount = entry["amount"]?.integer
        else { throw StageError(.input, file.name, "it is no count of domains", hint: "Run with --force.") }
        domains[name, default: .init(name: name)].documents += rows
        domains[name]!.present += UInt64(amount)
        places[name, default: []].append((path, start..<start + rows))
      }
    }
    for name in options.caps.keys.sorted()
    where domains[name] == nil && options.shares.isEmpty && options.ratios.isEmpty {
      workspace.warn("cap-without-documents", "no document has the domain '\(name)'")
    }
    for name in options.ratios.keys.sorted() where domains[name] == nil {
      workspace.warn("ratio-without-documents", "no document has the domain '\(name)'")
    }
    var selection = MixSelection(Array(domains.values))
    try selection.select(targets) { RankedRowFiles(places: places[$0] ?? [], check: workspace.control.check) }
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
          document, DropReason("over-share", value: rule.share, threshold: rule.keptShare, detail: domain))
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
