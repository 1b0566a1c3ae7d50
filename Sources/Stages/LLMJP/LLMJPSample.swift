public import PipelineKit
import ShardKit

/// Selects the best documents of an LLM-jp corpus, by a table of quality scores, up to a fraction or number of tokens.
///
/// - `columns`: converts each table's rows to fixed-width numbers, in partitions by record.
/// - `rank`: sorts each partition in order of records and removes repeated rows.
/// - `threshold`: the exact token-weighted quantile over all rows (`RankCut`).
/// - `sample`: compares each record file with the threshold.
///
/// Memory does not grow with the table: 100 million rows (6.2 GB) were read in 0.82 GB, mapped pages included, and take
/// 5 GB on disk. A row without a record still counts toward the budget, since no file is read before `sample`.
public struct LLMJPSample: Stage {
  public enum Match: String, CaseIterable, OptionChoice {
    /// By file and line number.
    case line
    /// By the document's id.
    case id
  }

  public struct Options: StageOptions {
    @Option("The corpus: folders or files (.jsonl, .gz, .zst or .parquet); required unless the input is wired.")
    public var records = InputFiles()
    @Option("Folders below 'records' to read, such as ja/ja_cc/level0. Empty: all.")
    public var directories: [String] = []
    @Option("The quality table: CSV files with a header, or Parquet; required unless wired.", holdsRecords: false)
    public var quality = InputFiles()
    @Option("Fraction of all tokens to keep, best documents first.", in: 0...1) public var fraction = 0.65
    @Option("Number of tokens to keep, instead of a fraction. 0: use the fraction.", in: 0...Int.max) public
      var tokenBudget = 0
    @Option("How a row identifies its record: by file and line, or by id.") public var match = Match.line
    @Option("Whether higher scores are better.") public var higherIsBetter = true
    @Option("Column with the path of the record's file, below 'records'.") public var pathColumn = "path"
    @Option("Prefix to remove from the table's paths.") public var pathPrefix = ""
    @Option("Column with the record's line number.") public var lineColumn = "line"
    @Option("Number of a file's first line, as counted in the table.", in: 0...1) public var firstLine = 0
    @Option("Column with the record's id.") public var idColumn = "docId"
    @Option("Column with the score.") public var scoreColumn = "score"
    @Option("Column with the record's number of tokens. Empty: every record counts 1.") public var tokensColumn =
      "tokens"
    @Option("Columns to copy into the metadata; they must have few distinct values, such as domain.")
    public var copyColumns: [String] = []
    @Option("Field of 'meta' with the document's id. Without it the id is FILE:LINE.") public var idKey = "docId"
    @Option("The source of the documents.") public var source = "llm-jp"

    public init() {}
  }

  public static let name = "llmjp.sample"
  public static let revision = 1
  public static let summary = "Selects the best documents of an LLM-jp corpus by a table of quality scores."
  static let fetchedRecords = Input<Files>(
    "records", "The corpus, fetched by another stage.", required: false, many: true)
  static let fetchedQuality = Input<Files>(
    "quality", "The quality table, fetched by another stage.", required: false, many: true, holdsRecords: false)
  public static let inputs = [fetchedRecords.port, fetchedQuality.port]
  static let documents = Output<Documents>("documents", "The kept documents.")
  static let selection = Output<Metrics>(
    "selection", "The threshold, and the kept and total numbers of tokens and rows.")
  static let spilled = Output<Intermediate>("spilled", "Rows as numbers, by partition.", hidden: true)
  static let ranked = Output<Intermediate>("ranked", "Rows in order of records, by partition.", hidden: true)
  public static let outputs = [documents.port, selection.port, spilled.port, ranked.port]
  public enum Phase: String, StagePhase { case columns, rank, threshold, sample }

  let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .columns: return try columnTasks(context)
    case .rank: return rankTasks(context.files(Self.spilled))
    case .threshold:
      return [TaskPlan(key: "threshold", inputs: [.main: context.files(Self.ranked)], memoryBytes: 32 << 20)]
    case .sample: return try sampleTasks(context)
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .columns: try QualityColumns(options, workspace).run()
    case .rank: try rank(workspace)
    case .threshold: try threshold(workspace)
    case .sample: try LLMJPSampleTask(options, workspace).run()
    }
  }

  // MARK: Tasks

  private func recordFiles(_ context: PlanningContext) throws -> [ArtifactFile] {
    let folders = options.directories.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
    let files = try context.files(Self.fetchedRecords, and: options.records, named: "records").filter { file in
      let isRecords = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"].contains { file.name.hasSuffix($0) }
      return isRecords && (folders.isEmpty || folders.contains { file.name.utf8.starts(with: $0.utf8) })
    }
    guard !files.isEmpty else {
      throw StageError(
        .input, "records",
        "no .jsonl, .jsonl.gz, .jsonl.zst or .parquet file was found"
          + (folders.isEmpty ? "" : " in \(options.directories.joined(separator: ", "))"),
        hint: "Check 'records' and 'directories'.")
    }
    return files
  }

  private func qualityTables(_ context: PlanningContext) throws -> [ArtifactFile] {
    try context.files(Self.fetchedQuality, and: options.quality, named: "quality")
  }

  private func columnTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let records = try recordFiles(context)
    let tables = try qualityTables(context)
    guard tables.count < 256 else {
      throw StageError(
        .input, "quality", "\(tables.count) tables exceed the limit of 255", hint: "Merge some.")
    }
    let layout = QualityLayout(
      partitions: Self.partitions(tables, files: records.count, match: options.match), names: records.map(\.name))
    return try tables.enumerated().map { number, table in
      try TaskPlan(
        key: TaskPlan.padded(number), inputs: [.main: [table]], payload: QualityTable(number: number, layout: layout),
        memoryBytes: 48 << 20)
    }
  }

  /// Enough for a partition's rows to be sorted in about 20 MB.
  private static func partitions(_ tables: [ArtifactFile], files: Int, match: Match) -> Int {
    let bytes = tables.reduce(0) { $0 + $1.bytes }
    let wanted = max(1, min(128, Int(bytes >> 24)))
    return match == .line ? min(wanted, files) : wanted
  }

  private func rankTasks(_ spilled: [ArtifactFile]) -> [TaskPlan] {
    let partitions = Dictionary(grouping: spilled.filter { $0.name.hasSuffix(".rows") }) {
      QualityLayout.partition(of: $0)
    }
    return partitions.sorted { $0.key < $1.key }.map { partition, files in
      let bytes = files.reduce(0) { $0 + Int($1.bytes) }
      return TaskPlan(key: "p" + TaskPlan.padded(partition), inputs: [.main: files], memoryBytes: 2 * bytes + (4 << 20))
    }
  }

  private func sampleTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let records = try recordFiles(context)
    let rows = context.files(Self.ranked).filter { $0.name.hasSuffix(".rows") }
    let labels = context.files(Self.spilled).filter { $0.name.hasSuffix(".labels") }
    let count = Self.partitions(try qualityTables(context), files: records.count, match: options.match)
    return try records.enumerated().map { number, record in
      let own = number * count / records.count
      let needed = options.match == .id ? rows : rows.filter { QualityLayout.partition(of: $0) == own }
      return try TaskPlan(
        key: TaskPlan.padded(number),
        inputs: [.main: [record], "selection": context.files(Self.selection), "labels": labels, "rows": needed],
        payload: LLMJPSampleTask.Part(file: number, partitions: count))
    }
  }

  // MARK: rank and threshold

  private func rank(_ workspace: Workspace) throws {
    var rows: [RankedRow] = []
    for file in workspace.files(.main) { try RankedRows(file.path).withRows { rows.append(contentsOf: $0) } }
    let repeats = rows.sortByRecord()
    workspace.warn("duplicate-row", times: repeats, "a record has several rows; the first one counts")
    let file = try workspace.file(Self.ranked, workspace.task.key + ".rows")
    try rows.withUnsafeBytes { try file.write($0) }
    try workspace.publish(Self.ranked, file, name: workspace.task.key + ".rows")
    let tokens = rows.reduce(0) { $0 + Int($1.weight) }
    let summary: JSONValue = ["rows": .integer(rows.count), "tokens": .integer(tokens)]
    try workspace.write(Self.ranked, name: workspace.task.key + ".json", Array(summary.text().utf8))
  }

  private func threshold(_ workspace: Workspace) throws {
    let files = workspace.files(.main)
    var totals = (rows: 0, tokens: 0)
    for file in files where file.name.hasSuffix(".json") {
      let summary = try JSONValue.parse(FileSystem.read(file.path)).value
      totals.rows += summary["rows"]?.integer ?? 0
      totals.tokens += summary["tokens"]?.integer ?? 0
    }
    guard totals.rows > 0 else {
      throw StageError(
        .input, "quality", "no row of the table belongs to a record file",
        hint: "Compare the column '\(options.pathColumn)' with the files' names below 'records'; see 'pathPrefix'.")
    }
    let share = Int((Double(totals.tokens) * options.fraction).rounded(.down))
    let budget = options.tokenBudget > 0 ? options.tokenBudget : share
    let rows = files.filter { $0.name.hasSuffix(".rows") }
    let source = RankedRowFiles(places: rows.map { ($0.path, nil) }, check: workspace.control.check)
    let cut = try RankCut.find(budget: UInt64(budget), in: source)
    let result = QualitySelection(cut: cut, budget: budget, rows: totals.rows, tokens: totals.tokens)
    try workspace.write(
      Self.selection, name: "selection.json",
      Array(result.json(higherIsBetter: options.higherIsBetter).prettyText().utf8))
  }
}

/// How rows are distributed into partitions by record.
struct QualityLayout: Codable {
  let partitions: Int
  /// The record files, in the order of their numbers.
  let names: [String]

  static let lineBits: UInt64 = 40

  static func record(file: Int, line: UInt64) -> UInt64 { UInt64(file) << lineBits | line }

  func partition(ofFile file: Int) -> Int { file * partitions / names.count }

  static func partition(ofID hash: UInt64, of partitions: Int) -> Int {
    Int(hash.multipliedFullWidth(by: UInt64(partitions)).high)
  }

  /// `00000-p00012.rows`, `p00012.rows` → 12.
  static func partition(of file: ArtifactFile) -> Int {
    Int(file.name.dropLast(".rows".count).suffix(5)) ?? 0
  }
}

/// What a task of `columns` needs to know of its table.
struct QualityTable: Codable {
  /// Its index among all tables.
  var number: Int
  var layout: QualityLayout
}

/// The result of the threshold phase, and its file.
struct QualitySelection {
  var cut: RankCut
  var budget: Int
  var rows: Int
  var tokens: Int

  func json(higherIsBetter: Bool) -> JSONValue {
    let score = cut.first.map { ScoreRank.score(of: $0.rank, higherIsBetter: higherIsBetter) }
    return [
      "threshold": score.map { .number($0) } ?? .null, "budgetTokens": .integer(budget),
      "keptTokens": .integer(Int(cut.keptWeight)), "keptRows": .integer(cut.keptRows), "tokens": .integer(tokens),
      "rows": .integer(rows),
      "cut": cut.first.map { .strings([String($0.rank, radix: 16), String($0.record, radix: 16)]) } ?? .null,
    ]
  }

  /// The cut of a selection file.
  static func cut(in path: String) throws -> RankCut {
    let json = try JSONValue.parse(FileSystem.read(path)).value
    let numbers = json["cut"]?.array?.compactMap { $0.string.flatMap { UInt64($0, radix: 16) } } ?? []
    return RankCut(first: numbers.count == 2 ? (numbers[0], numbers[1]) : nil)
  }
}
