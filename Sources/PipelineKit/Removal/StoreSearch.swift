public import ShardKit
import Synchronization

/// Reads every byte of a store, decompressed, and finds the removed documents in it.
public struct StoreSearch: Sendable {
  /// Turns the bytes of a text into UTF-8; nil if they are no text.
  public typealias Decoder = @Sendable ([UInt8]) -> [UInt8]?

  /// A file in which something was found.
  public struct Finding: Sendable, Equatable {
    public var path: String
    /// All its names: hard links.
    public var names: [String] = []
    /// The documents that it holds, as digests of their ids.
    public var documents: Set<Digest> = []
    /// Ids, and lists of their hashes, that were found.
    public var ids = 0
    /// Passages that stand in it outside the records of other documents.
    public var passages = 0
    /// Other documents in which a passage stands too, some of them.
    public var sharers: Set<String> = []
  }

  public struct Result: Sendable {
    public var files = 0
    public var storedBytes: Int64 = 0
    /// Decompressed.
    public var bytes: Int64 = 0
    public var documents = 0
    public var passages = 0
    public var findings: [Finding] = []
    /// What was not searched, or only as it is because it could not be decompressed or opened, with the reason.
    public var unread: [(path: String, reason: String)] = []
    public var milliseconds = 0
  }

  let store: RunStore
  let jobs: Int
  let decode: Decoder

  /// - Parameter decode: turns a text of another encoding than UTF-8 into that; nil if the bytes are none.
  public init(
    store: RunStore, jobs: Int = availableProcessors(), decode: @escaping Decoder = { _ in nil }
  ) {
    self.store = store
    self.jobs = jobs
    self.decode = decode
  }

  /// - Parameters:
  ///   - only: the paths to read; nil: everything.
  ///   - isStopped: asked often, on any thread; true ends the search.
  /// - Throws: `ShardError` if a record of a removal cannot be read; `StageError`
  ///   (`.cancelled`) after a request to stop.
  public func run(only: Set<String>? = nil, isStopped: @escaping @Sendable () -> Bool = { false }) throws -> Result {
    let began = monotonicNanoseconds()
    let index = try SearchIndex(root: store.root, store.removals())
    let listed = StoreFiles(store.root)
    let files = listed.files.filter { only?.contains($0.path) ?? true }
    let found = Mutex((files: [FileFindings](), unread: only == nil ? listed.unread : []))
    try inParallel(files.count, atOnce: jobs, lane: {}) { item, _ in
      let file = files[item]
      var reading = FileFindings(file: file)
      let reasons = try reading.read(index, decode, isStopped)
      found.withLock { found in
        found.files.append(reading)
        found.unread += reasons.prefix(Self.mostReasons).map { (file.path, $0) }
        if reasons.count > Self.mostReasons {
          found.unread.append((file.path, "and \(reasons.count - Self.mostReasons) more of its members"))
        }
      }
    }
    var (readings, unread) = found.withLock { $0 }
    try Self.judge(&readings, files)
    var result = Result()
    result.files = files.count
    result.storedBytes = files.reduce(0) { $0 + $1.bytes }
    result.bytes = readings.reduce(0) { $0 + $1.bytes }
    result.documents = Set(index.documents).count
    result.passages = index.passages
    result.unread = unread.sorted { ($0.path, $0.reason) < ($1.path, $1.reason) }
    // A passage that other documents have too says nothing of a file without records.
    let shared = readings.reduce(into: Set<Int>()) { $0.formUnion($1.shared) }
    result.findings = readings.compactMap { $0.finding(index, shared: shared) }.sorted { $0.path < $1.path }
    result.milliseconds = (monotonicNanoseconds() - began) / 1_000_000
    return result
  }
}

extension StoreSearch {
  /// Of one file.
  private static let mostReasons = 8

  /// Decides on ids that stand bare between other bytes: one within the id of a document that the store has is that
  /// document's.
  private static func judge(_ readings: inout [FileFindings], _ files: [StoreFile]) throws {
    let wanted = readings.reduce(into: Set<UInt64>()) { all, file in
      for bare in file.bare { all.formUnion(bare.around) }
    }
    var living: Set<UInt64> = []
    if !wanted.isEmpty {
      for file in files where file.path.hasSuffix(".ids") && FileSystem.exists(file.path) {
        let mapped = try MappedFile(file.path)
        guard mapped.bytes.count % 8 == 0 else { continue }
        for word in mapped.bytes.bindMemory(to: UInt64.self) where wanted.contains(UInt64(littleEndian: word)) {
          living.insert(UInt64(littleEndian: word))
        }
        withExtendedLifetime(mapped) {}
      }
    }
    for place in readings.indices { readings[place].judgeBare(living) }
  }
}

/// What was found in one file.
private struct FileFindings: Sendable {
  let file: StoreFile
  var bytes: Int64 = 0
  /// Hits outside records of other documents.
  private var own: Set<SearchIndex.Hit> = []
  /// Hits in records of others, with some of these.
  private var others: [SearchIndex.Hit: String] = [:]
  private var hashes: Set<Int> = []
  /// Ids that stand between other bytes, with the hashes of the longer runs around them.
  private(set) var bare: [(document: Int, around: Set<UInt64>)] = []

  init(file: StoreFile) { self.file = file }

  /// The passages that other documents have too.
  var shared: Set<Int> { Set(others.keys.compactMap(\.passage)) }

  func finding(_ index: SearchIndex, shared: Set<Int>) -> StoreSearch.Finding? {
    let hits = own.filter { hit in hit.passage.map { !shared.contains($0) } ?? true }
    var finding = StoreSearch.Finding(path: file.path, names: file.names)
    finding.documents = Set((hits.map(\.document) + Array(hashes)).map { index.documents[$0] })
    finding.ids = hits.count { $0.passage == nil } + hashes.count
    finding.passages = hits.count { $0.passage != nil }
    finding.sharers = Set(others.values.sorted().prefix(8))
    return finding.documents.isEmpty && finding.sharers.isEmpty ? nil : finding
  }

  /// - Parameter living: hashes of ids that the store has.
  mutating func judgeBare(_ living: Set<UInt64>) {
    for found in bare where found.around.isDisjoint(with: living) {
      own.insert(SearchIndex.Hit(document: found.document))
    }
  }

  /// - Returns: what was not searched, or only as it is.
  mutating func read(
    _ index: SearchIndex, _ decode: @escaping StoreSearch.Decoder, _ isStopped: @escaping () -> Bool
  ) throws -> [String] {
    // One of another length or elsewhere is any file.
    if file.path.hasSuffix(".ids"), file.path.contains("/\(Workspace.idsPort)/"), file.bytes % 8 == 0 {
      bytes = file.bytes
      try readHashes(index)
      return []
    }
    var content = ContentSearch(index, decode: decode, isStopped: isStopped)
    do { try content.search(file.path) } catch let error as ShardError {
      return FileSystem.exists(file.path) ? [error.message] : []
    }
    (bare, bytes) = (content.bare, content.bytes)
    if !content.hits.isEmpty { try attribute(content.hits, index) }
    return content.reasons
  }

  /// Lists of ids by their hashes. That of a drop as removed is the fact that is to stay.
  private mutating func readHashes(_ index: SearchIndex) throws {
    let mapped = try MappedFile(file.path)
    guard mapped.bytes.count % 8 == 0 else { return }
    let words = mapped.bytes.bindMemory(to: UInt64.self)
    var places: [Int: [Int]] = [:]
    for (place, word) in words.enumerated() {
      let documents = index.documents(hash: UInt64(littleEndian: word))
      if !documents.isEmpty { places[place] = documents }
    }
    withExtendedLifetime(mapped) {}
    guard !places.isEmpty else { return }
    let facts = try DropFacts.removedLines(ofSidecar: file.path, Set(places.keys))
    for (place, documents) in places where !facts.contains(place) { hashes.formUnion(documents) }
  }

  // MARK: Whose record

  private func isLines() throws -> Bool {
    try file.path.hasSuffix(".jsonl") || file.path.contains(".jsonl.") || ParquetFile.isOne(file.path)
  }

  /// Tells hits in the records of other documents from those elsewhere.
  private mutating func attribute(_ hits: Set<SearchIndex.Hit>, _ index: SearchIndex) throws {
    own = hits
    var records: Set<SearchIndex.Hit> = []
    // An id in the text of another document is a word of it.
    func take(_ hit: SearchIndex.Hit, _ owners: [String], _ named: Set<Int>?) {
      if hit.passage == nil {
        if named?.contains(hit.document) ?? true { records.insert(hit) }
        return
      }
      let isOwn = owners.isEmpty || owners.contains { index.isOne(of: $0) }
      if isOwn { records.insert(hit) } else { others[hit] = owners[0] }
    }
    if try isLines() {
      let lines = LineReader(try ContentSearch.open(file.path))
      while let line = try lines.next() {
        var found: Set<SearchIndex.Hit> = []
        index.search(line) { found.insert($0) }
        if found.isEmpty { continue }
        let value = (try? JSONValue.parse(Array(line)))?.value
        let named = value.map { index.documents(in: $0, or: line) }
        for hit in found { take(hit, value?["id"]?.string.map { [$0] } ?? [], named) }
      }
      own = records
    } else if let shard = try? SampleOwners.shard(
      ArchivePath.folder(of: file.path), ArchivePath.lastPart(of: file.path))
    {
      let owners = SampleOwners(shard)
      for sample in 0..<shard.samples {
        var found: Set<SearchIndex.Hit> = []
        var named: Set<Int> = []
        try shard.sample(sample) { _, value in
          var here: Set<SearchIndex.Hit> = []
          index.search(value) { here.insert($0) }
          if here.contains(where: { $0.passage == nil }) {
            named.formUnion(index.documents(in: (try? JSONValue.parse(Array(value)))?.value, or: value))
          }
          found.formUnion(here)
        }
        if found.isEmpty { continue }
        let names = try owners.parts(of: sample).map(\.id)
        for hit in found { take(hit, names, named) }
      }
      own = records
    }
  }
}
