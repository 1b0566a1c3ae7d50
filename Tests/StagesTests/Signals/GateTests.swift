import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct GateTests {
  /// Documents of three sources and many lengths.
  static let documents: [[Document]] = {
    var random = SplitMix(seed: 11)
    return (0..<3).map { file in
      (0..<200).map { number in
        let length = Int.random(in: 1...900, using: &random)
        let text = String(repeating: ["雨が降る。", "漢字ばかり", "ABC def. "][number % 3], count: length / 5 + 1)
        return Document(
          id: "\(file)-\(number)", text: text, source: ["web", "book", "law"][(number * 7 + file) % 3],
          metadata: ["domain": .string("d\(number % 5)"), "stars": .integer(number % 4)])
      }
    }
  }()

  static func scored(_ documents: [[Document]] = documents, _ options: JSONValue = [:]) throws -> StageHarness {
    let harness = try StageHarness(ScoreQuality.self, options: options)
    try harness.add(documents: documents)
    return try harness.run()
  }

  static func gate(
    _ options: JSONValue, _ documents: [[Document]] = documents, by scorers: [StageHarness], base: String = "/",
    backwards: Bool = false
  ) throws -> StageHarness {
    let harness = try StageHarness(Gate.self, options: options, base: base)
    try harness.add(documents: documents)
    for (number, scorer) in scorers.enumerated() {
      harness.add(files: scorer.files("signals"), to: "signals", from: "scorer\(number)", output: "signals")
    }
    return try harness.run(backwards: backwards)
  }

  private func rule(_ rule: String, preset: String = "none") -> JSONValue {
    ["preset": .string(preset), "require": ["rule": .string(rule)]]
  }

  private let scorer: StageHarness

  init() throws { scorer = try Self.scored() }

  @Test(arguments: ["swallow", "llm-jp", "llm-jp-strict", "uzushio", "warp-pdf"])
  func aPresetKeepsWhatTheFilterKeepsForTheSameReasons(_ preset: String) throws {
    let filter = try StageHarness(FilterQuality.self, options: ["preset": .string(preset)])
    try filter.add(documents: Self.documents)
    try filter.run()
    let gate = try Self.gate(["preset": .string(preset)], by: [scorer])
    #expect(try gate.documents() == filter.documents())
    let drops = try (gate.drops(), filter.drops())
    #expect(drops.0.map(\.id) == drops.1.map(\.id))
    #expect(drops.0.map(\.reason) == drops.1.map(\.reason))
    #expect(drops.0.map(\.value) == drops.1.map(\.value) && drops.0.map(\.threshold) == drops.1.map(\.threshold))
    #expect(gate.ledger.imbalance == 0)
  }

  @Test func aQuantileIsThatOfTheSortedValuesOfEachGroup() throws {
    let gate = try Self.gate(
      rule("hiraganaFraction + 0 >= quantile(hiraganaFraction, 0.6, by: source, weight: characters)"),
      by: [scorer])
    let all = Self.documents.flatMap { $0 }
    func value(_ document: Document) -> Double {
      let scalars = document.textString.unicodeScalars
      return Double(scalars.count { ("ぁ"..."ゖ").contains($0) }) / Double(scalars.count)
    }
    var expected: Set<String> = []
    for source in ["web", "book", "law"] {
      let own = all.filter { String(decoding: $0.source, as: UTF8.self) == source }
        .map { (document: $0, value: value($0), weight: $0.textString.unicodeScalars.count) }
        .sorted { $0.value < $1.value }
      let total = own.reduce(0) { $0 + $1.weight }
      var sum = 0
      let cut = own.first {
        sum += $0.weight
        return Double(sum) >= 0.6 * Double(total)
      }!.value
      expected.formUnion(own.filter { $0.value >= cut }.map(\.document.idString))
    }
    #expect(Set(try gate.documents().map(\.idString)) == expected)
    #expect(expected.count > 50 && expected.count < 550)
    #expect(
      try Self.gate(
        rule("hiraganaFraction + 0 >= quantile(hiraganaFraction, 0.6, by: source, weight: characters)"),
        by: [scorer], backwards: true
      ).digests == gate.digests)
  }

  /// Of a selection in another order, as after a filter and a sort within the file.
  @Test func measuresAreFoundByIDForASelection() throws {
    let selected = Self.documents.map { Array($0.filter { $0.id.last! % 2 == 0 }.reversed()) }
    let gate = try Self.gate(rule("characters >= 300"), selected, by: [scorer])
    let expected = selected.flatMap { $0 }.filter { $0.textString.unicodeScalars.count >= 300 }
    #expect(try gate.documents() == expected)
    #expect(!expected.isEmpty)
  }

  @Test func aDocumentWithoutMeasuresIsAnError() throws {
    var documents = Self.documents
    documents[1][17].id = Array("unknown".utf8)
    let error = #expect(throws: StageError.self) {
      try Self.gate(rule("characters >= 300"), documents, by: [scorer])
    }
    #expect(error?.message == "has no measures of document 18 of the file that is judged")
  }

  @Test func severalScorersListsAndMetadataDecideTogether() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("d1\nd3\n".utf8), to: folder + "/bad-domains.txt")
    let other = try Self.scored(
      Self.documents,
      [
        "prefix": "second.", "measures": .strings(["katakanaOfJapanese"]), "numbers": .strings(["stars"]),
        "fields": .list([]),
      ])
    let gate = try Self.gate(
      [
        "lists": "bad-domains.txt",
        "require": ["a": "domain not in bad_domains", "b": "stars >= 2 and second.katakanaOfJapanese <= 0.5"],
      ], by: [scorer, other], base: folder)
    let expected = Self.documents.flatMap { $0 }.filter {
      let number = Int($0.idString.split(separator: "-")[1])!
      return number % 5 != 1 && number % 5 != 3 && number % 4 >= 2
    }
    #expect(try gate.documents() == expected)
    #expect(gate.ledger.dropped["a"]?.documents == 240)
    #expect(gate.metrics["missed b"] == 300)
  }

  @Test func tagsNameTheMissedRule() throws {
    let gate = try Self.gate(
      ["mode": "tag", "require": ["long": "characters >= 300"]], by: [scorer])
    let documents = try gate.documents()
    #expect(documents.count == 600)
    for document in documents {
      let tag = try JSONValue.parse(document.metadata).value["gate"]?.string
      #expect(tag == (document.textString.unicodeScalars.count >= 300 ? nil : "long"))
    }
  }

  @Test func onlyGivenSourcesAreJudged() throws {
    let gate = try Self.gate(
      ["sources": .strings(["law"]), "require": ["none": "characters < 0"]], by: [scorer])
    #expect(try gate.documents().count == 400)
  }

  @Test func aPresetsRuleIsReplacedOrRemoved() throws {
    let rules = try GateRules(
      .uzushio, require: ["minimum-characters": "characters >= 7", "maximum-lz4-ratio": "", "extra": "a > 1"])
    #expect(
      rules.rules.map(\.name) == [
        "minimum-characters", "minimum-hiragana-fraction", "maximum-link-fraction", "minimum-lz4-ratio", "extra",
      ])
    #expect(rules.rules[0].expression == .comparison(.atLeast, .column("characters"), .number(7)))
  }

  @Test(arguments: [
    ("charcters > 1", "rule 'rule': no wired scoring stage writes 'charcters'. Did you mean 'characters'?"),
    ("source > 1", "rule 'rule': '>' compares a text with a number"),
    ("characters in ['a']", "rule 'rule': what stands before 'in' should be a text, not a number"),
    ("source in trusted", "rule 'rule' reads the list 'trusted', but no file of 'lists' has this name"),
    ("a >", "rule 'rule': expected a measure, a number or a text in quotes, not the end (character 4 of a >)"),
  ])
  func aMistakeIsSaidBeforeAnythingRuns(_ text: String, _ message: String) throws {
    let error = #expect(throws: StageError.self) { try Self.gate(rule(text), by: [scorer]) }
    #expect(error?.message.hasPrefix(message) == true)
  }

  @Test func missingValuesAreSaidOrLetThrough() throws {
    let sparse = Self.documents.map { file in
      file.map { document in
        var document = document
        if document.id.last! % 2 == 0 { document.metadata = [] }
        return document
      }
    }
    let scorer = try Self.scored(sparse, ["numbers": .strings(["stars"])])
    let half = sparse.flatMap { $0 }.count { $0.metadata.isEmpty }
    #expect(try Self.gate(rule("stars >= 0"), sparse, by: [scorer]).documents().count == 600 - half)
    #expect(try Self.gate(rule("stars is missing or stars >= 0"), sparse, by: [scorer]).documents().count == 600)
    #expect(try Self.gate(rule("domain is missing"), sparse, by: [scorer]).documents().count == half)
  }

  @Test func twoMeasuresOfOneNameAreRefused() throws {
    let error = #expect(throws: StageError.self) {
      try Self.gate(rule("characters > 1"), by: [scorer, Self.scored()])
    }
    #expect(error?.message.hasPrefix("two of the wired scoring stages write '") == true)
  }

  @Test func repeatedIDsOfWhichSomeAreGoneAreRefused() throws {
    var documents = Self.documents
    documents[0][5].id = documents[0][4].id
    let scorer = try Self.scored(documents)
    #expect(try Self.gate(rule("characters >= 0"), documents, by: [scorer]).documents().count == 600)
    documents[0].remove(at: 4)
    let error = #expect(throws: StageError.self) {
      try Self.gate(rule("characters >= 0"), documents, by: [scorer])
    }
    #expect(error?.message.hasPrefix("has measures of 2 documents with one id, of which 1 are judged") == true)
  }

  @Test func aColumnHasOneKind() throws {
    let scorers = try [["numbers": .strings(["stars"])], ["fields": .strings(["stars"]), "prefix": "b."]].map {
      try Self.scored(Self.documents, .object($0.map { JSONMember($0.key, $0.value) }))
    }
    let error = #expect(throws: StageError.self) { try Self.gate(rule("stars == '2'"), by: scorers) }
    #expect(error?.message.hasPrefix("two of the wired scoring stages write 'stars'") == true)
  }

  /// 1e999 is a number in JSON, but none to compute with.
  @Test func numbersWithoutEndAreMissing() throws {
    let documents = [
      ["1e999", "2", "3"].map { number in
        var document = Document(id: number, text: "雨", source: "s")
        document.metadata = Array("{\"a\":\(number)}".utf8)
        return document
      }
    ]
    let scorer = try Self.scored(documents, ["numbers": .strings(["a"])])
    let kept = try Self.gate(rule("a >= quantile(a, 0.9)"), documents, by: [scorer]).documents()
    #expect(kept.map(\.idString) == ["3"])
  }
}
