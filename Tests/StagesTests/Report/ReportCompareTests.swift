import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// `report.compare` says of each group what a count by hand gives.
@Suite struct ReportCompareTests {
  private struct Row {
    var length: Double
    var score: Double
    var source: String
  }

  private static let hostile = "<script>|\u{202E}a\nb"

  /// A corpus of two files; every seventh score is missing.
  private static func corpus(_ seed: UInt64, lowest: Double) -> [[Row]] {
    var random = SplitMix(seed: seed)
    return (0..<2).map { file in
      (0..<150).map { number in
        Row(
          length: Double(Int.random(in: 10...2000, using: &random)),
          score: number % 7 == 3 ? .nan : lowest + Double(Int.random(in: 0...1000, using: &random)) / 1000,
          source: ["law", "news", hostile][(number + file) % (number % 11 == 0 ? 3 : 2)])
      }
    }
  }

  private static func write(_ corpus: [[Row]], _ folder: String, _ name: String) throws -> [ArtifactFile] {
    try FileSystem.makeDirectory(folder)
    return try corpus.enumerated().map { number, rows in
      let path = "\(folder)/\(name)-\(number).signals"
      let sink = try FileSink(path)
      let writer = try SignalsWriter(
        sink,
        columns: [
          SignalColumn("characters", .number), SignalColumn("score", .number), SignalColumn("source", .text),
        ])
      for (place, row) in rows.enumerated() {
        try writer.append(
          id: Array("\(name)\(number)-\(place)".utf8), numbers: [row.length, row.score], texts: [row.source])
      }
      try writer.finish()
      try sink.commit()
      return ArtifactFile(path: path, name: "\(name)-\(number).signals", bytes: sink.bytes, digest: sink.digest)
    }
  }

  private static func compare(
    _ corpora: [(name: String, rows: [[Row]])], _ options: [JSONMember], _ folder: String
  ) throws -> (html: String, markdown: String, json: JSONValue) {
    let harness = try StageHarness(ReportCompare.self, options: .object(options))
    for (name, rows) in corpora {
      harness.add(files: try write(rows, folder, name), to: "signals", from: name, output: "signals")
    }
    try harness.run()
    func text(_ end: String) throws -> String {
      let file = try #require(harness.files("report").first { $0.name.hasSuffix(end) })
      return String(decoding: try FileSystem.read(file.path), as: UTF8.self)
    }
    let json = try text(".json")
    return (try text(".html"), try text(".md"), try JSONValue.parse(Array(json.utf8)).value)
  }

  /// The smallest value at which the fraction of the values is reached.
  private static func quantile(_ values: [Double], _ fraction: Double) -> Double {
    let sorted = values.filter(\.isFinite).sorted()
    return sorted[max(0, Int((fraction * Double(sorted.count)).rounded(.up)) - 1)]
  }

  private static func check(_ rows: [Row], _ group: JSONValue, _ score: JSONValue) throws {
    #expect(group["documents"]?.integer == rows.count)
    #expect(group["characters"]?.double == rows.reduce(0) { $0 + $1.length })
    let misses = (short: rows.filter { $0.length < 400 }, poor: rows.filter { !($0.score >= 0.5) })
    #expect(group["missed"]?["long"]?.integer == misses.short.count)
    #expect(group["missed"]?["good"]?.integer == misses.poor.count)
    let dropped = rows.filter { $0.length < 400 || !($0.score >= 0.5) }
    #expect(group["dropped"]?.integer == dropped.count)
    #expect(group["droppedCharacters"]?.double == dropped.reduce(0) { $0 + $1.length })
    let scores = rows.map(\.score), known = scores.filter(\.isFinite)
    #expect(score["documents"]?.integer == known.count && score["missing"]?.integer == rows.count - known.count)
    let mean = try #require(score["mean"]?.double)
    #expect(abs(mean - known.reduce(0, +) / Double(known.count)) < 1e-9)
    let quantiles = try #require(score["quantiles"]?.array).compactMap(\.double)
    #expect(quantiles == [0.05, 0.25, 0.5, 0.75, 0.95].map { quantile(scores, $0) })
    #expect(score["bins"]?.array?.compactMap(\.integer).reduce(0, +) == known.count)
  }

  private static let rules = JSONMember("require", ["long": "characters >= 400", "good": "score >= 0.5"])

  private static func measure(_ json: JSONValue, _ name: String) throws -> JSONValue {
    try #require(json["measures"]?.array?.first { $0["name"]?.string == name })
  }

  @Test func corporaAreComparedByEveryMeasure() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let corpora: [(name: String, rows: [[Row]])] = [
      ("english", Self.corpus(1, lowest: 0)), ("math", Self.corpus(2, lowest: 0.4)),
    ]
    let found = try Self.compare(corpora, [Self.rules], folder)
    let groups = try #require(found.json["groups"]?.array), score = try Self.measure(found.json, "score")
    #expect(groups.map { $0["name"]?.string } == ["english", "math"])
    for (place, corpus) in corpora.enumerated() {
      try Self.check(Array(corpus.rows.joined()), groups[place], try #require(score["groups"]?.array)[place])
    }
    // What differs most is first: math's scores are higher by 0.4 of 1.
    #expect(found.json["measures"]?.array?.first?["name"]?.string == "score")
    let difference = try #require(score["difference"]?.double)
    #expect((0.3...0.5).contains(difference))
    #expect(
      found.html.contains("<svg") && found.html.contains("class=\"cut\"")
        && found.html.contains("What a gate would drop"))
    #expect(
      found.markdown.contains("▁") && found.markdown.contains("score: medians, in the order of the pictures: english"))
    let again = try Self.compare(corpora, [Self.rules], folder)
    #expect(again.html == found.html)
    #expect(again.markdown == found.markdown)
    #expect(again.json == found.json)
  }

  @Test func groupsWithinCorporaAreCompared() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let rows = Self.corpus(3, lowest: 0.2)
    let found = try Self.compare([("web", rows)], [Self.rules, JSONMember("by", "source")], folder)
    let groups = try #require(found.json["groups"]?.array), score = try Self.measure(found.json, "score")
    let names = groups.compactMap { $0["name"]?.string }
    #expect(Set(names) == ["law", "news", Self.hostile])
    for (place, name) in names.enumerated() {
      let own = rows.joined().filter { $0.source == name }
      try Self.check(Array(own), groups[place], try #require(score["groups"]?.array)[place])
    }
    #expect(!found.html.contains("<script>") && !found.markdown.contains("<script>"))
    #expect(!found.html.contains("\u{202E}") && !found.markdown.contains("\u{202E}"))
    // The smallest group is left out and counted.
    let fewer = try Self.compare([("web", rows)], [JSONMember("by", "source"), JSONMember("groups", 2)], folder)
    #expect(fewer.json["otherGroups"]?.integer == 1)
    #expect(fewer.json["otherDocuments"]?.integer == rows.joined().count { $0.source == Self.hostile })
    #expect(fewer.markdown.contains("1 smaller groups"))
    // Rules' quantiles are those of all documents.
    let cut = try Self.compare(
      [("web", rows)], [JSONMember("by", "source"), JSONMember("require", ["top": "score > quantile(score, 0.5)"])],
      folder)
    let median = Self.quantile(rows.joined().map(\.score), 0.5)
    let missed = try #require(cut.json["groups"]?.array).reduce(0) { $0 + ($1["missed"]?["top"]?.integer ?? 0) }
    #expect(missed == rows.joined().count { !($0.score > median) })
  }

  @Test func formsOfACharacterAreTwoGroups() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let rows = (0..<200).map { number in
      Row(length: 100, score: Double(number), source: number < 120 ? "\u{30AC}" : "\u{30AB}\u{3099}")
    }
    let found = try Self.compare([("web", [rows])], [JSONMember("by", "source")], folder)
    let groups = try #require(Self.measure(found.json, "score")["groups"]?.array)
    #expect(groups.map { $0["documents"]?.integer } == [120, 80])
    for (group, rows) in zip(groups, [rows[..<120], rows[120...]]) {
      #expect(
        group["quantiles"]?.array?.compactMap(\.double)
          == [0.05, 0.25, 0.5, 0.75, 0.95].map { Self.quantile(rows.map(\.score), $0) })
    }
  }

  /// Only the largest groups are searched for quantiles: of all, there would be more than a search takes.
  @Test func theLargestOfThousandsOfGroupsAreCompared() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let rows = (0..<6000).map { number in
      Row(length: 100, score: Double(number % 100), source: number % 30 == 0 ? "s\(number % 4)" : "d\(number)")
    }
    let found = try Self.compare([("web", [rows])], [JSONMember("by", "source"), JSONMember("groups", 2)], folder)
    #expect(found.json["groups"]?.array?.compactMap { $0["name"]?.string } == ["s0", "s2"])
    #expect(found.json["otherGroups"]?.integer == 5800)
    for group in try #require(Self.measure(found.json, "score")["groups"]?.array) {
      #expect(group["quantiles"]?.array?.count == 5)
    }
  }

  @Test func severalStagesMeasureOneCorpus() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let rows = Self.corpus(4, lowest: 0)
    let corpora = JSONMember("corpora", ["A": .strings(["a"]), "B": .strings(["b"])])
    let found = try Self.compare([("b", rows), ("a", rows)], [corpora], folder)
    #expect(found.json["groups"]?.array?.compactMap { $0["name"]?.string } == ["A", "B"])
    #expect(try Self.measure(found.json, "score")["difference"]?.double == 0)
    let wrong: [([JSONMember], String)] = [
      ([JSONMember("corpora", ["A": .strings(["a"]), "B": .strings(["c"])])], "names 'c'"),
      ([JSONMember("corpora", ["A": .strings(["a"]), "B": .strings(["a"])])], "another corpus's"),
      ([JSONMember("measures", .strings(["scores"]))], "Did you mean 'score'"),
      ([JSONMember("by", "domain")], "no"), ([JSONMember("require", ["x": "scores > 1"])], "scores"),
    ]
    for (options, part) in wrong {
      #expect { try Self.compare([("b", rows), ("a", rows)], options, folder) } throws: {
        "\($0)".contains(part)
      }
    }
    #expect { try Self.compare([("a", rows)], [], folder) } throws: { "\($0)".contains("nothing to compare") }
  }
}
