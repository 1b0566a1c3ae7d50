import MarkupKit
import PipelineKit
import ShardKit
import TextKit

/// One task of `aozora.read`: the works of one partition.
struct AozoraReadTask {
  private let options: AozoraRead.Options
  private let workspace: Workspace
  private let output: DocumentOutput
  private let partition: Int?
  private var index = AozoraIndex()
  private let hasIndex: Bool
  private var versions = AozoraVersions()
  /// Ids by the hash of name and text, for works that share their name with others.
  private var namesakes: [UInt64: String] = [:]
  private var notation: AozoraNotation
  private var document = Document()

  /// The role of the list of works among the task's input files.
  static let index: TaskInputs.Role = "index"

  /// - Parameter partition: the works to read; nil for all in the task's containers.
  init(_ options: AozoraRead.Options, _ workspace: Workspace, partition: Int?) throws {
    self.options = options
    self.workspace = workspace
    self.partition = partition
    output = try workspace.documents(to: AozoraRead.documents)
    let lists = workspace.files(Self.index)
    hasIndex = !lists.isEmpty
    for file in lists { try index.add(path: file.path) }
    notation = AozoraNotation(ruby: options.text.ruby, unresolvedGaiji: options.text.unresolvedGaiji)
  }

  /// The outcome for a text.
  private enum Outcome {
    case work(body: [UInt8], metadata: [UInt8], warnings: [(code: String, text: String)])
    /// - isFinal: whether the work is dropped without trying its other files.
    case drop(DropReason, isFinal: Bool)
  }

  mutating func run() throws {
    try forEachText { reading, text, number in try reading.list(text, number) }
    versions.rank(linked: linkedStem)
    try forEachText { reading, text, number in
      guard reading.versions.isBest(reading.versions.id(text.file, number: number), number) else { return }
      try reading.read(text, number)
    }
    if versions.prepareOthers() {
      try forEachText { reading, text, number in try reading.tryOther(text, number) }
      versions.chooseOthers()
      try forEachText { reading, text, number in
        guard reading.versions.isDue(reading.versions.id(text.file, number: number), number) else { return }
        try reading.read(text, number)
      }
    }
    try dropOtherVersions()
    for (name, count) in [
      ("rubies", notation.counts.rubies), ("gaiji", notation.counts.gaiji), ("notes", notation.counts.notes),
      ("unresolvedGaiji", notation.counts.unresolvedGaiji), ("unclosedNotes", notation.counts.unclosedNotes),
    ] { workspace.metric(name, Double(count)) }
  }

  private mutating func forEachText(
    _ body: (inout AozoraReadTask, AozoraContainer.Text, Int) throws -> Void
  ) throws {
    var number = 0
    for container in workspace.files(.main) {
      try AozoraContainer.forEachText(in: container, limit: options.text.maximumWorkBytes.bytes) { text in
        guard partition == nil || text.file.partition(of: options.partitions) == partition else { return }
        try workspace.control.check()
        number += 1
        try body(&self, text, number)
      }
    }
  }

  // MARK: Selection

  private mutating func list(_ text: AozoraContainer.Text, _ number: Int) throws {
    guard !text.file.isSideFile else {
      workspace.countInput(bytes: text.bytes)
      return try drop(text, text.file.id, DropReason("side-file"))
    }
    versions.add(text.file, bytes: text.bytes, number: number)
  }

  /// Notes whether a file can replace its work's best one; nothing is counted or written.
  private mutating func tryOther(_ text: AozoraContainer.Text, _ number: Int) throws {
    guard versions.isOther(number) else { return }
    let counts = notation.counts
    defer { notation.counts = counts }
    var isUsable = true
    if case .drop(_, isFinal: false) = try outcome(text) { isUsable = false }
    versions.note(versions.id(text.file, number: number), number, isUsable: isUsable)
  }

  private func dropOtherVersions() throws {
    for (id, work) in versions.works.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      for version in work.all.dropFirst(work.current + 1) {
        workspace.countInput(bytes: version.bytes)
        try workspace.drop(
          id: Array(id.utf8), bytes: version.bytes,
          DropReason("other-version", survivor: Array(id.utf8), detail: "\(work.all[work.current].file.path) is kept"))
      }
    }
  }

  /// The file name that the index links to, without its extension.
  private func linkedStem(_ file: AozoraFile) -> String? {
    guard let url = file.work.flatMap({ index.entries[$0]?.textURL }), url.utf8.contains(0x2F) else { return nil }
    let name = ArchivePath.lastPart(of: url)
    return name.lastIndex(of: ".").map { String(name[..<$0]) }
  }

  // MARK: Reading

  /// Writes or drops a text.
  private mutating func read(_ text: AozoraContainer.Text, _ number: Int) throws {
    let id = versions.id(text.file, number: number)
    workspace.countInput(bytes: text.bytes)
    switch try outcome(text) {
    case .drop(let reason, let isFinal):
      try drop(text, id, reason)
      if isFinal { versions.settle(id) }
    case .work(let body, let metadata, let warnings):
      versions.settle(id)
      if let other = namesake(id, text.file, body) {
        return try drop(text, id, DropReason("duplicate", survivor: Array(other.utf8)))
      }
      for warning in warnings { workspace.warn(warning.code, warning.text) }
      document.id = Array(id.utf8)
      document.text = body
      document.source = Array(options.text.source.utf8)
      document.metadata = metadata
      try output.write(document)
    }
  }

  /// The id under which the same text with the same name was written.
  private mutating func namesake(_ id: String, _ file: AozoraFile, _ body: [UInt8]) -> String? {
    guard versions.hasNamesakes(file) else { return nil }
    let hash = recordHash(Array(file.id.utf8) + [0] + body)
    if let other = namesakes[hash] { return other }
    namesakes[hash] = id
    return nil
  }

  private mutating func outcome(_ text: AozoraContainer.Text) throws -> Outcome {
    let file = text.file
    let entry = file.work.flatMap { index.entries[$0] }
    if let drop = dropByIndex(entry) { return .drop(drop, isFinal: true) }
    let limit = options.text.maximumWorkBytes.bytes
    guard text.bytes <= limit else {
      return .drop(.tooLarge(text.bytes, maximum: limit), isFinal: false)
    }
    let bytes: [UInt8]
    do {
      bytes = try text.read()
    } catch let error as ShardError
      where [.malformed, .unsupported, .truncated, .tooLarge].contains(error.code)
    {
      return .drop(DropReason("damaged-archive", detail: "\(error)"), isFinal: false)
    }
    let (utf8, replaced) = bytes.withUnsafeBufferPointer { CP932.shared.decodeText($0) }
    var warnings: [(code: String, text: String)] = []
    if replaced > 0 {
      let fraction = Double(replaced) / Double(bytes.count), threshold = options.text.maximumReplacedFraction
      if fraction > threshold {
        return .drop(.undecodable(fraction, maximum: threshold), isFinal: false)
      }
      warnings.append(("replaced-bytes", "\(file.path): \(replaced) bytes are not valid in code page 932"))
    }
    return utf8.withUnsafeBufferPointer { outcome($0, file, entry, warnings) }
  }

  private func dropByIndex(_ entry: AozoraIndex.Entry?) -> DropReason? {
    guard hasIndex else { return nil }
    guard let entry else { return options.notIndexed == .drop ? DropReason("not-indexed") : nil }
    if entry.isPublicDomain == false { return DropReason("in-copyright") }
    if !options.orthographies.isEmpty && !options.orthographies.contains(entry.orthography) {
      return DropReason("orthography", detail: entry.orthography)
    }
    return nil
  }

  private mutating func outcome(
    _ utf8: UnsafeBufferPointer<UInt8>, _ file: AozoraFile, _ entry: AozoraIndex.Entry?,
    _ warnings: [(code: String, text: String)]
  ) -> Outcome {
    let work = AozoraWork(utf8)
    if AozoraWork.isLicensed(colophon: UnsafeBufferPointer(rebasing: utf8[work.colophon])) {
      return .drop(DropReason("licensed", detail: "the colophon names a license"), isFinal: true)
    }
    let body = notation.render(UnsafeBufferPointer(rebasing: utf8[work.body]))
    guard !body.isEmpty else { return .drop(.empty, isFinal: false) }
    var warnings = warnings
    if work.colophon.isEmpty { warnings.append(("no-colophon", "\(file.path) ends without 底本 and may be truncated")) }
    let header = work.header.map { notation.renderTitle(UnsafeBufferPointer(rebasing: utf8[$0])) }
    let metadata = AozoraMetadata(entry, AozoraHeader(header), file).json.text()
    return .work(body: body, metadata: Array(metadata.utf8), warnings: warnings)
  }

  private func drop(_ text: AozoraContainer.Text, _ id: String, _ reason: DropReason) throws {
    var reason = reason
    reason.detail = reason.detail ?? text.file.path
    try workspace.drop(id: Array(id.utf8), bytes: text.bytes, reason)
  }
}

/// A document's metadata: from the index if it lists the work, else from the work's first lines.
private struct AozoraMetadata {
  let json: JSONValue

  init(_ entry: AozoraIndex.Entry?, _ header: AozoraHeader, _ file: AozoraFile) {
    let people = entry.map { $0.people.map { ($0.role, $0.name) } } ?? header.people.map { ($0.role, $0.name) }
    func names(_ role: String) -> String { people.filter { $0.0 == role }.map(\.1).joined(separator: "、") }
    let fields: [(String, String)] = [
      ("title", entry?.title ?? header.title), ("subtitle", entry?.subtitle ?? header.subtitle),
      ("author", names("著者")), ("translator", names("翻訳者")), ("editor", names("編者")),
      ("orthography", entry?.orthography ?? ""), ("classification", entry?.classification ?? ""),
      ("firstPublished", entry?.firstPublished ?? ""), ("file", file.path),
    ]
    json = .object(fields.filter { !$0.1.isEmpty }.map { JSONMember($0.0, .string($0.1)) })
  }
}
