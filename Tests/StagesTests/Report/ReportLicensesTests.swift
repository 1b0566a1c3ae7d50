import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// `report.licenses` counts what a count by hand of the shards' documents gives.
@Suite struct ReportLicensesTests {
  private static let licenses: [JSONValue] = [
    "CC-BY-4.0", "CC0-1.0", .null, "unknown", "a|b<script>\"", "CC-BY-4.0", .strings(["MIT", "BSD"]),
    .string(hostile),
  ]

  private static let hostile = "=cmd\"\u{301},1\r\n![p](https://example.org/p.png)"

  private static let documents: [[Document]] = (0..<3).map { file in
    (0..<70).map { number in
      var members: [String: JSONValue] = ["license": licenses[(number * 5 + file) % licenses.count]]
      if number % 5 == 0 { members["date"] = .string("2021-03-\(number % 28 + 1)T23:59:59Z") }
      var document = Document(
        id: "f\(file)/\(number)", text: String(repeating: "川と山。", count: 2 + number % 17),
        metadata: .object(members.map { JSONMember($0.key, $0.value) }))
      if number % 5 == 1 { document.created = Array("2019-01-0\(file + 1)".utf8) }
      if number % 5 == 2 { document.created = Array("yesterday".utf8) }
      return document
    }
  }

  /// What is stated of a document: license, date.
  private static let facts: [String: (license: String, date: String?)] = Dictionary(
    uniqueKeysWithValues: documents.joined().map { document in
      let metadata = try? JSONValue.parse(document.metadata).value
      let license = metadata?["license"]
      let text = license?.string ?? (license?.array == nil ? "unknown" : license!.text())
      let created = String(decoding: document.created, as: UTF8.self)
      let date =
        metadata?["date"]?.string.map { String($0.prefix { $0 != "T" }) } ?? (created.count == 10 ? created : nil)
      return (document.idString, (text, date.map(padded)))
    })

  /// `2021-03-4` is the fourth.
  private static func padded(_ date: String) -> String {
    date.split(separator: "-").map { $0.count == 1 ? "0\($0)" : String($0) }.joined(separator: "-")
  }

  private func report(_ shards: [ArtifactFile], memory: String) throws -> StageHarness {
    let harness = try StageHarness(ReportLicenses.self, options: ["memory": .string(memory)])
    try harness.add(documents: Self.documents)
    harness.add(files: shards, to: "shards")
    return try harness.run()
  }

  private func check(_ shards: StageHarness, _ port: String, _ unit: String) throws {
    let harness = try report(shards.files(port), memory: "1GiB")
    #expect(harness.ledger.imbalance == 0)
    let small = try report(shards.files(port), memory: "4KiB")
    for (a, b) in zip(harness.files("report"), small.files("report")) {
      #expect(a.digest == b.digest, "several passes")
    }
    let path = try #require(harness.files("report").first { $0.name == "licenses.json" }?.path)
    let json = try JSONValue.parse(FileSystem.read(path)).value
    let folder = ArchivePath.folder(of: try #require(shards.files(port).first).path)
    let data = try MDSReader(directory: folder)
    #expect(data.index.shards.count > 3 && json["shards"]?.array?.count == data.index.shards.count)
    var unknown = 0
    for (number, entry) in data.index.shards.enumerated() {
      let shard = try data.shard(number)
      var documents: [String: Set<String>] = [:], amounts: [String: Int] = [:], dates: [String] = []
      for sample in 0..<entry.samples {
        var parts: [(id: String, amount: Int)] = []
        if let column = shard.columns.firstIndex(where: { $0.name == "documents" }) {
          let list = try JSONValue.parse(Array(try shard.value(column, of: sample))).value
          parts = (list.array ?? []).compactMap(\.array).map { ($0[0].string ?? "", $0[2].integer ?? 0) }
        } else {
          let text = String(decoding: try shard.value(1, of: sample), as: UTF8.self)
          parts = [(String(decoding: try shard.value(0, of: sample), as: UTF8.self), text.unicodeScalars.count)]
        }
        for (id, amount) in parts {
          let fact = try #require(Self.facts[id])
          amounts[fact.license, default: 0] += amount
          if documents[fact.license, default: []].insert(id).inserted { dates += [fact.date].compactMap(\.self) }
        }
      }
      let share = try #require(json["shards"]?.array?[number])
      #expect(share["shard"]?.string == entry.stored.basename)
      #expect(share["oldest"]?.string == dates.min() && share["newest"]?.string == dates.max())
      #expect(share["documents"]?.integer == documents.values.reduce(0) { $0 + $1.count })
      #expect(share["undated"]?.integer == documents.values.reduce(0) { $0 + $1.count } - dates.count)
      let counted = try #require(share["licenses"]?.array)
      #expect(Set(counted.compactMap { $0["license"]?.string }) == Set(documents.keys))
      for row in counted {
        let license = try #require(row["license"]?.string)
        #expect(row["documents"]?.integer == documents[license]?.count)
        #expect(row[unit]?.integer == amounts[license])
      }
      unknown += documents["unknown"]?.count ?? 0
    }
    #expect(harness.warnings["unknown-license"] == unknown && unknown > 40)
    let page = String(
      decoding: try FileSystem.read(try #require(harness.files("report").first { $0.name == "licenses.md" }).path),
      as: UTF8.self)
    #expect(!page.contains("![p]") && !page.contains("[p]("), "no picture and no link")
    #expect(page.contains("a\\|b&lt;script&gt;") && !page.contains("<script>") && page.contains("| unknown |"))
  }

  @Test(arguments: [
    ("MIT", "\"MIT\""), ("=1+1", "\"'=1+1\""), ("+1", "\"'+1\""), ("-1", "\"'-1\""), ("@x", "\"'@x\""),
    ("a=b", "\"a=b\""), ("\r\n=1", "\"'  =1\""), ("a\r\nb\rc", "\"a  b c\""), ("a\"\u{301}b", "\"a\"\"\u{301}b\""),
  ])
  func aSpreadsheetTakesALicenseForText(_ license: String, _ cell: String) {
    #expect(ShardShares.csv(license).utf8.elementsEqual(cell.utf8))
  }

  @Test func memoryHasARange() {
    #expect(throws: StageError.self) { try StageHarness(ReportLicenses.self, options: ["memory": 0]) }
  }

  @Test func shardsOfDocuments() throws {
    let shards = try StageHarness(MDSWrite.self, options: ["shardBytes": "2KiB", "compression": "zstd:1"])
    try shards.add(documents: Self.documents)
    try check(shards.run(), "mds", "characters")
  }

  @Test(arguments: ["concatenate", "bestfit"]) func shardsOfTokens(_ packing: String) throws {
    let tokenizer = try StageHarness(TokenizerTrain.self, options: ["vocabularySize": 40])
    try tokenizer.add(documents: Self.documents)
    try tokenizer.run()
    let shards = try StageHarness(
      TokenizerEncode.self, options: ["packing": .string(packing), "sequenceLength": 20, "shardBytes": "2KiB"])
    try shards.add(documents: Self.documents)
    shards.add(files: tokenizer.files("tokenizer"), to: "tokenizer")
    try check(shards.run(), "tokens", "tokens")
  }
}
