import ShardKit

/// Finds wanted documents in one stage's files, and takes passages of their texts.
struct TargetReading {
  let directory: String
  let manifest: NodeManifest
  let node: Graph.Node
  let wanted: WantedIDs
  private var most: Int { Passage.most(of: wanted.ids.count) }
  private(set) var found: [(document: Int, file: String, form: RemovalTargets.Form)] = []
  private var noted: Set<[String]> = []
  private(set) var relatives: [Int: Set<String>] = [:]
  private(set) var passages: [Int: Set<Passage>] = [:]
  private(set) var textBytes: [Int: Int] = [:]

  init(directory: String, manifest: NodeManifest, node: Graph.Node, wanted: WantedIDs) {
    self.directory = directory
    self.manifest = manifest
    self.node = node
    self.wanted = wanted
  }

  /// - Throws: `ShardError` if a file of the output cannot be read.
  mutating func read() throws {
    let repeats = !manifest.ledger.repeated.isEmpty
    let passed = manifest.passedFiles()
    for sidecar in manifest.files(of: Workspace.idsPort) {
      let file = String(sidecar.name.dropLast(4))
      let port = ArchivePath.parts(file)[0]
      if port == Workspace.dropsPort { continue }
      guard try repeats || holds("\(directory)/\(Workspace.idsPort)/\(sidecar.name)") else { continue }
      switch node.description.outputs.first(where: { $0.name == port })?.kind {
      case .documents where passed.contains(ExactText(file)):
        // Their texts were not kept here.
        try readList(file, "\(directory)/\(Workspace.idsPort)/\(sidecar.name)", as: .document)
      case .documents: try readDocuments(file)
      case .mds: try readSamples(file)
      default: try readList(file, "\(directory)/\(Workspace.idsPort)/\(sidecar.name)", as: .listed)
      }
    }
    for file in manifest.files(of: Workspace.dropsPort) { try readDrops("\(Workspace.dropsPort)/\(file.name)") }
  }

  private func holds(_ sidecar: String) throws -> Bool {
    let mapped = try MappedFile(sidecar)
    return withExtendedLifetime(mapped) {
      mapped.bytes.bindMemory(to: UInt64.self).contains { wanted.mayHave(UInt64(littleEndian: $0)) }
    }
  }

  private mutating func note(_ document: Int, _ file: String, _ form: RemovalTargets.Form) {
    if noted.insert([String(document), file, form.rawValue]).inserted { found.append((document, file, form)) }
  }

  private mutating func readDocuments(_ file: String) throws {
    let reader = try DocumentReader(path: "\(directory)/\(file)")
    var document = Document()
    while try reader.next(&document) {
      guard let place = wanted.placeOfOriginal(document.id) else { continue }
      note(place, file, .document)
      textBytes[place] = max(textBytes[place] ?? 0, document.text.count)
      document.text.withUnsafeBytes { passages[place, default: []].formUnion(Passage.of(text: $0, most: most)) }
    }
  }

  private mutating func readList(_ file: String, _ sidecar: String, as form: RemovalTargets.Form) throws {
    let mapped = try MappedFile(sidecar)
    let words = mapped.bytes.bindMemory(to: UInt64.self)
    for word in words {
      for place in wanted.places(hash: UInt64(littleEndian: word)) { note(place, file, form) }
    }
    if form == .document, !manifest.ledger.repeated.isEmpty { noteCopies(in: Set(words), file) }
    withExtendedLifetime(mapped) {}
  }

  /// Documents that were repeated under names such as `id#2`.
  private mutating func noteCopies(in words: Set<UInt64>, _ file: String) {
    for (place, id) in wanted.ids.enumerated() {
      for number in 2..<10_000 {
        guard words.contains(recordHash(id + Array("#\(number)".utf8)).littleEndian) else { break }
        note(place, file, .document)
      }
    }
  }

  private mutating func readDrops(_ file: String) throws {
    let lines = LineReader(try openSource("\(directory)/\(file)"))
    while let line = try lines.next() {
      guard let json = try? JSONValue.parse(Array(line)).value, let id = json["id"]?.string else { continue }
      let survivor = json["survivor"]?.string
      let own = wanted.placeOfOriginal(id.utf8)
      if let own {
        note(own, file, .drop)
        if let survivor { relatives[own, default: []].insert(survivor) }
      }
      if let survivor, let kept = wanted.placeOfOriginal(survivor.utf8) {
        note(kept, file, .survivor)
        relatives[kept, default: []].insert(id)
      }
    }
  }

  /// Files that the stage writes before it writes documents, and that have passages of these.
  func intermediates(of documents: Set<Int>) throws -> [(document: Int, file: String)] {
    let ports = node.description.outputs.filter { $0.isHidden && $0.kind == .documents }.map(\.name)
    let files = manifest.files.filter { ports.contains($0.port) }
    guard !files.isEmpty, !documents.isEmpty else { return [] }
    let index = SearchIndex(passages: passages.filter { documents.contains($0.key) })
    return try files.flatMap { file in
      var found: Set<Int> = []
      _ = try index.search(try openSource("\(directory)/\(file.port)/\(file.name)")) { found.insert($0.document) }
      return found.sorted().map { ($0, "\(file.port)/\(file.name)") }
    }
  }

  // MARK: Data sets

  private mutating func readSamples(_ file: String) throws {
    let folder = "\(directory)/\(ArchivePath.folder(of: file))"
    guard let shard = try SampleOwners.shard(folder, ArchivePath.lastPart(of: file)) else { return }
    let owners = SampleOwners(shard)
    let text = shard.columns.firstIndex { $0.name == "text" }
    for sample in 0..<shard.samples {
      for part in try owners.parts(of: sample) {
        guard let place = wanted.placeOfOriginal(part.id.utf8) else { continue }
        note(place, file, .sample)
        if let text {
          let value = try shard.value(text, of: sample)
          passages[place, default: []].formUnion(Passage.of(text: value, most: most))
        } else if let range = part.range, let (tokens, width) = try owners.tokens(of: sample, range) {
          passages[place, default: []].formUnion(Passage.of(tokens: tokens, width: width, most: most))
        }
      }
    }
  }
}

/// Whose a sample of a data set is.
struct SampleOwners {
  struct Part {
    var id: String
    /// Positions in the sample; nil if it is all its.
    var range: Range<Int>?
  }

  private let shard: MDSShardReader
  private let id: Int?
  private let documents: Int?
  private let tokens: Int?

  init(_ shard: MDSShardReader) {
    self.shard = shard
    id = shard.columns.firstIndex { $0.name == "id" }
    documents = shard.columns.firstIndex { $0.name == "documents" }
    tokens = shard.columns.firstIndex { $0.name == "input_ids" }
  }

  /// The shard in a data set's folder; nil if the folder's index does not name it.
  static func shard(_ folder: String, _ name: String) throws -> MDSShardReader? {
    let reader = try MDSReader(directory: folder)
    guard let number = reader.index.shards.firstIndex(where: { $0.stored.basename == name }) else { return nil }
    return try reader.shard(number, verify: false)
  }

  func parts(of sample: Int) throws -> [Part] {
    if let id { return [Part(id: String(decoding: try shard.value(id, of: sample), as: UTF8.self), range: nil)] }
    guard let documents, let list = try? JSONValue.parse(Array(try shard.value(documents, of: sample))).value.array
    else { return [] }
    var at = 0
    return list.compactMap { item in
      guard let words = item.array, words.count == 3, let id = words[0].string, let count = words[2].integer,
        0...1 << 32 ~= count
      else { return nil }
      defer { at += count }
      return Part(id: id, range: at..<at + count)
    }
  }

  /// The bytes of a document's tokens, without the special tokens at both ends.
  func tokens(of sample: Int, _ range: Range<Int>) throws -> (UnsafeRawBufferPointer, width: Int)? {
    guard let tokens else { return nil }
    let array = try shard.array(tokens, of: sample)
    let width = array.type.bytes
    guard range.count > 2, range.upperBound * width <= array.bytes.count else { return nil }
    let inner = (range.lowerBound + 1) * width..<(range.upperBound - 1) * width
    return (UnsafeRawBufferPointer(rebasing: array.bytes[inner]), width)
  }
}
