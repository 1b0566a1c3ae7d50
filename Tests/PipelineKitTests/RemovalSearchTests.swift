import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// The search for removed documents: what is there is found wherever it stands, and nothing else is.
@Suite struct RemovalSearchTests {
  private let root = temporaryDirectory()
  private static let block = 4096
  private static let id = "removed/文書 7"
  private static let text = (0..<60).map { "\($0 * 7919 % 997)番の棚に古い地図が\($0)枚ある。" }.joined(separator: "\n")

  private func makeIndex() throws -> (SearchIndex, passages: [Passage]) {
    let id = Array(Self.id.utf8)
    let passages = Array(Self.text.utf8).withUnsafeBytes { Passage.of(text: $0, most: 24) }
    let record = RemovalRecord(
      pipeline: "p", at: 0, by: "b", reason: "r", documents: [.init(id: id, stages: [], tasks: [])])
    try FileSystem.makeDirectory(root + "/removed")
    try FileSystem.write(PassageFile(passages.map { (0, $0) }).bytes, to: PassageFile.path(root, "a"))
    try FileSystem.write(Array(record.json.text().utf8), to: root + "/removed/a.json")
    return (try SearchIndex(root: root, RemovalList(root: root)), passages)
  }

  /// Bytes in pieces of any size, as decompressors give them.
  private final class Pieces: ByteSource {
    let name = "pieces"
    private let bytes: [UInt8]
    private var at = 0
    private let size: Int

    init(_ bytes: [UInt8], size: Int) { (self.bytes, self.size) = (bytes, size) }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
      let count = min(size, buffer.count, bytes.count - at)
      buffer.copyBytes(from: bytes[at..<at + count])
      at += count
      return count
    }
  }

  private func hits(_ bytes: [UInt8], _ index: SearchIndex, pieces: Int = 1 << 16) throws -> Set<SearchIndex.Hit> {
    var found: Set<SearchIndex.Hit> = []
    #expect(try index.search(Pieces(bytes, size: pieces), blockBytes: Self.block) { found.insert($0) } == bytes.count)
    return found
  }

  @Test func everyPassageIsFoundAtTheEdgesOfBlocks() throws {
    let (index, passages) = try makeIndex()
    defer { try? FileSystem.removeTree(root) }
    #expect((18...24).contains(passages.count))
    let all = Set(passages.indices.map { SearchIndex.Hit(document: 0, passage: $0) })
    let text = Array(Self.text.utf8)
    let id = Array("\"\(Self.id)\"".utf8)
    let block = Self.block + SearchIndex.overlap
    for shift in [0, 31, 32, text.count / 2, SearchIndex.overlap] {
      let before = [UInt8](repeating: 0x2E, count: max(0, block - shift))
      let after = [UInt8](repeating: 0x2E, count: 40)
      #expect(try hits(before + text + after, index, pieces: 701) == all, "\(shift)")
      #expect(try hits(before + id + after, index) == [SearchIndex.Hit(document: 0)], "\(shift)")
    }
    #expect(try hits(text, index) == all)
    #expect(try hits(Array(Self.id.utf8), index) == [SearchIndex.Hit(document: 0)])
  }

  /// In an index, ids stand one after another; that of another document may begin with the removed one's.
  @Test func idsWithoutAnythingAround() throws {
    _ = try makeIndex()
    defer { try? FileSystem.removeTree(root) }
    let store = try RunStore(root: root)
    let longer = Self.id + "1"
    func ids(_ id: String) throws -> [StoreSearch.Finding] {
      try FileSystem.write(
        [0, 0, 9, 0x41] + Array(id.utf8) + Array("xyz".utf8) + [0, 7], to: root + "/artifacts/a/b/index/0.index")
      return try StoreSearch(store: store, jobs: 1).run().findings
    }
    try FileSystem.makeDirectory(root + "/artifacts/a/b/index")
    try FileSystem.makeDirectory(root + "/artifacts/a/b/ids/index")
    let found = try ids(Self.id)
    #expect(found.map(\.ids) == [1] && found.first?.path.hasSuffix("0.index") == true)
    #expect(try ids(longer).map(\.ids) == [1], "no document of the store has this id")
    let hash = recordHash(Array(longer.utf8))
    try FileSystem.write(
      withUnsafeBytes(of: hash.littleEndian) { Array($0) }, to: root + "/artifacts/a/b/ids/index/0.ids")
    #expect(try ids(longer) == [])
    #expect(try ids(Self.id).map(\.ids) == [1])
    #expect(try ids("removed/文書 8") == [])
  }

  @Test func onlyTheWholeIdCounts() throws {
    let (index, _) = try makeIndex()
    defer { try? FileSystem.removeTree(root) }
    for other in ["\"\(Self.id)1\"", "\"a\(Self.id)\"", "\"removed/文書\"", String(Self.id.dropLast())] {
      #expect(try hits(Array(other.utf8), index) == [], "\(other)")
    }
    // Eight bits of a passage changed: not the passage.
    var text = Array(Self.text.utf8)
    for at in stride(from: 0, to: text.count, by: 16) { text[at] ^= 1 }
    #expect(try hits(text, index) == [])
    var random = SplitMix(seed: 3)
    let noise = (0..<50_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    #expect(try hits(noise, index) == [])
  }

  /// Passages of token ids begin at whole ids, and escaped characters are in none.
  @Test func passagesStandAsTheyAreInFiles() throws {
    let text = "\"引用\"の後に/スラッシュと\\バックスラッシュ<b>が続き、それから引用符のない長い文がまだしばらく続いていく。"
    let document = Document(id: "a", text: text)
    var line: [UInt8] = []
    document.append(to: &line)
    let passages = document.text.withUnsafeBytes { Passage.of(text: $0, most: 24) }
    #expect(!passages.isEmpty)
    for passage in passages {
      let places = (0...(line.count - Passage.length)).filter { at in
        line.withUnsafeBytes { Passage(UnsafeRawBufferPointer(rebasing: $0[at..<at + Passage.length])) } == passage
      }
      #expect(places.count == 1)
    }
    let tokens = (0..<200).map { UInt16($0 * 31) }
    let found = tokens.withUnsafeBytes { bytes in
      Passage.of(tokens: bytes, width: 2, most: 24).map { passage in
        stride(from: 0, through: bytes.count - Passage.length, by: 2).contains { at in
          Passage(UnsafeRawBufferPointer(rebasing: bytes[at..<at + Passage.length])) == passage
        }
      }
    }
    #expect(found.count > 5 && found.allSatisfy { $0 })
    #expect([UInt8](repeating: 0x20, count: 500).withUnsafeBytes { Passage.of(text: $0, most: 24) } == [])
  }

  @Test(arguments: [
    ("example.com", "https://example.com/a", true), ("example.com", "http://www.Example.com:80?x", true),
    ("example.com", "https://notexample.com/", false), ("example.com", "https://a.org/example.com", false),
    ("example.com/blog", "https://example.com/blog/1", true), ("example.com/blog", "https://example.com/", false),
    ("https://example.com/a", "https://example.com/ab", false), ("https://example.com", "http://example.com/", false),
    ("example.com", "example.com", false),
  ])
  func addresses(_ pattern: String, _ url: String, _ isMatch: Bool) {
    #expect((AddressPattern(pattern)?.matches(url) ?? false) == isMatch)
    let document = Document(
      id: "1", text: "t", source: "s", metadata: ["url": .string(url), "n": ["m": 3], "licence": "CC BY"])
    let selection = RemovalSelection(conditions: [
      .url(pattern), .source("s"), .license("cc by"), .member(["n", "m"], "3"),
    ])
    #expect(selection.holds(for: document) == isMatch)
    #expect(!RemovalSelection(conditions: [.member(["n", "x"], "3")]).holds(for: document))
  }
}
