public import ShardKit

/// Finds many documents in the artifacts that an output was made from, by the hashes of their ids.
///
/// Reads eight bytes per document of every artifact, and the files that documents were found in.
public struct RecordSearch {
  /// Where an artifact has a document.
  public struct Place: Hashable, Sendable {
    public var stage: String
    /// The stage's kind.
    public var use: String
    /// `port/file` in the stage's output.
    public var file: String
    public var path: String
    /// From 0.
    public var ordinal: Int
    /// Whether the file has the documents: they may have gone to the next stage in memory.
    var isKept = true
  }

  private let ancestry: ArtifactAncestry
  private let store: RunStore

  public init(_ ancestry: ArtifactAncestry, store: RunStore) {
    self.ancestry = ancestry
    self.store = store
  }

  /// The places of documents, sources first, by `recordHash` of the id.
  /// - Throws: `ShardError` if a list of ids cannot be read.
  public func places(of hashes: some Sequence<UInt64>) throws -> [UInt64: [Place]] {
    let wanted = HashSet(hashes)
    var places: [UInt64: [Place]] = [:]
    for artifact in ancestry.artifacts {
      let manifest = artifact.manifest
      let folder = store.artifacts.directory(of: manifest)
      let passed = manifest.passedFiles()
      for sidecar in manifest.files(of: Workspace.idsPort) where sidecar.name.hasPrefix(artifact.port + "/") {
        let file = String(sidecar.name.dropLast(".ids".count))
        guard DocumentFileName.isOne(file) else { continue }
        let mapped = try MappedFile("\(folder)/\(Workspace.idsPort)/\(sidecar.name)")
        let isKept = !passed.contains(ExactText(file))
        wanted.forEachHit(in: mapped.bytes.bindMemory(to: UInt64.self)) { hash, ordinal in
          places[hash, default: []].append(
            Place(
              stage: manifest.stage, use: manifest.identity.use, file: file, path: "\(folder)/\(file)",
              ordinal: ordinal, isKept: isKept))
        }
        withExtendedLifetime(mapped) {}
      }
    }
    return places
  }

  /// Reads the documents at these places; each file once, up to the last place in it.
  /// - Throws: `ShardError` if a file cannot be read, or a line of it is not a document.
  public static func read(_ places: [Place], _ body: (Place, Document) throws -> Void) throws {
    for (path, places) in Dictionary(grouping: Set(places.filter(\.isKept)), by: \.path).sorted(by: { $0.key < $1.key })
    {
      let lines = LineReader(try openSource(path))
      for place in places.sorted(by: { $0.ordinal < $1.ordinal }) {
        while lines.number < place.ordinal { guard try lines.next() != nil else { break } }
        guard let line = try lines.next() else { break }
        let reader = DocumentReader(MemorySource(Array(line), name: path))
        if let document = try reader.next() { try body(place, document) }
      }
    }
  }
}

/// The files of documents in an artifact have names of their own; other ports may have lists of ids too.
private enum DocumentFileName {
  static func isOne(_ name: String) -> Bool { name.contains(".jsonl") }
}

/// Some hashes, to be found among many.
private struct HashSet {
  private let hashes: Set<UInt64>
  /// By the low 16 bits: most others fail here.
  private var mayBe = [Bool](repeating: false, count: 1 << 16)

  init(_ hashes: some Sequence<UInt64>) {
    self.hashes = Set(hashes)
    for hash in self.hashes { mayBe[Int(hash & 0xFFFF)] = true }
  }

  func forEachHit(in words: UnsafeBufferPointer<UInt64>, _ body: (UInt64, Int) -> Void) {
    mayBe.withUnsafeBufferPointer { mayBe in
      for (ordinal, word) in words.enumerated() {
        let hash = UInt64(littleEndian: word)
        if mayBe[Int(hash & 0xFFFF)], hashes.contains(hash) { body(hash, ordinal) }
      }
    }
  }
}
