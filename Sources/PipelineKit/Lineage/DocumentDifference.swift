import ShardKit

/// Compares two artifacts of documents by ids and contents: which documents entered, left or changed, and why.
///
/// Files in both artifacts are skipped by their digests; the documents of all other files are read in several passes,
/// so that two words per document fit in memory. The reason for a document that left or entered comes from the drops of
/// the other side's stage.
public struct DocumentDifference: Equatable, Sendable {
  /// Documents that only one side has.
  public struct Moved: Equatable, Sendable {
    public var count = 0
    /// By the reason the other side's stage dropped them for; `notDropped` if it did not.
    public var causes: [String: Int] = [:]
    public var examples: [String] = []
  }

  /// The reason if the other side's stage did not drop the document: it never read it, or merged it into another.
  public static let notDropped = "not-dropped-there"

  public var entered = Moved()
  public var left = Moved()
  public var changed = 0
  public var changedExamples: [String] = []

  public var isEmpty: Bool { entered.count == 0 && left.count == 0 && changed == 0 }

  /// An output of documents: its node's folder and manifest.
  public struct Artifact: Sendable {
    public var directory: String
    public var manifest: NodeManifest
    public var port: String

    public init(directory: String, manifest: NodeManifest, port: String) {
      self.directory = directory
      self.manifest = manifest
      self.port = port
    }

    fileprivate var files: [PublishedFile] { manifest.files(of: port) }
    fileprivate func path(_ file: PublishedFile) -> String { "\(directory)/\(file.port)/\(file.name)" }
  }

  /// Compares two artifacts by the ids of their documents.
  /// - Throws: `ShardError` if a file of the artifacts cannot be read.
  public init(
    before: Artifact, after: Artifact, examples: Int = 3, memoryBytes: Int = 256 << 20
  ) throws {
    let sides = [Side(before, without: after), Side(after, without: before)]
    let documents = sides.reduce(0) { $0 + $1.documents }
    let passes = UInt64(max(1, (documents * MemoryLayout<Entry>.stride * 2 + memoryBytes - 1) / max(1, memoryBytes)))
    var samples = Samples(limit: examples)
    for pass in 0..<passes {
      let (old, new) = (try sides[0].entries(pass, of: passes), try sides[1].entries(pass, of: passes))
      var found = Comparison()
      found.compare(old, new)
      try left.add(found.left, droppedBy: after)
      try entered.add(found.entered, droppedBy: before)
      changed += found.changed.count
      samples.add(found)
    }
    left.examples = try sides[0].ids(of: samples.left)
    entered.examples = try sides[1].ids(of: samples.entered)
    changedExamples = try sides[1].ids(of: samples.changed)
  }
}

/// A document as two hashes: of its id, and of its complete line.
private struct Entry: Comparable {
  var id: UInt64
  var content: UInt64
  static func < (a: Entry, b: Entry) -> Bool { (a.id, a.content) < (b.id, b.content) }
}

/// The files of one artifact that the other does not contain.
private struct Side {
  let artifact: DocumentDifference.Artifact
  let files: [PublishedFile]

  init(_ artifact: DocumentDifference.Artifact, without other: DocumentDifference.Artifact) {
    self.artifact = artifact
    let shared = Set(other.files.map(\.digest))
    files = artifact.files.filter { !shared.contains($0.digest) }
  }

  var documents: Int { files.reduce(0) { $0 + $1.documents } }

  /// The documents with ids in the given pass, sorted.
  func entries(_ pass: UInt64, of passes: UInt64) throws -> [Entry] {
    var entries: [Entry] = []
    try forEachDocument { id, line in
      let hash = recordHash(id)
      if hash % passes == pass { entries.append(Entry(id: hash, content: recordHash(line))) }
      return true
    }
    entries.sort()
    return entries
  }

  /// The ids for the given hashes, sorted.
  func ids(of hashes: [UInt64]) throws -> [String] {
    guard !hashes.isEmpty else { return [] }
    var missing = Set(hashes)
    var ids: [String] = []
    try forEachDocument { id, _ in
      if missing.remove(recordHash(id)) != nil { ids.append(String(decoding: id, as: UTF8.self)) }
      return !missing.isEmpty
    }
    return ids.sorted()
  }

  /// Calls `body` with every document until it returns false.
  private func forEachDocument(
    _ body: (_ id: UnsafeRawBufferPointer, _ line: UnsafeRawBufferPointer) -> Bool
  ) throws {
    let json = JSONObjectReader()
    for file in files {
      let lines = LineReader(try openSource(artifact.path(file)))
      while let line = try lines.next() {
        var goesOn = true
        _ = json.read(padded: line) { field in
          if field.kind == .string, field.has(key: "id") { goesOn = body(field.value, line) }
        }
        if !goesOn { return }
      }
    }
  }
}

/// Merges two sorted lists. Repeated ids are paired; the remaining ones entered or left.
private struct Comparison {
  var left: [UInt64] = []
  var entered: [UInt64] = []
  var changed: [UInt64] = []

  mutating func compare(_ old: [Entry], _ new: [Entry]) {
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      let id = min(i < old.count ? old[i].id : .max, j < new.count ? new[j].id : .max)
      let (a, b) = (run(of: id, in: old, from: i), run(of: id, in: new, from: j))
      let pairs = min(a.count, b.count)
      left.append(contentsOf: repeatElement(id, count: a.count - pairs))
      entered.append(contentsOf: repeatElement(id, count: b.count - pairs))
      if pairs > 0, zip(old[a], new[b]).contains(where: { $0.content != $1.content }) { changed.append(id) }
      (i, j) = (a.upperBound, b.upperBound)
    }
  }

  private func run(of id: UInt64, in entries: [Entry], from start: Int) -> Range<Int> {
    var end = start
    while end < entries.count && entries[end].id == id { end += 1 }
    return start..<end
  }
}

/// The smallest hashes of each kind, over all passes.
private struct Samples {
  let limit: Int
  var left: [UInt64] = []
  var entered: [UInt64] = []
  var changed: [UInt64] = []

  init(limit: Int) { self.limit = limit }

  mutating func add(_ found: Comparison) {
    left = least(left, found.left)
    entered = least(entered, found.entered)
    changed = least(changed, found.changed)
  }

  private func least(_ some: [UInt64], _ more: [UInt64]) -> [UInt64] {
    Array((some + more.prefix(limit)).sorted().prefix(limit))
  }
}

extension DocumentDifference.Moved {
  /// Counts documents and looks up their ids in the drops of the other side's stage.
  fileprivate mutating func add(_ ids: [UInt64], droppedBy other: DocumentDifference.Artifact) throws {
    count += ids.count
    guard !ids.isEmpty else { return }
    var open: [UInt64: Int] = [:]
    for id in ids { open[id, default: 0] += 1 }
    for sidecar in other.manifest.files(of: Workspace.idsPort)
    where sidecar.name.hasPrefix(Workspace.dropsPort + "/") && !open.isEmpty {
      let mapped = try MappedFile("\(other.directory)/\(Workspace.idsPort)/\(sidecar.name)")
      let hashes = mapped.bytes.bindMemory(to: UInt64.self)
      // Most sidecars contain no such id, so their drops need not be read.
      guard hashes.contains(where: { open[UInt64(littleEndian: $0)] != nil }) else { continue }
      let lines = LineReader(try openSource("\(other.directory)/\(sidecar.name.dropLast(4))"))
      let json = JSONObjectReader()
      for hash in hashes {
        guard let line = try lines.next() else { break }
        let hash = UInt64(littleEndian: hash)
        guard let number = open[hash] else { continue }
        var reason = ""
        _ = json.read(padded: line) { field in
          if field.has(key: "reason") { reason = String(decoding: field.value, as: UTF8.self) }
        }
        causes[reason, default: 0] += 1
        open[hash] = number > 1 ? number - 1 : nil
      }
      withExtendedLifetime(mapped) {}
    }
    let rest = open.values.reduce(0, +)
    if rest > 0 { causes[DocumentDifference.notDropped, default: 0] += rest }
  }
}
