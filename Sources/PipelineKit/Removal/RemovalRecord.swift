public import ShardKit

/// One removal: which documents a store must not hold any more, why, and who asked. Holds digests, never an id or text.
///
/// `removed/NAME.json` in the store, next to `NAME.passages`; never changed once written.
public struct RemovalRecord: JSONRecord, Equatable, Sendable {
  public struct Document: Codable, Equatable, Sendable {
    /// SHA-256 of the id.
    public var id: Digest
    /// `recordHash` of the id, as in lists of ids.
    public var hash: Int64
    /// Bytes of the id, and 24 bits of the hash of its last eight: how it is found between other bytes.
    public var length: Int
    public var tail: Int
    /// Stages that bring it in.
    public var stages: [String]
    /// Their tasks that hold it: by what they read (`TaskIdentity.work`) and by fingerprint.
    public var tasks: [Digest]
  }

  var format = ManifestFormat.current
  public var pipeline: String
  /// Milliseconds since 1970.
  public var at: Int
  public var by: String
  public var reason: String
  public var documents: [Document]

  public init(pipeline: String, at: Int, by: String, reason: String, documents: [Document]) {
    self.pipeline = pipeline
    self.at = at
    self.by = by
    self.reason = reason
    self.documents = documents
  }
}

extension RemovalRecord {
  /// The file's content.
  /// - Parameter limit: in bytes; a record is read as a whole.
  /// - Throws: `RunError` (`.selection`) if it would be larger.
  func text(limit: Int) throws -> [UInt8] {
    // About 250 bytes per document and 75 per task of it: a far larger text is not even built.
    let estimate = documents.reduce(0) { $0 + 250 + 75 * ($1.tasks.count + $1.stages.count) }
    let text = estimate < 2 * limit ? Array(json.prettyText().utf8) : []
    guard estimate < 2 * limit, text.count <= limit else {
      throw RunError(
        .selection, "the record of \(documents.count) documents would be larger than \(limit) bytes",
        hint: "Nothing was recorded. Remove the documents in several parts, such as with shorter lists.")
    }
    return text
  }
}

extension RemovalRecord.Document {
  /// - Parameter tasks: see `tasks`.
  init(id: [UInt8], stages: [String], tasks: [Digest]) {
    self.init(
      id: Digester.digest(id), hash: Int64(bitPattern: recordHash(id)), length: id.count,
      tail: id.count < SearchIndex.tailBytes
        ? 0 : SearchIndex.tail(recordHash(Array(id.suffix(SearchIndex.tailBytes)))),
      stages: stages, tasks: tasks)
  }
}

/// What a store must not hold any more: the documents of all its removals.
public struct RemovalList: Sendable {
  /// A part of a node's identity: which documents were removed from what its stage brings in.
  public struct Part: Codable, Equatable, Sendable {
    public var documents: Int
    public var digest: Digest
  }

  public private(set) var records: [(name: String, record: RemovalRecord)] = []
  private var byHash: [UInt64: [Digest]] = [:]
  /// By the first 20 bits of the hashes, so that most of them cost one look.
  private var bits = [UInt64](repeating: 0, count: 1 << 14)
  private var byTask: [Digest: Set<Digest>] = [:]
  private var byStage: [String: Set<Digest>] = [:]

  /// None.
  public init() {}

  static func folder(_ root: String) -> String { root + "/removed" }
  static let mostRecordBytes = 1 << 30

  /// - Parameter names: the records to read, as `names(in:)` lists them.
  /// - Throws: `ShardError` if one cannot be read.
  init(root: String, names: [String]) throws(ShardError) {
    for name in names {
      try add(name, RemovalRecord(jsonFile: "\(Self.folder(root))/\(name).json", limit: Self.mostRecordBytes))
    }
  }

  /// - Parameter root: the store's folder.
  /// - Throws: `ShardError` if a record cannot be read.
  public init(root: String) throws(ShardError) { try self.init(root: root, names: Self.names(in: root)) }

  /// The names of all removals, oldest first.
  static func names(in root: String) throws(ShardError) -> [String] {
    let folder = folder(root)
    guard FileSystem.isDirectory(folder) else { return [] }
    return try FileSystem.list(folder, hidden: false, others: .passedOver)
      .filter { $0.hasSuffix(".json") && !$0.hasSuffix(".proof.json") }.map { String($0.dropLast(5)) }
  }

  private mutating func add(_ name: String, _ record: RemovalRecord) {
    records.append((name, record))
    for document in record.documents {
      let hash = UInt64(bitPattern: document.hash)
      byHash[hash, default: []].append(document.id)
      bits[Int(hash >> 50)] |= 1 << (hash >> 44 & 63)
      for stage in document.stages { byStage[stage, default: []].insert(document.id) }
      for task in document.tasks { byTask[task, default: []].insert(document.id) }
    }
  }

  public var isEmpty: Bool { byHash.isEmpty }

  /// Whether a document with this id was removed.
  public func contains(id: UnsafeRawBufferPointer) -> Bool {
    guard let digests = byHash[recordHash(id)] else { return false }
    return digests.contains(Digester.digest(Array(id)))
  }

  public func contains(id: [UInt8]) -> Bool { id.withUnsafeBytes { contains(id: $0) } }

  /// Whether a document with such a hash of its id was removed.
  func mayContain(hash: UInt64) -> Bool {
    bits[Int(hash >> 50)] >> (hash >> 44 & 63) & 1 == 1 && byHash[hash] != nil
  }

  /// The part of a node's identity; nil if its stage brings in none of the documents.
  func part(of stage: String) -> Part? {
    guard let ids = byStage[stage] else { return nil }
    return Part(documents: ids.count, digest: Self.digest(ids))
  }

  /// The role of the files that stand for removed documents among what a task reads, so that its fingerprint covers them.
  static let role = TaskInputs.Role("removed")

  /// The task, which must leave out what was removed of what it reads.
  func applied(to task: TaskPlan, use: String, phase: String, fingerprint: Digest) -> TaskPlan {
    guard !byTask.isEmpty else { return task }
    let work = TaskIdentity(options: .null, task: task).work(use: use, phase: phase)
    let ids = (byTask[work] ?? []).union(byTask[fingerprint] ?? [])
    guard !ids.isEmpty else { return task }
    let digest = Self.digest(ids)
    return task.with(inputs: [Self.role: [ArtifactFile(path: "", name: "documents", bytes: 0, digest: digest)]])
  }

  private static func digest(_ ids: Set<Digest>) -> Digest {
    var digester = Digester()
    for id in ids.sorted() { digester.update(field: id.hex) }
    return digester.finish()
  }

  /// How a removed document is called where its drop is recorded.
  static func alias(_ id: UnsafeRawBufferPointer) -> String { "removed:" + Digester.digest(Array(id)).short }
}

extension TaskIdentity {
  /// What the task works on, whatever the stage's options and the task's place among others.
  func work(use: String, phase: String) -> Digest {
    var digester = Digester()
    for field in ["work", use, phase, payload] { digester.update(field: field) }
    for (role, digest) in inputs.sorted(by: { $0.key < $1.key }) where role != RemovalList.role.name {
      digester.update(field: role)
      digester.update(field: digest)
    }
    return digester.finish()
  }
}

extension ArtifactStore {
  /// The store that a node's folder belongs to.
  static func root(ofNode directory: String) -> String {
    (0..<3).reduce(directory) { path, _ in ArchivePath.folder(of: path) }
  }
}
