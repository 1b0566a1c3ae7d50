public import PipelineKit
import ShardKit
import TextKit

/// Removes paragraphs that stand elsewhere in the corpus too: menus, notices, quoted articles.
///
/// Three phases: *hashes* hashes the paragraphs of each input file (128 bits, after light normalization), *copies* sorts
/// the hashes (on disk beyond the option `memory`), *filter* writes the documents without the paragraphs that are copies.
/// Of equal paragraphs those of preferred sources stay, then those that come first in the input.
public struct DedupeParagraphs: Stage {
  public enum Unit: String, OptionChoice { case line, block }

  public struct Options: StageOptions {
    @Option("What is a paragraph: a line, or a block of lines between blank lines.") public var unit = Unit.line
    @Option("Shorter paragraphs are never copies: in characters, after normalization.", in: 1...1_000_000)
    public var minimumCharacters = 20
    @Option("How many copies of a paragraph are kept.", in: 1...1_000_000) public var copies = 1
    @Option("Sources in order of preference: paragraphs of earlier ones are kept. Unnamed sources come last.")
    public var sources: [String] = []
    @Option(
      "Documents that lost paragraphs are dropped if they have fewer characters left; not those that hold the kept copy of "
        + "another document's paragraph.", in: 0...1_000_000)
    public var minimumRemaining = 1
    @Option(
      "Memory of each task, at least 64MiB; more data is sorted on disk.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.paragraphs"
  public static let revision = 2
  public static let summary = "Removes paragraphs that other documents have too, or the same one."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let kept = Output<Documents>("documents", "The documents without copied paragraphs.")
  static let index = Output<Signatures>("index", "Ids, lengths and sources.", hidden: true)
  static let hashes = Output<Signatures>("hashes", "Hashes of paragraphs.", hidden: true)
  static let copies = Output<Clusters>("copies", "The paragraphs to remove, by input file.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [kept.port, index.port, hashes.port, copies.port]
  public enum Phase: String, StagePhase { case hashes, copies, filter }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .hashes: ["unit", "minimumCharacters", "sources"]
    case .copies: ["copies"]
    case .filter: ["unit", "minimumRemaining"]
    }
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(of phase: Phase, in context: PlanningContext) -> [TaskPlan] {
    let inputs = context.files(Self.documents), index = context.files(Self.index)
    switch phase {
    case .hashes: return TaskPlan.perFile(inputs)
    case .copies:
      let hashes = context.files(Self.hashes)
      let paragraphs = hashes.reduce(0) { $0 + Int($1.bytes) } / MemoryLayout<HashedParagraph>.stride
      let sorted = 4 * MemoryLayout<PlacedParagraph>.stride * paragraphs
      return [
        TaskPlan(
          key: "all", inputs: ["index": index, "hashes": hashes],
          memoryBytes: SortingMemory.planned(options.memory, sorting: sorted))
      ]
    case .filter:
      return zip(inputs, zip(index, context.files(Self.copies))).enumerated().map { part, files in
        TaskPlan(
          key: TaskPlan.padded(part), inputs: [.main: [files.0], "index": [files.1.0], "copies": [files.1.1]])
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .hashes: try hash(workspace)
    case .copies: try findCopies(workspace)
    case .filter: try filter(workspace)
    }
  }

  // MARK: Hashes

  private func hash(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let indexFile = try workspace.file(Self.index, key + ".index")
    let hashFile = try workspace.file(Self.hashes, key + ".hashes")
    var index = IndexWriter(indexFile)
    let priorities = SourcePriorities(options.sources)
    var fold = ComparedText()
    let stream = workspace.documents(counted: false)
    var document = Document()
    while try stream.next(&document) {
      let priority = priorities[document.source], row = UInt32(index.count)
      try index.append(document, priority: priority)
      let paragraphs = Paragraphs(document.text, options.unit).contents
      for (number, range) in paragraphs.enumerated() {
        let identity = document.text[range].withUnsafeBufferPointer { text -> TextIdentity? in
          let identity = TextIdentity(folded: text, by: &fold)
          return fold.scalars.count < options.minimumCharacters ? nil : identity
        }
        guard let identity else { continue }
        try hashFile.write(record: HashedParagraph(identity: identity, row: row, number: UInt32(number)))
      }
    }
    try index.finish()
    try workspace.publish(Self.index, indexFile, name: key + ".index", documents: index.count)
    try workspace.publish(Self.hashes, hashFile, name: key + ".hashes")
  }

  // MARK: Copies

  private func findCopies(_ workspace: Workspace) throws {
    let table = try DocumentTable(workspace.files(Self.index).map(\.path))
    let scratch = try workspace.temporaryDirectory()
    let memoryBytes = SortingMemory(options.memory, workspace).bytes
    let sorter = ExternalSorter<PlacedParagraph>(scratch: scratch + "/hashes", memoryBytes: memoryBytes / 2)
    var paragraphs = 0
    for (part, file) in workspace.files(Self.hashes).enumerated() {
      try forEachRecord(of: file.path, as: HashedParagraph.self) { paragraph in
        let document = UInt32(table.bases[part]) + paragraph.row
        try sorter.append(
          PlacedParagraph(
            identity: paragraph.identity, priority: table.entry(document).priority, document: document,
            number: paragraph.number))
        paragraphs += 1
        if paragraphs % 4096 == 0 { table.release() }
      }
    }
    let copies = ExternalSorter<ParagraphPlace>(scratch: scratch + "/copies", memoryBytes: memoryBytes / 2)
    var removals = RemovalWarning("paragraphs")
    try forEachCopy(sorter) { copy, first, isSecond in
      removals.remove("\(Self.name(copy, table)) as \(Self.name(first, table))")
      try copies.append(ParagraphPlace(document: copy.document, number: copy.number))
      if isSecond { try copies.append(ParagraphPlace(document: first.document, number: first.number | Self.keptMark)) }
    }
    try write(copies, table, workspace)
    removals.finish(of: paragraphs, others: table.someNames, workspace)
  }

  /// Marks the number of a paragraph that stays as the first of several.
  private static let keptMark: UInt32 = 1 << 31

  /// Calls `body` with each paragraph that is one copy too many, the first of those that stay, and whether it is the first
  /// time for those.
  private func forEachCopy(
    _ sorter: ExternalSorter<PlacedParagraph>, _ body: (PlacedParagraph, PlacedParagraph, Bool) throws -> Void
  ) throws {
    var first: PlacedParagraph?, seen = 0
    try sorter.drain { next in
      guard let kept = first, kept.identity == next.identity else {
        (first, seen) = (next, 1)
        return
      }
      seen += 1
      if seen > options.copies { try body(next, kept, seen == options.copies + 1) }
    }
  }

  /// One file per input file: rows and numbers, ascending; marked numbers are of kept paragraphs.
  private func write(
    _ copies: ExternalSorter<ParagraphPlace>, _ table: DocumentTable, _ workspace: Workspace
  ) throws {
    var part = 0
    var sink = try workspace.file(Self.copies, TaskPlan.padded(part) + ".copies")
    func next() throws {
      try workspace.publish(Self.copies, sink, name: TaskPlan.padded(part) + ".copies")
      part += 1
      if part < table.parts.count { sink = try workspace.file(Self.copies, TaskPlan.padded(part) + ".copies") }
    }
    try copies.drain { copy in
      while Int(copy.document) >= table.bases[part + 1] { try next() }
      try sink.write(record: UInt32(Int(copy.document) - table.bases[part]))
      try sink.write(record: copy.number)
    }
    while part < table.parts.count { try next() }
  }

  private static func name(_ paragraph: PlacedParagraph, _ table: DocumentTable) -> String {
    "paragraph \(paragraph.number + 1) of \(table.name(paragraph.document))"
  }

  // MARK: The filter

  private func filter(_ workspace: Workspace) throws {
    let input = try workspace.file()
    let lines = LineReader(try openSource(input.path))
    let index = try IndexReader(workspace.file("index").path)
    let copies = try MappedFile(workspace.file("copies").path)
    let places = copies.bytes.bindMemory(to: UInt32.self)
    let kept = try workspace.documents(to: Self.kept)
    var row = 0, next = 0
    while let line = try lines.next() {
      guard row < index.count else { break }
      let textBytes = Int(index.entry(row).textBytes)
      workspace.countInput(bytes: textBytes)
      var numbers: [Int] = [], keeps = false
      while next < places.count, Int(places[next]) == row {
        let number = places[next + 1]
        if number & Self.keptMark == 0 { numbers.append(Int(number)) } else { keeps = true }
        next += 2
      }
      if numbers.isEmpty {
        try kept.write(line: line, id: index.id(row), textBytes: textBytes)
      } else {
        try shorten(line, numbers, keeps: keeps, kept, workspace)
      }
      row += 1
      if row % 64 == 0 { try workspace.control.check() }
    }
    guard row == index.count, next == places.count else {
      throw ShardError(
        .malformed, input.path, "its documents changed since it was first read",
        hint: "Run again, and do not change inputs during a run.")
    }
  }

  private func shorten(
    _ line: UnsafeRawBufferPointer, _ numbers: [Int], keeps: Bool, _ kept: DocumentOutput, _ workspace: Workspace
  ) throws {
    guard var document = try DocumentReader(MemorySource(Array(line), name: "a document")).next() else { return }
    let whole = document.text
    document.text = Paragraphs(whole, options.unit).removing(numbers)
    let characters = Self.characters(document.text)
    workspace.metric("paragraphs-removed", Double(numbers.count))
    workspace.metric("characters-removed", Double(Self.characters(whole) - characters))
    if !keeps, characters < options.minimumRemaining || document.text.isEmpty {
      document.text = whole
      workspace.metric("characters-dropped", Double(characters))
      try workspace.drop(
        document,
        DropReason(
          "copied-paragraphs", value: Double(characters), threshold: Double(options.minimumRemaining),
          detail: "\(numbers.count) paragraphs were copies"))
    } else {
      workspace.metric("documents-shortened", 1)
      try kept.write(document)
    }
  }

  private static func characters(_ text: [UInt8]) -> Int {
    text.withUnsafeBufferPointer { UTF8Scanning.scalarCount($0) }
  }
}

/// What a hash file says of a paragraph.
private struct HashedParagraph: BitwiseCopyable {
  var identity: TextIdentity
  /// The document, of its file.
  var row: UInt32
  /// Of its document.
  var number: UInt32
}

/// For sorting: equal paragraphs together, the preferred one first.
private struct PlacedParagraph: SortableRecord {
  var identity: TextIdentity
  var priority: UInt32
  var document: UInt32
  var number: UInt32

  var prefix: UInt64 { identity.high }
  static func < (a: PlacedParagraph, b: PlacedParagraph) -> Bool {
    if a.identity != b.identity { return a.identity < b.identity }
    return (a.priority, a.document, a.number) < (b.priority, b.document, b.number)
  }
}

private struct ParagraphPlace: SortableRecord {
  var document: UInt32
  var number: UInt32

  var prefix: UInt64 { UInt64(document) << 32 | UInt64(number) }
  static func < (a: ParagraphPlace, b: ParagraphPlace) -> Bool { a.prefix < b.prefix }
}

/// The paragraphs of a text.
struct Paragraphs {
  /// Bytes of each, without the line ends and blank lines behind it.
  private(set) var contents: [Range<Int>] = []
  private let text: [UInt8]

  init(_ text: [UInt8], _ unit: DedupeParagraphs.Unit) {
    self.text = text
    var start = 0
    /// Of the block that is open.
    var block: Range<Int>?
    while start < text.count {
      let end = text[start...].firstIndex(of: 10) ?? text.count
      let isBlank = text[start..<end].allSatisfy { $0 == 0x20 || 0x09...0x0D ~= $0 }
      switch unit {
      case .line: if !isBlank { contents.append(start..<end) }
      case .block where isBlank:
        if let block { contents.append(block) }
        block = nil
      case .block: block = (block?.lowerBound ?? start)..<end
      }
      start = end + 1
    }
    if let block { contents.append(block) }
  }

  /// The text without paragraphs of these numbers, which ascend: each goes with the line ends and blank lines behind it.
  /// A text that did not end with a line's end does not end with one then.
  func removing(_ numbers: [Int]) -> [UInt8] {
    var out: [UInt8] = []
    var next = 0
    for number in numbers {
      let start = contents[number].lowerBound
      let end = number + 1 < contents.count ? contents[number + 1].lowerBound : text.count
      out += text[next..<start]
      next = end
    }
    out += text[next...]
    if next == text.count, text.last != 10 { while let last = out.last, last == 10 || last == 13 { out.removeLast() } }
    return out.allSatisfy { $0 == 0x20 || 0x09...0x0D ~= $0 } ? [] : out
  }
}
