import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct MixRebalanceTests {
  /// Documents of three domains, the first of them by far the largest, with lengths of 1 to 40 characters.
  private func documents(_ count: Int) -> [Document] {
    (0..<count).map { i in
      let domain = ["news", "news", "news", "wiki", "law"][i % 5]
      return Document(
        id: "d\(i)", text: String(repeating: "文", count: 1 + i * 7 % 40), source: i % 2 == 0 ? "甲" : "乙",
        metadata: ["domain": .string(domain), "tokens": .integer(1 + i % 9)])
    }
  }

  private func mix(
    _ documents: [[Document]], _ options: JSONValue = [:], backwards: Bool = false
  ) throws -> StageHarness {
    let harness = try StageHarness(MixRebalance.self, options: options)
    try harness.add(documents: documents)
    try harness.run(backwards: backwards)
    #expect(harness.ledger.imbalance == 0)
    return harness
  }

  private func characters(_ documents: [Document]) -> [String: Int] {
    documents.reduce(into: [:]) { sum, document in
      let domain = (try? JSONValue.parse(document.metadata).value["domain"]?.string) ?? "unknown"
      sum[domain, default: 0] += document.textString.unicodeScalars.count
    }
  }

  private func cut(_ documents: [Document], into count: Int) -> [[Document]] {
    var files = Array(repeating: [Document](), count: count)
    for (i, document) in documents.enumerated() { files[i % count].append(document) }
    return files
  }

  @Test func newsHoldsItsCapAndTheRestStaysWhole() throws {
    let before = documents(1000)
    let harness = try mix([before])
    let kept = characters(try harness.documents())
    let total = kept.values.reduce(0, +)
    #expect(Double(kept["news"]!) <= 0.3 * Double(total))
    #expect(Double(kept["news"]! + 40) > 0.3 * Double(total), "no more is left out than one document")
    #expect(kept["wiki"] == characters(before)["wiki"] && kept["law"] == characters(before)["law"])
    let drop = try #require(harness.drops().first)
    #expect(drop.reason == "over-share" && drop.detail == "news" && drop.threshold! <= 0.3 && drop.value! > 0.5)
  }

  @Test(arguments: ["documents", "characters", "tokens"])
  func severalCapsHoldInEveryUnit(_ unit: String) throws {
    let harness = try mix(
      [documents(700)],
      ["unit": .string(unit), "caps": ["news": .number(0.25), "wiki": .number(0.3)], "tokensField": "metadata.tokens"])
    let report = try JSONValue.parse(FileSystem.read(harness.files("report")[0].path)).value
    for domain in report["domains"]!.array! where domain["name"]?.string != "law" {
      #expect(domain["keptShare"]!.double! <= (domain["name"]?.string == "news" ? 0.25 : 0.3))
    }
    let amounts = report["domains"]!.array!.map { $0["keptAmount"]!.integer! }
    #expect(amounts.reduce(0, +) == report["keptAmount"]?.integer)
    let kept = try harness.documents()
    #expect(report["domains"]!.array!.reduce(0) { $0 + $1["keptDocuments"]!.integer! } == kept.count)
  }

  @Test func theChoiceDependsOnNeitherFilesNorOrder() throws {
    let all = documents(600)
    let one = Set(try mix([all]).documents().map(\.idString))
    #expect(one == Set(try mix(cut(all, into: 3), backwards: true).documents().map(\.idString)))
    #expect(one == Set(try mix(cut(all.reversed(), into: 8)).documents().map(\.idString)))
    #expect(one != Set(try mix([all], ["seed": 1]).documents().map(\.idString)))
  }

  @Test func samplingUpRepeatsWithNumberedIds() throws {
    let all = documents(100)
    let harness = try mix(
      [all], ["shares": ["law": .number(0.5)], "maximumRepeats": .number(2.5), "unit": "documents"])
    let ids = try harness.documents().map(\.idString)
    // 20 laws at most 2.5 times are 50; the others divide the other 50 as 37.5 and 12.5, whole documents of them.
    #expect(ids.count == 99 && Set(ids).count == 99)
    #expect(ids.count { $0.hasSuffix("#2") } == 20 && ids.count { $0.hasSuffix("#3") } == 10)
    #expect(harness.ledger.repeated["sampled-up"]?.documents == 30)
  }

  @Test func ratiosTakeEachDomainAsSaid() throws {
    let harness = try mix(
      [documents(500)], ["ratios": ["news": .number(0.1), "wiki": 2], "unit": "documents"])
    let kept = try harness.documents().map { try JSONValue.parse($0.metadata).value["domain"]!.string! }
    #expect(
      kept.count { $0 == "news" } == 30 && kept.count { $0 == "wiki" } == 200 && kept.count { $0 == "law" } == 100)
  }

  @Test func sourcesAreDomainsTooAndMissingOnesAreUnknown() throws {
    var all = documents(40)
    all[0].source = []
    let harness = try mix([all], ["domain": "source", "caps": ["甲": .number(0.2), "unknown": 0], "unit": "documents"])
    let kept = try harness.documents()
    #expect(kept.count { $0.source == Array("乙".utf8) } == 20)
    #expect(!kept.contains { $0.source.isEmpty } && kept.count == 25)
  }

  @Test func repeatedIdsStayOutTogether() throws {
    let twins = documents(50) + documents(50)
    let harness = try mix([twins], ["unit": "documents"])
    let kept = Dictionary(grouping: try harness.documents().map(\.idString)) { $0 }
    #expect(kept.values.allSatisfy { $0.count == 2 })
  }

  @Test func tokensAreEstimatedWhereNoFieldSaysThem() throws {
    var all = documents(20)
    all[3].metadata = Array(#"{"domain":"wiki"}"#.utf8)
    let harness = try mix([all], ["unit": "tokens", "tokensField": "metadata.tokens"])
    #expect(harness.warnings == ["tokens-estimated": 1])
  }

  @Test func thePictureNamesEveryDomain() throws {
    var all = documents(20)
    all[0].metadata = Array(#"{"domain":"<a&b>"}"#.utf8)
    let harness = try mix([all])
    let svg = String(decoding: try FileSystem.read(harness.files("report")[1].path), as: UTF8.self)
    #expect(svg.contains(">news<") && svg.contains("&lt;a&amp;b&gt;") && svg.hasSuffix("</svg>\n"))
  }

  @Test func theFixtureKeepsItsNewsUnderTheDefaultCap() throws {
    let path = packagePath("Fixtures/mix/documents.jsonl")
    let file = ArtifactFile(path: path, name: "documents.jsonl", bytes: 0, digest: try Digester.digest(file: path))
    let harness = try StageHarness(MixRebalance.self, options: ["unit": "documents"])
    harness.add(files: [file], to: "documents")
    try harness.run()
    // Six news beside six others: two of eight, since a third would be more than three in ten.
    #expect(harness.ledger.output.documents == 8 && harness.ledger.dropped["over-share"]?.documents == 4)
  }

  private static let wrongOptions: [(JSONValue, String)] = [
    (["shares": ["a": 1], "ratios": ["a": 1]], "excludes 'shares'"),
    (["ratios": ["a": 1], "budget": 5], "'ratios' already determine the amount"),
    (["caps": ["a": 2]], "2.0 of 'a' is not between 0 and 1"), (["domain": "text"], "'text' does not denote a domain"),
    (["shares": ["a": 1, "b": 1]], "sum to 2.0"),
    (["tokensField": "tokens"], "'tokens' does not denote a number of tokens"),
  ]

  @Test(arguments: wrongOptions)
  func wrongOptionsAreNamed(_ options: JSONValue, _ message: String) {
    let error = #expect(throws: StageError.self) { try StageHarness(MixRebalance.self, options: options) }
    #expect(error.map { "\($0)".contains(message) } == true, "\(String(describing: error))")
  }
}
