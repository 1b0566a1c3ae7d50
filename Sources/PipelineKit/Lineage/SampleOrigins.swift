public import ShardKit

/// Where the documents of samples come from: their source records, and every artifact on the way.
public struct SampleOrigins: Sendable {
  /// A document of a sample.
  public struct Origin: Sendable {
    /// nil if neither the sample names it nor an artifact has it.
    public var id: String?
    /// The document that it is an intentional copy or a part of, by whose id it was found.
    public var original: String?
    /// Sources first.
    public var places: [RecordSearch.Place]
    /// Where it stands in the source's own file; nil if that is not known.
    public var input: SourcePlaces.Place?
    /// The document as its source wrote it; nil if no artifact has it.
    public var record: Document?
    /// The beginning of the text that became the sample.
    public var excerpt = ""
    public var textBytes: Int?
  }

  public private(set) var samples: [SampleParts]
  /// By `SampleParts.Part.hash`.
  public private(set) var origins: [UInt64: Origin] = [:]
  /// Artifacts that are no longer in the store.
  public private(set) var missing: [String]

  /// - Throws: `ShardError` if an artifact's file cannot be read.
  public init(_ samples: [SampleParts], ancestry: ArtifactAncestry, store: RunStore) throws {
    self.samples = samples
    missing = ancestry.missing
    for part in samples.lazy.flatMap(\.parts) where origins[part.hash] == nil {
      origins[part.hash] = Origin(id: part.id, places: [])
    }
    let search = RecordSearch(ancestry, store: store)
    for (hash, places) in try search.places(of: origins.keys) { origins[hash]!.places = places }
    try findOriginals(search, ancestry)
    try readDocuments()
  }

  /// Copies and parts have ids such as `ID#2` from the stage on that made them; before it, the document is `ID`. Where
  /// another stage brought the id in, such as a source, it is a document of its own.
  private mutating func findOriginals(_ search: RecordSearch, _ ancestry: ArtifactAncestry) throws {
    let makers = Self.makers(ancestry)
    var copies: [UInt64: [UInt64]] = [:]
    for (hash, origin) in origins {
      guard let original = origin.id.flatMap(Self.original), let first = origin.places.first?.stage,
        makers[first] != nil
      else { continue }
      copies[recordHash(Array(original.utf8)), default: []].append(hash)
    }
    guard !copies.isEmpty else { return }
    for (found, places) in try search.places(of: copies.keys) {
      for hash in copies[found] ?? [] {
        let own = origins[hash]!.places
        let before = makers[own[0].stage]!
        let earlier = places.filter { before.contains($0.stage) }
        guard !earlier.isEmpty else { continue }
        origins[hash]!.original = origins[hash]!.id.flatMap(Self.original)
        origins[hash]!.places = earlier + own
      }
    }
  }

  /// The stages that made copies or parts of what they read, each with the stages before it.
  private static func makers(_ ancestry: ArtifactAncestry) -> [String: Set<String>] {
    var makers: [String: Set<String>] = [:]
    var before: Set<String> = []
    for manifest in ancestry.artifacts.map(\.manifest) {
      let reads = manifest.identity.inputs.contains { $0.input != StageAccount.input }
      if reads, !manifest.ledger.repeated.isEmpty, makers[manifest.stage] == nil { makers[manifest.stage] = before }
      before.insert(manifest.stage)
    }
    return makers
  }

  /// `ID` for `ID#2`.
  static func original(of id: String) -> String? {
    guard let mark = id.lastIndex(of: "#"), mark > id.startIndex else { return nil }
    let number = id[id.index(after: mark)...]
    return !number.isEmpty && number.utf8.allSatisfy { (48...57).contains($0) } ? String(id[..<mark]) : nil
  }

  private mutating func readDocuments() throws {
    var wanted: [RecordSearch.Place: Set<UInt64>] = [:]
    for (hash, origin) in origins {
      let kept = origin.places.filter(\.isKept)
      for place in [kept.first, kept.last] {
        if let place { wanted[place, default: []].insert(hash) }
      }
    }
    var found = origins
    try RecordSearch.read(Array(wanted.keys)) { place, document in
      for hash in wanted[place] ?? [] { found[hash]!.take(document, at: place) }
    }
    for hash in found.keys {
      guard let first = found[hash]!.places.first else { continue }
      found[hash]!.input = try SourcePlaces.place(of: first.path, ordinal: first.ordinal)
    }
    origins = found
  }
}

extension SampleOrigins.Origin {
  private static let excerptCharacters = 80

  fileprivate mutating func take(_ document: Document, at place: RecordSearch.Place) {
    let kept = places.filter(\.isKept)
    if place == kept.first { record = document }
    guard place == kept.last else { return }
    if id == nil { id = document.idString }
    let head = String(decoding: document.text.prefix(8 * Self.excerptCharacters), as: UTF8.self)
    excerpt = String(head.prefix(Self.excerptCharacters))
    textBytes = document.text.count
  }
}
