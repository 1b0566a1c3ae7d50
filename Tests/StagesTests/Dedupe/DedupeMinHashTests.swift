import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

private func deduplicated(
  _ files: [[Document]], options: JSONValue = [:], backwards: Bool = false, memoryBytes: Int = 1 << 28
) throws -> StageHarness {
  let harness = try StageHarness(DedupeMinHash.self, options: options)
  try harness.add(documents: files)
  return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
}

private func kept(_ documents: [Document], options: JSONValue = [:]) throws -> [String] {
  try deduplicated([documents], options: options).documents().map(\.idString).sorted()
}

@Suite struct DedupeMinHashTests {
  private let long = "むかし、ある村に、おじいさんとおばあさんが住んでいました。おじいさんは山へ柴刈りに、おばあさんは川へ洗濯に行きました。"

  @Test func dropsTheDuplicateAndSaysWhy() throws {
    let other = "この文は、ほかのどの文とも似ていない、別のことを述べた文です。"
    let harness = try deduplicated([
      [Document(id: "b", text: long), Document(id: "c", text: other)], [Document(id: "a", text: long)],
    ])
    #expect(try harness.documents().map(\.idString) == ["c", "a"])
    #expect(
      try harness.drops() == [
        .init(id: "b", reason: "near-duplicate", value: 1, threshold: 0.7, survivor: "a", detail: "estimated")
      ])
    #expect(harness.ledger.imbalance == 0 && harness.ledger.input.documents == 3)
    #expect(harness.metrics["clusters"] == 1)
  }

  @Test func survivorsFollowSourceThenLengthThenID() throws {
    func document(_ id: String, _ source: String, _ end: String = "") -> Document {
      Document(id: id, text: long + end, source: source)
    }
    let longer = "おわり。"
    #expect(try kept([document("b", "web"), document("a", "web"), document("ab", "web")]) == ["a"])
    #expect(try kept([document("a", "web"), document("z", "web", longer)]) == ["z"])
    #expect(
      try kept(
        [document("a", "web", longer), document("m", "books"), document("b", "wiki", longer)],
        options: ["sources": .strings(["books", "wiki"])]) == ["m"])
    #expect(
      try kept([document("a", "web"), document("b", "wiki")], options: ["sources": .strings(["books", "wiki"])]) == [
        "b"
      ])
  }

  @Test func dakutenMakeADifference() throws {
    #expect(try kept([Document(id: "1", text: "バス"), Document(id: "2", text: "パス")]) == ["1", "2"])
    #expect(try kept([Document(id: "1", text: "ｶﾞｽのバス"), Document(id: "2", text: "ガスのﾊﾞｽ")]) == ["1"])
  }

  @Test func shortAndEmptyTextsAreCovered() throws {
    let texts = ["", "", "短", "短", "短い", "短い ", "長い", "。", "。"]
    let documents = texts.enumerated().map { Document(id: "\($0.offset)", text: $0.element) }
    #expect(try kept(documents) == ["0", "2", "5", "6", "7"])
  }

  @Test func noDocumentsAtAll() throws {
    #expect(try deduplicated([[], []]).documents().isEmpty)
    #expect(try deduplicated([]).ledger.input.documents == 0)
  }

  /// The middle of a chain goes; its far end, which is unlike the survivor, stays.
  @Test func chainsDoNotDragAlong() throws {
    var planted = PlantedTexts(seed: 1)
    let parts = (0..<4).map { _ in planted.text(100) }
    let ends = (0..<3).map { planted.text(15 - 5 * $0) }
    let a = Document(id: "a", text: parts[0] + parts[1] + parts[2] + parts[3] + ends[0])
    let b = Document(id: "b", text: parts[1] + parts[2] + parts[3] + planted.text(80) + ends[1])
    let c = Document(id: "c", text: parts[2] + parts[3] + String(b.textString.dropFirst(300)) + planted.text(60))
    let options: JSONValue = [
      "threshold": .number(0.5), "similarityFloor": .number(0.5), "bands": 60, "rows": 4,
    ]
    #expect(jaccard(a, b) > 0.55 && jaccard(b, c) > 0.55 && jaccard(a, c) < 0.45)
    let harness = try deduplicated([[c, b, a]], options: options)
    #expect(try harness.documents().map(\.idString) == ["c", "a"])
    #expect(try harness.drops().map(\.survivor) == ["a"])
  }

  /// A bucket of more documents than are compared with each other.
  @Test func manyEqualDocumentsLeaveOne() throws {
    let documents = (0..<100).map { Document(id: "\(1000 + $0)", text: long) }
    let harness = try deduplicated([documents])
    #expect(try harness.documents().map(\.idString) == ["1000"])
    #expect(harness.metrics["largest-cluster"] == 100)
  }

  @Test func documentsOfOneIDAreToldApart() throws {
    var planted = PlantedTexts(seed: 9)
    let texts = [planted.text(50), planted.text(50)]
    let documents = texts.map { Document(id: "same", text: $0) }
    #expect(try deduplicated([documents, documents]).documents().count == 2)
  }

  /// No similarity that is reported as exact is off, and nothing below the threshold goes.
  @Test func droppedPairsAreAsSimilarAsReported() throws {
    var planted = PlantedTexts(seed: 2)
    let documents = planted.documents(originals: 600)
    let byID = Dictionary(uniqueKeysWithValues: documents.map { ($0.idString, $0) })
    let harness = try deduplicated(documents.split(into: 2))
    let drops = try harness.drops()
    for drop in drops {
      let exact = jaccard(byID[drop.id]!, byID[drop.survivor!]!)
      #expect(exact >= 0.7 - (drop.detail == nil ? 0 : 0.02), "\(drop)")
      #expect(abs(exact - drop.value!) < (drop.detail == nil ? 1e-6 : 0.12), "\(drop)")
    }
    #expect(drops.contains { $0.detail == nil } && drops.contains { $0.detail != nil })
    let close = byID.values.filter { document in
      guard let original = byID["original-" + document.idString.dropFirst("copy-".count)],
        document.idString.hasPrefix("copy-")
      else { return false }
      return jaccard(document, original) > 0.85
    }
    let gone = Set(drops.flatMap { [$0.id, $0.survivor!] })
    #expect(close.count > 40 && close.filter { gone.contains($0.idString) }.count >= close.count - 1)
  }

  /// Neither the order of documents nor the number of files, nor the order of tasks decides anything.
  @Test func everyArrangementHasTheSameSurvivors() throws {
    var planted = PlantedTexts(seed: 3)
    let documents = planted.documents(originals: 400)
    let expected = try Set(deduplicated([documents]).drops().map { "\($0)" })
    #expect(expected.count > 50)
    for parts in [1, 3, 8] {
      let arrangement = documents.shuffled(using: &planted).split(into: parts)
      let harness = try deduplicated(arrangement, backwards: parts == 3)
      #expect(try Set(harness.drops().map { "\($0)" }) == expected)
    }
  }

  @Test func littleMemoryChangesNothing() throws {
    var planted = PlantedTexts(seed: 4)
    let files = planted.documents(originals: 3000, characters: 60).split(into: 3)
    let roomy = try deduplicated(files)
    let tight = try deduplicated(files, memoryBytes: 4096)
    #expect(roomy.digests == tight.digests)
  }

  /// Every kept document says how many it stands for, and all of them together are all documents.
  @Test func clustersHaveTheirSizes() throws {
    let other = "この文は、ほかのどの文とも似ていない、別のことを述べた文です。"
    let files = [
      [Document(id: "b", text: long), Document(id: "c", text: other, metadata: ["domain": "x"])],
      [Document(id: "d", text: long), Document(id: "a", text: long)],
    ]
    let harness = try deduplicated(files, options: ["clusterSize": true])
    #expect(try harness.documents().map(\.idString) == ["c", "a"])
    let metadata = try harness.documents().map { try JSONValue.parse($0.metadata).value }
    #expect(metadata == [["domain": "x", "clusterSize": 1], ["clusterSize": 3]])
    var planted = PlantedTexts(seed: 12)
    let many = planted.documents(originals: 200)
    let sized = try deduplicated(many.split(into: 3), options: ["clusterSize": true])
    let sizes = try sized.documents().map { try JSONValue.parse($0.metadata).value["clusterSize"]?.integer ?? 0 }
    #expect(sizes.reduce(0, +) == many.count && sizes.contains { $0 > 1 })
    #expect(try sized.documents().map(\.id) == deduplicated(many.split(into: 3)).documents().map(\.id))
  }

  /// A threshold decides the same whatever range of similarities is stored.
  @Test func theStoredRangeDecidesNothing() throws {
    var planted = PlantedTexts(seed: 13)
    let files = planted.documents(originals: 300).split(into: 2)
    for threshold in [0.62, 0.75, 0.88] {
      let own = threshold.json
      let wide = try deduplicated(files, options: ["threshold": own]).documents().map(\.id)
      let narrow = try deduplicated(
        files, options: ["threshold": own, "similarityFloor": own, "similarityCeiling": own])
      #expect(try narrow.documents().map(\.id) == wide)
    }
  }

  /// The range reaches to a threshold outside of 0.6 to 0.9 by itself; a range that is given does not.
  @Test func theStoredRangeFollowsTheThreshold() throws {
    var planted = PlantedTexts(seed: 14)
    var documents: [Document] = []
    for i in 0..<30 {
      let text = planted.text(200)
      documents += [Document(id: "a\(i)", text: text), Document(id: "b\(i)", text: planted.edited(text, edits: 18))]
      if i % 3 == 0 { documents.append(Document(id: "c\(i)", text: text)) }
    }
    func run(_ options: [(String, Double)]) throws -> [String: String] {
      let members = options.map { JSONMember($0.0, $0.1.json) } + [JSONMember("bands", 40), JSONMember("rows", 4)]
      return try deduplicated([documents], options: .object(members)).digests
    }
    func compared(_ digests: [String: String]) -> [String: String] { digests.filter { $0.key.hasPrefix("undecided/") } }
    let standard = try run([])
    for (threshold, floor, ceiling) in [(0.5, 0.5, 0.9), (0.95, 0.6, 0.95), (0.6, 0.6, 0.9)] {
      let widened = try run([("threshold", threshold)])
      let range = [("similarityFloor", floor), ("similarityCeiling", ceiling)]
      #expect(try run([("threshold", threshold)] + range) == widened)
      #expect((compared(widened) == compared(standard)) == (threshold == 0.6))
    }
    for (options, message) in [
      ([("threshold", 0.5), ("similarityFloor", 0.6)], "below the similarities that are stored, which begin at 0.6"),
      ([("threshold", 0.95), ("similarityCeiling", 0.9)], "above the similarities that are stored, which end at 0.9"),
      ([("similarityFloor", -1)], "Give a similarity between 0.3 and 1"),
      ([("similarityCeiling", 7)], "Give a similarity between 0.3 and 1"),
    ] {
      #expect { try run(options) } throws: { "\($0)".contains(message) }
    }
  }

  @Test func tooManyLanesAreRefused() throws {
    #expect {
      try StageHarness(DedupeMinHash.self, options: ["bands": 1000, "rows": 10])
    } throws: {
      "\($0)".contains("1000 bands of 10 rows are 10000 hashes")
    }
  }
}

@Suite struct DedupeRecallTests {
  @Test func aWantedRecallChoosesBandsAndRows() throws {
    let graph = { (options: String) in
      let document = """
        { "format": 1, "name": "t", "stages": { "a": { "use": "documents.read", "options": { "files": "x" } },
          "b": { "use": "dedupe.minhash", "inputs": { "documents": "a" }, "options": { \(options) } } } }
        """
      return try Graph(PipelineSpec.parse(Array(document.utf8), path: "/p.json"), registry: .builtin)
    }
    func remark(_ options: String) throws -> String { try graph(options).nodes[1].configured.stage.remarks[0] }
    #expect(
      try remark("").hasPrefix("20 bands of 10 rows find 44 % of the pairs of similarity 0.7; 44 % at 0.70, 69 %"))
    let wanted = try remark("\"recall\": 0.95")
    let percent = try #require(wanted.firstMatch(of: /find (\d+) %/).flatMap { Int($0.1) })
    #expect(percent >= 95, "\(wanted)")
    #expect(throws: (any Error).self) { try graph("\"recall\": 0.9, \"recallAt\": 0.8") }
    #expect(throws: (any Error).self) { try graph("\"recall\": 1") }
  }

  /// Pairs at the threshold: the default bands find fewer than half, a wanted recall finds nearly all.
  @Test func moreRecallFindsMore() throws {
    var planted = PlantedTexts(seed: 8)
    var documents: [Document] = []
    for i in 0..<60 {
      let text = Array(planted.text(600))
      var changed = text
      // 23 changes of 5 shingles: similarity 0.68 and more.
      for k in stride(from: 7, to: 600, by: 26) { changed[k] = "〓" }
      documents.append(Document(id: "a\(i)", text: String(text)))
      documents.append(Document(id: "b\(i)", text: String(changed)))
    }
    let few = try deduplicated([documents], options: ["threshold": 0.65.json])
    let most = try deduplicated(
      [documents], options: ["threshold": 0.65.json, "recall": 0.99.json, "recallAt": 0.65.json])
    #expect(try few.drops().count < 50)
    #expect(try most.drops().count >= 57)
    #expect(try #require(few.metrics["recall at the threshold"]) < 0.4)
    #expect(try #require(most.metrics["recall at the threshold"]) >= 0.99)
  }

  @Test func editionsInOldAndNewOrthographyAreFound() throws {
    let old = "けふは學校へ行く道で、友達と會つて、讀んだ本の話をしやうと思つた。國語の先生は、古い櫻の樹の下で、靜かに待つてゐた。"
    let new = "きょうは学校へ行く道で、友達と会って、読んだ本の話をしようと思った。国語の先生は、古い桜の樹の下で、静かに待っていた。"
    let documents = [Document(id: "old", text: old), Document(id: "new", text: new)]
    #expect(try kept(documents).count == 2)
    #expect(try kept(documents, options: ["foldOldForms": true]).count == 1)
  }
}
