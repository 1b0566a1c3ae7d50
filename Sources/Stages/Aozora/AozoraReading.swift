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
  /// The files of each work by document id, the best one first.
  private var versions: [String: Versions] = [:]
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

  /// The files of one work.
  private struct Versions {
    struct Version {
      var file: AozoraFile
      var bytes: Int
      /// Which of all texts in order it is.
      var number: Int
    }

    var all: [Version] = []
    /// The one that is to be read; those before it could not be.
    var current = 0
    var isSettled = false
  }

  mutating func run() throws {
    try forEachText { reading, text, number in try reading.list(text, number) }
    for id in versions.keys { rank(id) }
    repeat {
      try forEachText { reading, text, number in try reading.readIfChosen(text, number) }
    } while chooseNext()
    try dropOtherVersions()
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

  private mutating func list(_ text: AozoraContainer.Text, _ number: Int) throws {
    guard !text.file.isSideFile else {
      workspace.countInput(bytes: text.bytes)
      return try drop(text, "side-file")
    }
    versions[text.file.id, default: Versions()].all.append(.init(file: text.file, bytes: text.bytes, number: number))
  }

  private mutating func rank(_ id: String) {
    guard let all = versions[id]?.all, all.count > 1 else { return }
    let linked = linkedStem(all[0].file)
    versions[id]!.all.sort { a, b in
      if a.file.precedes(b.file, linked: linked) { return true }
      return !b.file.precedes(a.file, linked: linked) && a.number < b.number
    }
  }

  /// Goes on to the next best file of each work whose best one could not be read; false where there is none.
  private mutating func chooseNext() -> Bool {
    var isAny = false
    for (id, work) in versions where !work.isSettled {
      if work.current + 1 < work.all.count {
        versions[id]!.current += 1
        isAny = true
      } else {
        versions[id]!.isSettled = true
      }
    }
    return isAny
  }

  private func dropOtherVersions() throws {
    for (id, work) in versions.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      for version in work.all.dropFirst(work.current + 1) {
        workspace.countInput(bytes: version.bytes)
        try workspace.drop(
          id: Array(id.utf8), bytes: version.bytes, reason: "other-version", survivor: Array(id.utf8),
          detail: "\(work.all[work.current].file.path) is kept")
      }
    }
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

  private mutating func readIfChosen(_ text: AozoraContainer.Text, _ number: Int) throws {
    let id = text.file.id
    guard let work = versions[id], !work.isSettled, work.all[work.current].number == number else { return }
    workspace.countInput(bytes: text.bytes)
    versions[id]!.isSettled = try read(text)
  }

  /// Writes or drops a text. Returns false if the text itself cannot be used, and another file of the work might.
  private mutating func read(_ text: AozoraContainer.Text) throws -> Bool {
    let file = text.file
    let entry = file.work.flatMap { index.entries[$0] }
    if try dropsByIndex(text, entry) { return true }
    guard text.bytes <= options.maximumWorkBytes.bytes else {
      try drop(text, "too-large", value: text.bytes, threshold: options.maximumWorkBytes.bytes)
      return false
    }
    let bytes: [UInt8]
    do {
      bytes = try text.read()
    } catch let error as ShardError
      where [.malformed, .unsupported, .truncated, .tooLarge].contains(error.code)
    {
      try drop(text, "damaged-archive", detail: "\(error)")
      return false
    }
    let (utf8, replaced) = bytes.withUnsafeBufferPointer { CP932.shared.decodeText($0) }
    if replaced > 0 {
      let fraction = Double(replaced) / Double(bytes.count)
      if fraction > options.maximumReplacedFraction {
        try workspace.drop(
          id: Array(file.id.utf8), bytes: text.bytes, reason: "undecodable", value: fraction,
          threshold: options.maximumReplacedFraction, detail: file.path)
        return false
      }
      workspace.warn("replaced-bytes", "\(file.path): \(replaced) bytes are no character of code page 932")
    }
    return try utf8.withUnsafeBufferPointer { try write($0, text, entry) }
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
  ) throws -> Bool {
    let work = AozoraWork(utf8)
    if AozoraWork.isLicensed(colophon: UnsafeBufferPointer(rebasing: utf8[work.colophon])) {
      try drop(text, "licensed", detail: "the colophon names a licence")
      return true
    }
    let body = notation.render(UnsafeBufferPointer(rebasing: utf8[work.body]))
    guard !body.isEmpty else {
      try drop(text, "empty")
      return false
    }
    if work.colophon.isEmpty { workspace.warn("no-colophon", "\(text.file.path) ends without 底本, it may be cut off") }
    document.id = Array(text.file.id.utf8)
    document.text = body
    document.source = Array(options.source.utf8)
    let header = work.header.map { notation.renderTitle(UnsafeBufferPointer(rebasing: utf8[$0])) }
    document.metadata = Array(AozoraMetadata(entry, AozoraHeader(header), text.file).json.text().utf8)
    try output.write(document)
    return true
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
