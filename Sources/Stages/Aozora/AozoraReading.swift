import PipelineKit
import ShardKit

/// One task of `aozora.read`: the works of one partition.
struct AozoraReading {
  private let options: AozoraRead.Options
  private let workspace: Workspace
  private let output: DocumentOutput
  private let containers: [ArtifactFile]
  private let part: Int?
  private var index = AozoraIndex()
  private let hasIndex: Bool
  /// By document id: the file that is kept, and which of all texts in order it is.
  private var chosen: [String: (file: AozoraFile, number: Int)] = [:]
  private var notation: AozoraNotation
  private var document = Document()

  /// - Parameter part: the partition whose works are read; nil for all that the containers hold.
  init(
    _ options: AozoraRead.Options, _ workspace: Workspace, index files: [ArtifactFile], containers: [ArtifactFile],
    part: Int?
  ) throws {
    self.options = options
    self.workspace = workspace
    self.containers = containers
    self.part = part
    output = try workspace.documents(to: AozoraRead.documents)
    hasIndex = !files.isEmpty
    for file in files { try index.add(path: file.path) }
    notation = AozoraNotation(ruby: options.ruby, unresolvedGaiji: options.unresolvedGaiji)
  }

  mutating func run() throws {
    try forEachText { reading, text, number in reading.choose(text.file, number) }
    try forEachText { reading, text, number in try reading.read(text, number) }
    for (name, count) in [
      ("rubies", notation.counts.rubies), ("gaiji", notation.counts.gaiji), ("notes", notation.counts.notes),
      ("unresolvedGaiji", notation.counts.unresolvedGaiji), ("unclosedNotes", notation.counts.unclosedNotes),
    ] { workspace.metric(name, Double(count)) }
  }

  private mutating func forEachText(
    _ body: (inout AozoraReading, AozoraContainer.Text, Int) throws -> Void
  ) throws {
    var number = 0
    for container in containers {
      try AozoraContainer.forEachText(in: container, limit: options.maximumWorkBytes.bytes) { text in
        guard part == nil || text.file.partition(of: options.partitions) == part else { return }
        try workspace.control.check()
        number += 1
        try body(&self, text, number)
      }
    }
  }

  // MARK: Choosing

  private mutating func choose(_ file: AozoraFile, _ number: Int) {
    guard !file.isSideFile else { return }
    guard let other = chosen[file.id]?.file else {
      chosen[file.id] = (file, number)
      return
    }
    if file.precedes(other, linked: linkedStem(file)) { chosen[file.id] = (file, number) }
  }

  /// The name of the file that the index links to, without its extension.
  private func linkedStem(_ file: AozoraFile) -> String? {
    guard let url = file.work.flatMap({ index.entries[$0]?.textURL }), let slash = url.lastIndex(of: "/") else {
      return nil
    }
    let name = url[url.index(after: slash)...]
    return name.lastIndex(of: ".").map { String(name[..<$0]) }
  }

  // MARK: Reading

  private mutating func read(_ text: AozoraContainer.Text, _ number: Int) throws {
    let file = text.file
    workspace.countInput(bytes: text.bytes)
    if file.isSideFile { return try drop(text, "side-file") }
    if let kept = chosen[file.id], kept.number != number {
      return try drop(text, "other-version", survivor: file.id, detail: "\(kept.file.path) is kept")
    }
    let entry = file.work.flatMap { index.entries[$0] }
    if try dropsByIndex(text, entry) { return }
    guard text.bytes <= options.maximumWorkBytes.bytes else {
      return try drop(text, "too-large", value: text.bytes, threshold: options.maximumWorkBytes.bytes)
    }
    let bytes: [UInt8]
    do {
      bytes = try text.read()
    } catch let error as ShardError where error.code == .malformed || error.code == .unsupported {
      return try drop(text, "damaged-archive", detail: "\(error)")
    }
    let (utf8, replaced) = bytes.withUnsafeBufferPointer { CP932.shared.decodeText($0) }
    if replaced > 0 {
      let fraction = Double(replaced) / Double(bytes.count)
      if fraction > options.maximumReplacedFraction {
        return try workspace.drop(
          id: Array(file.id.utf8), bytes: text.bytes, reason: "undecodable", value: fraction,
          threshold: options.maximumReplacedFraction, detail: file.path)
      }
      workspace.warn("replaced-bytes", "\(file.path): \(replaced) bytes are no character of code page 932")
    }
    try utf8.withUnsafeBufferPointer { try write($0, text, entry) }
  }

  private func dropsByIndex(_ text: AozoraContainer.Text, _ entry: AozoraIndex.Entry?) throws -> Bool {
    guard hasIndex else { return false }
    guard let entry else {
      guard options.notIndexed == .drop else { return false }
      try drop(text, "not-indexed")
      return true
    }
    if entry.isPublicDomain == false {
      try drop(text, "in-copyright")
      return true
    }
    if !options.orthographies.isEmpty && !options.orthographies.contains(entry.orthography) {
      try drop(text, "orthography", detail: entry.orthography)
      return true
    }
    return false
  }

  private mutating func write(
    _ utf8: UnsafeBufferPointer<UInt8>, _ text: AozoraContainer.Text, _ entry: AozoraIndex.Entry?
  ) throws {
    let work = AozoraWork(utf8)
    if AozoraWork.isLicensed(colophon: UnsafeBufferPointer(rebasing: utf8[work.colophon])) {
      return try drop(text, "licensed", detail: "the colophon names a licence")
    }
    let body = notation.render(UnsafeBufferPointer(rebasing: utf8[work.body]))
    guard !body.isEmpty else { return try drop(text, "empty") }
    if work.colophon.isEmpty { workspace.warn("no-colophon", "\(text.file.path) ends without 底本, it may be cut off") }
    document.id = Array(text.file.id.utf8)
    document.text = body
    document.source = Array(options.source.utf8)
    let header = work.header.map { notation.renderTitle(UnsafeBufferPointer(rebasing: utf8[$0])) }
    document.metadata = Array(AozoraMetadata(entry, AozoraHeader(header), text.file).json.text().utf8)
    try output.write(document)
  }

  private func drop(
    _ text: AozoraContainer.Text, _ reason: String, value: Int? = nil, threshold: Int? = nil, survivor: String? = nil,
    detail: String? = nil
  ) throws {
    try workspace.drop(
      id: Array(text.file.id.utf8), bytes: text.bytes, reason: reason, value: value.map(Double.init),
      threshold: threshold.map(Double.init), survivor: survivor.map { Array($0.utf8) }, detail: detail ?? text.file.path
    )
  }
}

/// A document's metadata: from the index where it lists the work, else from the work's first lines.
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
