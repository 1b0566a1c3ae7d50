public import PipelineKit
import ShardKit

/// Orders documents by a measure, from bucket to bucket, so that a training that reads them in order reads a curriculum.
///
/// - `measure`: the measure, the hash and the size of each document, file by file.
/// - `order`: buckets and the position of each document (`OrderedPositions`), by sorting on disk.
/// - `scatter`: each file's documents, by position, divided among the files of the result (`PieceWriter`).
/// - `gather`: each file of the result from its pieces.
///
/// Within a bucket documents are in the order of a hash of their ids with the seed. So the order depends on documents and
/// options alone, not on the number of tasks at once.
public struct MixOrder: Stage {
  public enum Direction: String, CaseIterable, OptionChoice { case ascending, descending }
  public enum Missing: String, CaseIterable, OptionChoice { case last, first, drop }

  public struct Options: StageOptions {
    @Option(
      "The measure to order by: 'characters' or 'bytes' of the text, or a column of numbers of the wired signals, such as "
        + "'perplexity'.")
    public var by = "characters"
    @Option("ascending: the smallest values come first.") public var direction = Direction.ascending
    @Option(
      "Number of buckets with equally many documents; within a bucket, the order is random. 0: one by one, without buckets.",
      in: 0...1_000_000)
    public var buckets = 10
    @Option(
      "Bounds of buckets in place of their number, ascending: [200, 1000] makes buckets below 200, from 200 to below 1000, "
        + "and from 1000.")
    public var edges: [Double] = []
    @Option("Position of documents without a value; 'drop' drops them.") public var missing = Missing.last
    @Option("Seed of the order within a bucket.", in: 0...Int.max) public var seed = 0
    @Option(
      "Maximum size of the documents in a file of the result, as JSON lines, which a task holds in memory.",
      in: ByteCount(1 << 10)...ByteCount.gibibytes(4))
    public var fileBytes = ByteCount.mebibytes(64)
    @Option(
      "Memory for sorting; more documents are sorted on disk.", in: ByteCount.mebibytes(1)...ByteCount.gibibytes(1024),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "mix.order"
  public static let revision = 2
  public static let summary = "Orders documents by their length or by a measure, from bucket to bucket: a curriculum."
  static let documents = Input<Documents>("documents", "The documents to order.")
  static let signals = Input<Signals>(
    "signals", "Measures of these documents, or of those that they were selected from.", required: false, many: true)
  static let ordered = Output<Documents>("documents", "The same documents in order.")
  static let report = Output<Report>("report", "order.json: the buckets, their bounds, documents and text.")
  static let rows = Output<Intermediate>("rows", "Measure, hash and size of each document.", hidden: true)
  static let positions = Output<Intermediate>("positions", "The position of each document.", hidden: true)
  static let pieces = Output<Intermediate>("pieces", "Each file's documents by position.", hidden: true)
  public static let inputs = [documents.port, signals.port]
  public static let outputs = [ordered.port, report.port, rows.port, positions.port, pieces.port]
  public enum Phase: String, StagePhase { case measure, order, scatter, gather }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .measure: ["by", "seed"]
    case .order: nil
    case .scatter, .gather: []
    }
  }

  static let reason = "no-measure"
  static let partsName = "parts.json"
  private static let rowsRole: TaskInputs.Role = "rows"
  private static let positionsRole: TaskInputs.Role = "positions"
  private static let signalsRole: TaskInputs.Role = "signals"

  let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    guard options.edges.allSatisfy(\.isFinite), zip(options.edges, options.edges.dropFirst()).allSatisfy({ $0 < $1 })
    else { throw StageError(.options, "edges", "they do not ascend", hint: "Write each bound once, the least first.") }
    guard options.edges.count <= 1_000_000 else {
      throw StageError(.options, "edges", "\(options.edges.count) are more than 1000000", hint: "Use \"buckets\": 0.")
    }
  }

  // MARK: Planning

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .measure: return try measureTasks(context)
    case .order:
      let rows = context.files(Self.rows)
      let bytes = rows.reduce(0) { $0 + Int($1.bytes) }
      return [
        TaskPlan(key: "order", inputs: [.main: rows], memoryBytes: min(options.memory.bytes, 3 * bytes) + 32 << 20)
      ]
    case .scatter:
      let positions = context.files(Self.positions)
      return context.files(Self.documents).enumerated().map { number, file in
        let key = TaskPlan.padded(number)
        let own = positions.filter { $0.name == key + OrderedPositions.suffix || $0.name == Self.partsName }
        return TaskPlan(
          key: key, inputs: [.main: [file], Self.positionsRole: own], memoryBytes: 64 << 20 + 32 * file.documents)
      }
    case .gather: return try gatherTasks(context)
    }
  }

  private func measureTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    guard !OrderMeasure.isBuiltIn(options.by) else { return TaskPlan.perFile(context.files(Self.documents)) }
    let parts = try GateParts(context)
    let columns = try parts.columns()
    guard columns[options.by] == .number else {
      let known = OrderMeasure.builtIn + columns.filter { $0.value == .number }.keys.sorted()
      throw StageError(
        .options, "by",
        columns[options.by] == nil
          ? "no wired signals have a column '\(options.by)'" + suggestion(for: options.by, among: known)
          : "the column '\(options.by)' has texts, which have no order",
        hint: "Wire the scoring stage that measures it to \"signals\", or order by 'characters'.")
    }
    return parts.files.enumerated().map { number, file in
      TaskPlan(
        key: TaskPlan.padded(number), inputs: [.main: [file.documents], Self.signalsRole: file.signals],
        memoryBytes: 64 << 20 + 64 * file.documents.documents)
    }
  }

  private func gatherTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    guard let file = context.files(Self.positions).first(where: { $0.name == Self.partsName }) else { return [] }
    let parts = try OrderParts(jsonFile: file.path)
    let pieces = context.files(Self.pieces)
    return parts.bytes.enumerated().map { part, bytes in
      TaskPlan(
        key: TaskPlan.padded(part), inputs: [.main: pieces, Self.positionsRole: [file]],
        // The lines, which grow as they are read, and the document that is written.
        memoryBytes: 64 << 20 + 3 * bytes)
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .measure: try measure(workspace)
    case .order: try order(workspace)
    case .scatter: try scatter(workspace)
    case .gather: try gather(workspace)
    }
  }

  // MARK: Working

  private func measure(_ workspace: Workspace) throws {
    let measure = try OrderMeasure(options.by, try workspace.file(), workspace.files(Self.signalsRole))
    let name = workspace.task.key + ".rows"
    let file = try workspace.file(Self.rows, name)
    let stream = workspace.documents(counted: false)
    var document = Document()
    var row = 0
    var line: [UInt8] = []
    while try stream.next(&document) {
      line.removeAll(keepingCapacity: true)
      document.append(to: &line)
      let hash = document.id.withUnsafeBytes { xxh64($0, seed: UInt64(options.seed)) }
      try file.write(
        record: MeasuredRow(
          value: measure.value(of: document, row: row), hash: hash, bytes: UInt64(document.text.count),
          lineBytes: UInt64(line.count)))
      row += 1
    }
    try workspace.publish(Self.rows, file, name: name)
  }

  private func order(_ workspace: Workspace) throws {
    var positions = OrderedPositions(
      options, scratch: try workspace.temporaryDirectory(),
      memoryBytes: min(options.memory.bytes, max(1 << 20, workspace.memoryBytes))
    ) { try workspace.control.check() }
    let files = workspace.files(.main)
    try positions.find(files.map(\.path))
    var number = 0
    try positions.forEachFile(count: files.count) { own in
      let name = TaskPlan.padded(number) + OrderedPositions.suffix
      let file = try workspace.file(Self.positions, name)
      try own.withUnsafeBytes { try file.write($0) }
      try workspace.publish(Self.positions, file, name: name)
      number += 1
    }
    try workspace.write(Self.positions, name: Self.partsName, Array(positions.parts.json.text().utf8))
    try workspace.write(Self.report, name: "order.json", Array(positions.report.prettyText().utf8))
  }

  private func scatter(_ workspace: Workspace) throws {
    let files = workspace.files(Self.positionsRole)
    guard let parts = files.first(where: { $0.name == Self.partsName }),
      let own = files.first(where: { $0.name != Self.partsName })
    else { throw StageError(.ledger, "task \(workspace.task.key)", "it was planned without positions") }
    let positions = try MappedFile(own.path)
    let key = workspace.task.key
    let writer = try PieceWriter(
      starts: try OrderParts(jsonFile: parts.path).starts, scratch: try workspace.temporaryDirectory() + "/lines")
    let stream = workspace.documents(counted: false)
    var document = Document()
    var row = 0
    while try stream.next(&document) {
      let position = positions.bytes.loadUnaligned(fromByteOffset: 8 * row, as: UInt64.self)
      row += 1
      if position == OrderedPositions.dropped {
        workspace.countInput(bytes: document.text.count)
        try workspace.drop(document, DropReason(Self.reason, detail: options.by))
      } else {
        try writer.append(document, at: position)
      }
    }
    let file = try workspace.file(Self.pieces, key + ".jsonl.zst")
    let index = try writer.write(to: file)
    try workspace.publish(Self.pieces, file, name: key + ".jsonl.zst")
    try workspace.write(Self.pieces, name: key + ".pieces", index.bytes)
  }

  private func gather(_ workspace: Workspace) throws {
    guard let part = Int(workspace.task.key) else {
      throw StageError(.ledger, "task \(workspace.task.key)", "its key is no number")
    }
    let files = workspace.files(.main)
    var gathered = GatheredPieces()
    for file in files where file.name.hasSuffix(".jsonl.zst") {
      let name = file.name.dropLast(".jsonl.zst".count) + ".pieces"
      guard let index = files.first(where: { $0.name == name }) else {
        throw StageError(.ledger, file.name, "has no list of its pieces")
      }
      try workspace.control.check()
      try gathered.read(part, of: file.path, index: index.path)
    }
    let output = try workspace.documents(to: Self.ordered)
    // Counted where it is written, since pieces are not documents yet.
    try gathered.forEach { document in
      workspace.countInput(bytes: document.text.count)
      try output.write(document)
    }
  }
}
