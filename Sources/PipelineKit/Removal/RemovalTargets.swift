import ShardKit

/// Where documents are in the newest outputs of a pipeline: what `pipeline remove` names before it changes anything.
public struct RemovalTargets: Sendable {
  /// How an output holds a document.
  public enum Form: String, Sendable, CaseIterable {
    /// Among the documents that a stage wrote.
    case document
    /// In a sample of an MDS data set, or of several documents.
    case sample
    /// In the record of a document that was dropped for it.
    case survivor
    /// In the record of its own drop.
    case drop
    /// In another file that has a list of ids.
    case listed
    /// In what the stage that brings it in writes before.
    case intermediate
  }

  public struct Place: Sendable, Equatable {
    /// An id, by its place in `ids`.
    public var document: Int
    public var stage: String
    /// `PORT/FILE`
    public var file: String
    public var form: Form
  }

  /// What brings a document in: the first stage that wrote or dropped it.
  struct Origin: Sendable, Hashable {
    var document: Int
    var stage: String
    var phase: String
    var key: String
    /// The fingerprint of the task that did.
    var fingerprint: Digest
  }

  public private(set) var ids: [String]
  public private(set) var places: [Place] = []
  /// By document: those dropped for it, and those that it was dropped for.
  public private(set) var relatives: [Int: Set<String>] = [:]
  private(set) var origins: Set<Origin> = []
  private(set) var passages: [Int: Set<Passage>] = [:]
  public private(set) var textBytes: [Int: Int] = [:]

  /// The ids that no output holds.
  public var missing: [String] {
    let found = Set(places.map(\.document))
    return ids.indices.filter { !found.contains($0) }.map { ids[$0] }
  }

  /// Searches the newest output of every stage.
  /// - Parameter withRelatives: also finds the copies of each document: what was dropped for it, what it was dropped
  ///   for, and so on.
  /// - Throws: `RunError` or `ShardError` if the database or an output cannot be read.
  public init(ids: [String], withRelatives: Bool = false, graph: Graph, store: RunStore) throws {
    var wanted = Self.distinct(ids)
    while true {
      self.init(wanted)
      try find(graph, store)
      guard withRelatives else { return }
      let known = Set(wanted.map { ExactText($0) })
      let more = relatives.values.flatMap { $0 }.filter { !known.contains(ExactText($0)) }
      if more.isEmpty { return }
      wanted = Self.distinct(wanted + more.sorted())
    }
  }

  private init(_ ids: [String]) { self.ids = ids }

  private static func distinct(_ ids: [String]) -> [String] {
    var seen: Set<ExactText> = []
    return ids.filter { seen.insert(ExactText($0)).inserted }
  }

  private mutating func find(_ graph: Graph, _ store: RunStore) throws {
    let wanted = WantedIDs(ids)
    // By document: `STAGE.PORT` that hold it.
    var held = [Set<String>](repeating: [], count: ids.count)
    for index in graph.order {
      let node = graph.nodes[index]
      guard let manifest = try store.newestSealed(stage: node.name, pipeline: graph.document.name)?.manifest else {
        continue
      }
      var reading = TargetReading(
        directory: store.artifacts.directory(of: manifest), manifest: manifest, node: node, wanted: wanted)
      try reading.read()
      let tasks = try Self.tasks(of: manifest, store)
      for found in reading.found {
        places.append(Place(document: found.document, stage: node.name, file: found.file, form: found.form))
        guard found.form == .document || found.form == .drop else { continue }
        let isRead = node.edges.contains {
          held[found.document].contains("\(graph.nodes[$0.source].name).\($0.output)")
        }
        if !isRead {
          let task = tasks[ExactText(found.file)]
          origins.insert(
            Origin(
              document: found.document, stage: node.name, phase: task?.phase ?? "", key: task?.key ?? "",
              fingerprint: task?.fingerprint ?? manifest.fingerprint))
        }
      }
      let here = Set(origins.filter { $0.stage == node.name }.map(\.document))
      for (document, file) in try reading.intermediates(of: here) {
        places.append(Place(document: document, stage: node.name, file: file, form: .intermediate))
        guard let task = tasks[ExactText(file)] else { continue }
        origins.insert(
          Origin(
            document: document, stage: node.name, phase: task.phase, key: task.key, fingerprint: task.fingerprint))
      }
      for found in reading.found where [.document, .sample, .listed].contains(found.form) {
        held[found.document].insert("\(node.name).\(ArchivePath.parts(found.file)[0])")
      }
      for (document, others) in reading.relatives { relatives[document, default: []].formUnion(others) }
      for (document, found) in reading.passages { passages[document, default: []].formUnion(found) }
      textBytes.merge(reading.textBytes) { max($0, $1) }
    }
  }

  /// The tasks that wrote a node's files, by `PORT/FILE`.
  private static func tasks(of manifest: NodeManifest, _ store: RunStore) throws -> [ExactText: TaskManifest] {
    var out: [ExactText: TaskManifest] = [:]
    for task in try store.artifacts.taskManifests(in: store.artifacts.directory(of: manifest)) {
      for file in task.files { out[ExactText("\(file.port)/\(file.name)")] = task }
    }
    return out
  }

  /// The record that declares these documents removed.
  /// - Throws: `RunError` or `ShardError` if the database cannot be read.
  func documents(pipeline: String, graph: Graph, store: RunStore) throws -> [RemovalRecord.Document] {
    var works: [[String]: Digest] = [:]
    for stage in Set(origins.map(\.stage)) {
      guard let node = graph.index(of: stage) else { continue }
      for row in try store.taskVerdicts(stage: stage, pipeline: pipeline) {
        works[[stage, row.phase, row.key]] =
          row.identity?.work(use: graph.nodes[node].description.name, phase: row.phase)
      }
    }
    let byDocument = Dictionary(grouping: origins, by: \.document)
    return ids.indices.map { document in
      let id = Array(ids[document].utf8)
      let mine = byDocument[document] ?? []
      let tasks = mine.flatMap { [$0.fingerprint] + (works[[$0.stage, $0.phase, $0.key]].map { [$0] } ?? []) }
      return RemovalRecord.Document(
        id: id, stages: Set(mine.map(\.stage)).sorted(), tasks: Set(tasks).sorted())
    }
  }
}

/// Ids to find, by their hashes.
struct WantedIDs: Sendable {
  let ids: [[UInt8]]
  private let byHash: [UInt64: [Int]]
  private let bits: [Bool]

  init(_ ids: [String]) {
    self.ids = ids.map { Array($0.utf8) }
    byHash = Dictionary(grouping: self.ids.indices, by: { [all = self.ids] in recordHash(all[$0]) })
    var bits = [Bool](repeating: false, count: 1 << 16)
    for hash in byHash.keys { bits[Int(hash >> 48)] = true }
    self.bits = bits
  }

  @inline(__always)
  func mayHave(_ hash: UInt64) -> Bool { bits[Int(hash >> 48)] && byHash[hash] != nil }

  /// The places of the ids with this hash.
  @inline(__always)
  func places(hash: UInt64) -> [Int] { bits[Int(hash >> 48)] ? byHash[hash] ?? [] : [] }

  /// The place of an id; nil if it is not wanted.
  func place(of id: some Collection<UInt8>) -> Int? {
    let bytes = Array(id)
    return byHash[recordHash(bytes)]?.first { ids[$0] == bytes }
  }

  /// The same for an id that may be a repeated document's, such as `id#2`.
  func placeOfOriginal(_ id: some Collection<UInt8>) -> Int? {
    if let place = place(of: id) { return place }
    let bytes = Array(id)
    guard let mark = bytes.lastIndex(of: UInt8(ascii: "#")), mark + 1 < bytes.count,
      bytes[(mark + 1)...].allSatisfy({ $0 >= 48 && $0 <= 57 })
    else { return nil }
    return place(of: bytes[..<mark])
  }
}
