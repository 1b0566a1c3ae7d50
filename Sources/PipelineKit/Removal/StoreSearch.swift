import Glibc
public import ShardKit
import Synchronization

/// Reads every byte of a store, decompressed, and finds the removed documents in it.
public struct StoreSearch: Sendable {
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
    /// Files that could not be decompressed, with the reason; they were searched as they are.
    public var unread: [(path: String, reason: String)] = []
    public var milliseconds = 0
  }

  let store: RunStore
  let jobs: Int

  public init(store: RunStore, jobs: Int = availableProcessors()) {
    self.store = store
    self.jobs = jobs
  }

  /// - Parameters:
  ///   - only: the paths to read; nil: everything.
  ///   - isStopped: asked often, on any thread; true ends the search.
  /// - Throws: `ShardError` if a folder cannot be listed or a record of a removal cannot be read; `StageError`
  ///   (`.cancelled`) after a request to stop.
  public func run(only: Set<String>? = nil, isStopped: @escaping @Sendable () -> Bool = { false }) throws -> Result {
    let began = monotonicNanoseconds()
    let index = try SearchIndex(root: store.root, store.removals())
    let files = try StoreFiles.all(store.root).filter { only?.contains($0.path) ?? true }
    let found = Mutex((files: [FileFindings](), unread: [(path: String, reason: String)]()))
    try inParallel(files.count, atOnce: jobs, lane: {}) { item, _ in
      let file = files[item]
      var reading = FileFindings(file: file)
      let reason = try reading.read(index, isStopped)
      found.withLock { found in
        found.files.append(reading)
        if let reason { found.unread.append((file.path, reason)) }
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
    result.unread = unread.sorted { $0.path < $1.path }
    // A passage that other documents have too says nothing of a file without records.
    let shared = readings.reduce(into: Set<Int>()) { $0.formUnion($1.shared) }
    result.findings = readings.compactMap { $0.finding(index, shared: shared) }.sorted { $0.path < $1.path }
    result.milliseconds = (monotonicNanoseconds() - began) / 1_000_000
    return result
  }
}

extension StoreSearch {
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

/// A file of a store, with all its names.
struct StoreFile: Sendable {
  /// One of its names: in a folder with an index, if there is one.
  var path: String
  var names: [String]
  var bytes: Int64
}

enum StoreFiles {
  /// Every file of the store once, hidden ones too; links are not followed. The records of removals are left out.
  static func all(_ root: String) throws(ShardError) -> [StoreFile] {
    var byInode: [UInt64: Int] = [:]
    var out: [StoreFile] = []
    var pending = [root]
    while let folder = pending.popLast() {
      for name in try FileSystem.list(folder, others: .passedOver) {
        let path = "\(folder)/\(name)"
        if path == RemovalList.folder(root) || isLink(path) { continue }
        guard let status = FileSystem.status(path) else { continue }
        if status.isDirectory {
          pending.append(path)
        } else if let place = byInode[status.inode] {
          out[place].names.append(path)
          if FileSystem.exists(ArchivePath.folder(of: path) + "/index.json") { out[place].path = path }
        } else {
          byInode[status.inode] = out.count
          out.append(StoreFile(path: path, names: [path], bytes: status.bytes))
        }
      }
    }
    return out.sorted { $0.bytes > $1.bytes }
  }

  private static func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
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
  private static let mostBare = 256

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

  /// - Returns: why it could not be decompressed; nil if it could.
  mutating func read(_ index: SearchIndex, _ isStopped: () -> Bool) throws -> String? {
    if file.path.hasSuffix(".ids") {
      bytes = file.bytes
      try readHashes(index)
      return nil
    }
    var hits: Set<SearchIndex.Hit> = []
    var reason: String?
    var bare: [(document: Int, around: Set<UInt64>)] = []
    func note(_ document: Int, _ around: () -> Set<UInt64>) {
      if bare.count < Self.mostBare { bare.append((document, around())) }
    }
    do { bytes = try index.search(try Self.open(file.path), isStopped, bare: note) { hits.insert($0) } } catch {
      guard let error = error as? ShardError else { throw error }
      // Nothing may escape because its file is damaged, or only looks compressed.
      guard FileSystem.exists(file.path) else { return nil }
      reason = error.message
      bytes = try index.search(try FileSource(file.path), isStopped, bare: note) { hits.insert($0) }
    }
    self.bare = bare
    if !hits.isEmpty { try attribute(hits, index) }
    return reason
  }

  private static func open(_ path: String) throws(ShardError) -> any ByteSource {
    if try ParquetFile.isOne(path) { return try ParquetLines(path) }
    return try openSource(path)
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
    guard hits.contains(where: { $0.passage != nil }) else { return }
    var records: Set<SearchIndex.Hit> = []
    func take(_ hit: SearchIndex.Hit, _ owners: [String]) {
      let isOwn = hit.passage == nil || owners.isEmpty || owners.contains { index.isOne(of: $0) }
      if isOwn { records.insert(hit) } else { others[hit] = owners[0] }
    }
    if try isLines() {
      let lines = LineReader(try Self.open(file.path))
      while let line = try lines.next() {
        var found: Set<SearchIndex.Hit> = []
        index.search(line) { found.insert($0) }
        if found.isEmpty { continue }
        let id = (try? JSONValue.parse(Array(line)).value)?["id"]?.string
        for hit in found { take(hit, id.map { [$0] } ?? []) }
      }
      own = records
    } else if let shard = try? SampleOwners.shard(
      ArchivePath.folder(of: file.path), ArchivePath.lastPart(of: file.path))
    {
      let owners = SampleOwners(shard)
      for sample in 0..<shard.samples {
        var found: Set<SearchIndex.Hit> = []
        try shard.sample(sample) { _, value in index.search(value) { found.insert($0) } }
        if found.isEmpty { continue }
        let names = try owners.parts(of: sample).map(\.id)
        for hit in found { take(hit, names) }
      }
      own = records
    }
  }
}
