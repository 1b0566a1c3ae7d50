import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

@Suite struct DedupeParagraphsTests {
  private func deduplicated(
    _ files: [[Document]], _ options: [JSONMember] = [], backwards: Bool = false, memoryBytes: Int = 1 << 28
  ) throws -> StageHarness {
    let harness = try StageHarness(
      DedupeParagraphs.self, options: .object([JSONMember("minimumCharacters", 4)] + options))
    try harness.add(documents: files)
    return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
  }

  @Test func linesAndBlocksAreRemovedWithTheirEnds() throws {
    let documents = [
      Document(id: "a", text: "利用規約に同意する\n山の朝は早い。\n\n川の水は冷たい。\n"),
      Document(id: "b", text: "利用規約に同意する　\r\n町の夜は長い。\n短い\n短い\n\n\n山の朝は早い。"),
      Document(id: "c", text: "川の水は冷たい。\n利用規約に同意する"),
    ]
    let lines = try deduplicated([documents])
    #expect(try lines.documents().map(\.textString) == [documents[0].textString, "町の夜は長い。\n短い\n短い"])
    #expect(
      try lines.drops() == [
        .init(id: "c", reason: "copied-paragraphs", value: 0, threshold: 1, detail: "2 paragraphs were copies")
      ])
    #expect(lines.ledger.imbalance == 0)
    #expect(lines.metrics["paragraphs-removed"] == 4 && lines.metrics["documents-shortened"] == 1)
    // Characters of the corpus: what came in is what goes out, what was removed and what the dropped had left.
    let before = documents.reduce(0) { $0 + $1.textString.unicodeScalars.count }
    let after = try lines.documents().reduce(0) { $0 + $1.textString.unicodeScalars.count }
    #expect(lines.metrics["characters-removed"]! + (lines.metrics["characters-dropped"] ?? 0) == Double(before - after))
    let blocks = [
      Document(id: "a", text: "一行目です。\n二行目です。\n \n\n終わりです。"), Document(id: "b", text: "始まりです。\n\n一行目です。\n二行目です。"),
      Document(id: "c", text: "一行目です。\n\n二行目です。"),
    ]
    let block = try deduplicated([blocks], [JSONMember("unit", "block")])
    #expect(try block.documents().map(\.textString) == [blocks[0].textString, "始まりです。", blocks[2].textString])
  }

  @Test func copiesAreKeptBySource() throws {
    let text = "同じ段落がどこにでもある。"
    let files = [
      [Document(id: "w1", text: text, source: "web"), Document(id: "w2", text: text, source: "web")],
      [
        Document(id: "book", text: text, source: "books"),
        Document(id: "w3", text: "\(text)\n\(text)\n別の段落である。", source: "web"),
      ],
    ]
    #expect(try deduplicated(files).documents().map(\.idString) == ["w1", "w3"])
    let books = try deduplicated(files, [JSONMember("sources", .strings(["books"])), JSONMember("copies", 2)])
    #expect(try books.documents().map(\.idString) == ["w1", "book", "w3"])
    let long = try deduplicated(files, [JSONMember("minimumRemaining", 20)])
    #expect(try long.drops().map(\.id) == ["w2", "book", "w3"])
  }

  /// A document too short for what is asked stays if it holds what was removed elsewhere.
  @Test func theKeptCopyIsNotDropped() throws {
    let documents = [
      Document(id: "a", text: "同じ段落がここにある。"), Document(id: "b", text: "もう一つの段落。\n同じ段落がここにある。"),
      Document(id: "c", text: "もう一つの段落。\nこの文書だけの長い段落がここにある。"),
      Document(id: "d", text: "短いだけの段落。\n同じ段落がここにある。"),
    ]
    let harness = try deduplicated([documents], [JSONMember("minimumRemaining", 15)])
    #expect(try harness.documents().map(\.textString) == ["同じ段落がここにある。", "もう一つの段落。", "この文書だけの長い段落がここにある。"])
    #expect(try harness.drops().map(\.id) == ["d"] && harness.ledger.imbalance == 0)
  }

  /// What the stage does with sorted hashes on disk is what a dictionary of all paragraphs does.
  @Test func agreesWithADictionaryInEveryArrangement() throws {
    var random = SplitMix(seed: 21)
    let phrases = (0..<300).map { "第\($0)の段落、\(["山", "川", "空"][$0 % 3])の話である。" }
    let documents = (0..<200).map { number in
      let lines = (0..<Int.random(in: 1...8, using: &random)).map { _ in
        Bool.random(using: &random) ? phrases.randomElement(using: &random)! : "\(number)番だけの段落\(random.next() % 1000)。"
      }
      return Document(id: "d\(number)", text: lines.joined(separator: "\n"), source: ["a", "b", "c"][number % 3])
    }
    let cases: [(Int, Int, [String])] = [(1, 1, ["a", "b"]), (4, 2, ["c"]), (7, 3, [])]
    for (parts, copies, order) in cases {
      let size = (documents.count + parts - 1) / parts
      let files = stride(from: 0, to: documents.count, by: size).map {
        Array(documents[$0..<min($0 + size, documents.count)])
      }
      let options = [JSONMember("copies", .integer(copies)), JSONMember("sources", .strings(order))]
      let harness = try deduplicated(files, options)
      #expect(try harness.documents().map(\.textString) == reference(documents, copies: copies, order: order))
      #expect(harness.ledger.imbalance == 0)
      #expect(try deduplicated(files, options, backwards: true, memoryBytes: 4096).digests == harness.digests)
    }
  }

  private func reference(_ documents: [Document], copies: Int, order: [String]) -> [String] {
    let ranked = documents.indices.sorted { a, b in
      func place(_ i: Int) -> Int {
        order.firstIndex(of: String(decoding: documents[i].source, as: UTF8.self)) ?? order.count
      }
      return (place(a), a) < (place(b), b)
    }
    var seen: [String: Int] = [:]
    var texts: [Int: String] = [:]
    for number in ranked {
      let kept = documents[number].textString.split(separator: "\n").filter { line in
        seen[String(line), default: 0] += 1
        return seen[String(line)]! <= copies
      }
      texts[number] = kept.joined(separator: "\n")
    }
    return documents.indices.compactMap { texts[$0]!.isEmpty ? nil : texts[$0] }
  }

  @Test func extremesAreWarnedOf() throws {
    let different = (0..<12).map { Document(id: "p\($0)", text: "\($0)番の段落である。") }
    #expect(try deduplicated([different]).warnings == ["nothing-removed": 1])
    let same = (0..<12).map { Document(id: "p\($0)", text: "同じ段落である。") }
    let harness = try deduplicated([same])
    let messages = harness.manifests.compactMap { $0.warnings["nearly-all-removed"]?.example }
    let start = "11 of 12 paragraphs are copies of others, such as paragraph 1 of 'p1' as paragraph 1 of 'p0'"
    #expect(messages.first?.hasPrefix(start) == true)
  }
}
