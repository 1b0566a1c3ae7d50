public import ShardKit

/// The path of one document through a pipeline: what every stage did with it, in graph order.
public struct DocumentTrace: Sendable {
  /// Where a stage wrote the document.
  public struct Location: Sendable, Equatable {
    public var port: String
    /// Path of the file that contains it.
    public var path: String
    /// Its position in the file, from 0: a line, or the sample of an MDS shard.
    public var ordinal: Int
    /// The id in that file; intentional repeats carry a suffix such as `#2`.
    public var id: String
    /// Bytes of its text; nil if the format does not record them.
    public var textBytes: Int?
    /// False if the record could not be read, so that only the hash of its id matches.
    public var isVerified: Bool
    public var kind: ArtifactKind
  }

  public struct Drop: Sendable, Equatable {
    public var reason: String
    public var bytes: Int
    public var value: Double?
    public var threshold: Double?
    public var survivor: String?
    public var detail: String?
  }

  /// Why a stage neither wrote nor dropped a document.
  public enum Absence: Sendable, Equatable {
    /// The stage has no finished output.
    case notRun
    /// Nothing that the stage reads contains the document.
    case notReached
    /// The stage merges documents and does not record which; the reasons that it merges for.
    case merged([String])
    /// The stage reads documents and writes none.
    case consumed
    /// A source that does not contain it, or a stage that writes it under another id.
    case notSeen
  }

  public struct Step: Sendable {
    public var stage: String
    public var use: String
    public var places: [Location]
    public var drops: [Drop]
    /// What was done to it where it stays, such as passages that were cut out.
    public var notes: [Drop] = []
    /// Set if there are neither places nor drops.
    public var absence: Absence?
    /// Whether documents are wired to it.
    public var readsDocuments: Bool
  }

  public var id: String
  public var steps: [Step]

  /// True if any stage wrote or dropped it.
  public var isFound: Bool { steps.contains { !$0.places.isEmpty || !$0.drops.isEmpty } }
  /// The document that it was dropped for, if a stage recorded one.
  public var survivor: String? { steps.lazy.flatMap(\.drops).compactMap(\.survivor).first }
}

extension DocumentTrace {
  /// Searches the newest output of every stage. Scans eight bytes per document, and reads one file per hit.
  /// - Throws: `RunError` or `ShardError` if the database or an artifact's file cannot be read.
  public init(id: String, graph: Graph, store: RunStore) throws {
    self.id = id
    steps = []
    var kept: Set<String> = []
    var copies = CopiedIDs()
    let manifests = try graph.nodes.map { node in
      try store.newestSealed(stage: node.name, pipeline: graph.document.name)?.manifest
    }
    let hasCopies = manifests.contains { $0?.ledger.repeated.isEmpty == false }
    for index in graph.order {
      let node = graph.nodes[index]
      var step = Step(
        stage: node.name, use: node.description.name, places: [], drops: [], absence: .notRun,
        readsDocuments: node.readsDocuments)
      let repeats = copies.mayBe(from: index, node, manifests[index])
      if let manifest = manifests[index] {
        let reading = TraceReading(
          directory: store.artifacts.directory(of: manifest), manifest: manifest, outputs: node.description.outputs)
        try reading.search(id, into: &step)
        if hasCopies { try reading.searchCopies(of: id, repeats: repeats, &copies, into: &step) }
        let isReached = node.edges.contains { kept.contains("\(graph.nodes[$0.source].name).\($0.output)") }
        step.absence = step.places.isEmpty && step.drops.isEmpty ? Self.absence(manifest, node, isReached) : nil
        for place in step.places { kept.insert("\(node.name).\(place.port)") }
      }
      steps.append(step)
    }
  }

  private static func absence(_ manifest: NodeManifest, _ node: Graph.Node, _ isReached: Bool) -> Absence {
    let merged = manifest.ledger.merged.keys.sorted()
    if node.edges.isEmpty { return .notSeen }
    guard isReached else { return .notReached }
    let writes = node.description.outputs.contains { !$0.isHidden && ($0.kind == .documents || $0.kind == .mds) }
    if manifest.ledger.consumed.documents > 0 || !writes { return .consumed }
    return merged.isEmpty ? .notSeen : .merged(merged)
  }
}

extension Graph.Node {
  /// Whether documents are wired to it; external files do not count.
  var readsDocuments: Bool {
    edges.contains { edge in description.inputs.contains { $0.name == edge.input && $0.kind == .documents } }
  }
}

/// Which ids such as `ID#2` are copies: those that a stage made of what it read, and not a source's own.
private struct CopiedIDs {
  private var nodes: Set<Int> = []
  /// Ids that stages without copies wrote.
  private(set) var own: Set<String> = []

  /// Whether the documents of a node may be copies.
  mutating func mayBe(from index: Int, _ node: Graph.Node, _ manifest: NodeManifest?) -> Bool {
    let makes = manifest?.ledger.repeated.isEmpty == false && !node.edges.isEmpty
    guard makes || node.edges.contains(where: { nodes.contains($0.source) }) else { return false }
    nodes.insert(index)
    return true
  }

  mutating func note(own id: String) { own.insert(id) }
}

/// Finds one document in one stage's files.
private struct TraceReading {
  let directory: String
  let manifest: NodeManifest
  let outputs: [OutputPort]
  /// See `NodeManifest.passedFiles`.
  private let passed: Set<ExactText>

  init(directory: String, manifest: NodeManifest, outputs: [OutputPort]) {
    self.directory = directory
    self.manifest = manifest
    self.outputs = outputs
    passed = manifest.passedFiles()
  }

  func search(_ id: String, into step: inout DocumentTrace.Step) throws {
    try note(IDSearch(directory: directory, manifest: manifest).hits(Array(id.utf8)), of: id, in: &step)
  }

  func searchCopies(
    of id: String, repeats: Bool, _ copies: inout CopiedIDs, into step: inout DocumentTrace.Step
  ) throws {
    let search = IDSearch(directory: directory, manifest: manifest)
    for copy in (2..<10_000).lazy.map({ "\(id)#\($0)" }) {
      let hits = try search.hits(Array(copy.utf8))
      if !repeats {
        guard !hits.isEmpty else { return }
        copies.note(own: copy)
      } else if !copies.own.contains(copy) {
        let before = step.places.count + step.drops.count
        try note(hits, of: copy, in: &step)
        guard step.places.count + step.drops.count > before else { return }
      }
    }
  }

  private func note(_ hits: [IDSearch.Hit], of id: String, in step: inout DocumentTrace.Step) throws {
    for hit in hits {
      guard let slash = hit.file.utf8.firstIndex(of: 0x2F) else { continue }
      let port = String(hit.file[..<slash])
      let path = "\(directory)/\(hit.file)"
      if port == Workspace.dropsPort {
        if let drop = try drop(id, path, hit.ordinal) { step.drops.append(drop) }
      } else if port == Workspace.notesPort {
        if let note = try drop(id, path, hit.ordinal) { step.notes.append(note) }
      } else if let output = outputs.first(where: { $0.name == port && !$0.isHidden }) {
        if let place = try place(id, output, path, hit) { step.places.append(place) }
      }
    }
  }

  /// nil if another id has the same hash.
  private func drop(_ id: String, _ path: String, _ ordinal: Int) throws -> DocumentTrace.Drop? {
    guard let line = try line(path, ordinal), let json = try? JSONValue.parse(line).value,
      let name = json["id"]?.string,
      name == id || Array(id.utf8).withUnsafeBytes({ RemovalList.alias($0) }) == name
    else { return nil }
    return DocumentTrace.Drop(
      reason: json["reason"]?.string ?? "", bytes: json["bytes"]?.integer ?? 0, value: json["value"]?.double,
      threshold: json["threshold"]?.double, survivor: json["survivor"]?.string, detail: json["detail"]?.string)
  }

  private func place(
    _ id: String, _ output: OutputPort, _ path: String, _ hit: IDSearch.Hit
  ) throws -> DocumentTrace.Location? {
    var place = DocumentTrace.Location(
      port: output.name, path: path, ordinal: hit.ordinal, id: id, textBytes: nil, isVerified: false,
      kind: output.kind)
    switch output.kind {
    case .documents where passed.contains(ExactText(hit.file)): break
    case .documents:
      guard let line = try line(path, hit.ordinal) else { return nil }
      let reader = DocumentReader(MemorySource(line, name: path))
      guard let document = try reader.next(), document.idString == id else { return nil }
      place.textBytes = document.text.count
      place.isVerified = true
    case .mds: return try verified(place)
    default: break
    }
    return place
  }

  /// Reads the sample; nil if its `id` column has another id.
  private func verified(_ place: DocumentTrace.Location) throws -> DocumentTrace.Location? {
    let name = ArchivePath.lastPart(of: place.path)
    let reader = try MDSReader(directory: "\(directory)/\(place.port)")
    guard let number = reader.index.shards.firstIndex(where: { $0.stored.basename == name || $0.raw.basename == name })
    else { return place }
    let shard = try reader.shard(number, verify: false)
    if let column = shard.columns.firstIndex(where: { $0.name == "documents" && $0.encoding == .json }) {
      return try packed(place, shard, column)
    }
    guard place.ordinal < shard.samples, let column = shard.columns.firstIndex(where: { $0.name == "id" }) else {
      return place
    }
    guard try shard.value(column, of: place.ordinal).elementsEqual(place.id.utf8) else { return nil }
    var place = place
    place.isVerified = true
    if let text = shard.columns.firstIndex(where: { $0.name == "text" }) {
      place.textBytes = try shard.value(text, of: place.ordinal).count
    }
    return place
  }

  /// Samples of several documents: the list of ids has one per document of each sample.
  private func packed(
    _ place: DocumentTrace.Location, _ shard: MDSShardReader, _ column: Int
  ) throws -> DocumentTrace.Location? {
    var before = 0
    for sample in 0..<shard.samples {
      let parts = SampleReading.packed(Array(try shard.value(column, of: sample)))
      defer { before += parts.count }
      guard place.ordinal < before + parts.count else { continue }
      guard parts[place.ordinal - before].id == place.id else { return nil }
      var place = place
      place.ordinal = sample
      place.isVerified = true
      return place
    }
    return nil
  }

  private func line(_ path: String, _ ordinal: Int) throws -> [UInt8]? {
    let lines = LineReader(try openSource(path))
    for _ in 0..<ordinal { guard try lines.next() != nil else { return nil } }
    return try lines.next().map { Array($0) }
  }
}

extension DocumentTrace {
  public var json: JSONValue { ["id": .string(id), "found": .bool(isFound), "stages": .list(steps.map(\.json))] }
}

extension DocumentTrace.Step {
  var json: JSONValue {
    [
      "stage": .string(stage), "use": .string(use), "verdict": .string(verdictName),
      "places": .list(
        places.map {
          [
            "port": .string($0.port), "kind": .string($0.kind.rawValue), "path": .string($0.path),
            "ordinal": .integer($0.ordinal), "id": .string($0.id),
            "textBytes": $0.textBytes.map { .integer($0) } ?? .null, "verified": .bool($0.isVerified),
          ]
        }),
      "drops": .list(drops.map(\.json)), "notes": .list(notes.map(\.json)),
    ]
  }

  /// `kept`, `dropped`, `notRun`, `notReached`, `merged`, `consumed` or `notSeen`.
  public var verdictName: String {
    if !places.isEmpty { return "kept" }
    if !drops.isEmpty { return "dropped" }
    return switch absence {
    case .notRun: "notRun"
    case .notReached: "notReached"
    case .merged: "merged"
    case .consumed: "consumed"
    case .notSeen, nil: "notSeen"
    }
  }
}

extension DocumentTrace.Drop {
  var json: JSONValue {
    [
      "reason": .string(reason), "bytes": .integer(bytes), "value": value.map { .number($0) } ?? .null,
      "threshold": threshold.map { .number($0) } ?? .null, "survivor": survivor.map { .string($0) } ?? .null,
      "detail": detail.map { .string($0) } ?? .null,
    ]
  }
}
