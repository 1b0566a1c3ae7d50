import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct ScoreTableTests {
  private let folder = temporaryDirectory()

  private func file(_ name: String, _ json: JSONValue) throws -> ArtifactFile {
    try FileSystem.write(Array(json.text().utf8), to: "\(folder)/\(name)")
    return try artifact(folder, name)
  }

  private func measured(_ model: String, _ scores: JSONValue) -> JSONValue {
    ["model": .string(model), "scores": scores, "rest": 1]
  }

  @Test func differencesStandBesideTheScores() throws {
    var table = ScoreTable(
      columns: ["A", "B"], own: ModelScores("own|1", ["A": 0.5, "B": 0.25], deviations: ["A": 0.01]),
      others: [ModelScores("peer", source: "its card", ["A": 0.625]), ModelScores("base", ["A": 0.25, "B": 0.5])])
    #expect(
      table.lines == [
        "| model | A | B |", "|---|--:|--:|", "| peer | 0.625 | – |", "| base | 0.250 | 0.500 |",
        "| **own\\|1** | 0.500 ± 0.010 | 0.250 |",
      ])
    table.baseline = table.others[1]
    (table.digits, table.scale) = (1, 100)
    #expect(
      table.lines == [
        "| model | A | Δ | B | Δ |", "|---|--:|--:|--:|--:|", "| peer | 62.5 | +37.5 | – | – |",
        "| base | 25.0 |  | 50.0 |  |", "| **own\\|1** | 50.0 ± 1.0 | +25.0 | 25.0 | −25.0 |",
      ])
    #expect(table.remarks == ["Δ: the difference from base.", "", "Published scores: its card.", ""])
    let json = JSONValue.object(table.members)
    #expect(json["baseline"]?["differences"] == ["A": .number(0.25), "B": .number(-0.25)])
    #expect(ModelScores(measured: .object([JSONMember("model", "own|1")] + table.members)) == table.own)
  }

  /// The wired models, those of a file, and the baseline by either's name: through a stage's whole way.
  private func page(_ options: JSONValue, _ inputs: [ArtifactFile]) throws -> (markdown: String, json: JSONValue) {
    let harness = try StageHarness(ReportScores.self, options: options)
    for file in inputs { harness.add(files: [file], to: "metrics", from: file.name) }
    try harness.run()
    let files = harness.files("report")
    let text = String(
      decoding: try FileSystem.read(try #require(files.first { $0.name == "scores.md" }).path), as: UTF8.self)
    let json = try #require(files.first { $0.name == "scores.json" })
    return (text, try JSONValue.parse(try FileSystem.read(json.path)).value)
  }

  @Test func modelsStandSideBySide() throws {
    let published = try file(
      "published.json",
      .list([["model": "Peer", "source": "a paper", "scores": ["STS Spearman": .number(0.75), "other": 1]]]))
    let inputs = [
      try file("a-jglue.json", measured("A", ["JNLI accuracy": .number(0.5)])),
      try file("a-sts.json", measured("A", ["STS Spearman": .number(0.25)])),
      try file("b-jglue.json", measured("B", ["JNLI accuracy": .number(0.625)])),
    ]
    let first = try page([:], inputs)
    #expect(first.markdown.contains("| score | A | B | Δ |\n"))
    #expect(first.markdown.contains("| JNLI accuracy | 50.00 | 62.50 | +12.50 |\n| STS Spearman | 25.00 | – | – |\n"))
    let all = try page(["baseline": "B", "published": .string(published.path)], inputs)
    #expect(all.markdown.contains("| score | A | Δ | B | Peer | Δ |\n"))
    #expect(all.markdown.contains("| JNLI accuracy | 50.00 | −12.50 | 62.50 | – | – |\n"))
    #expect(all.markdown.contains("- Peer: a paper\n"))
    #expect(all.json["models"]?.array?.first?["differences"] == ["JNLI accuracy": .number(-0.125)])
    #expect { try page(["baseline": "C"], inputs) } throws: { "\($0)".contains("'C' is none of the models") }
    #expect { try page([:], inputs + [try file("again.json", measured("A", ["STS Spearman": 1]))]) } throws: {
      "\($0)".contains("'A' has 'STS Spearman' twice")
    }
    #expect { try page([:], [try file("mix.json", ["unit": "tokens"])]) } throws: {
      "\($0)".contains("has no scores of a model")
    }
  }

  @Test(arguments: [
    #"{"model": "a"}"#, #"[{"model": "a", "scores": {"A": 1}}]"#,
    #"[{"model": "a", "source": "b", "scores": {"A": "x"}}]"#,
  ])
  func whatSaysNoSourceOrNoNumberIsRefused(_ text: String) throws {
    let path = folder + "/published.json"
    try FileSystem.write(Array(text.utf8), to: path)
    #expect(throws: StageError.self) { try ModelScores.published(try artifact(folder, "published.json")) }
  }

  /// A file that is not JSON, and rows that cannot be told apart.
  @Test func whatIsWrongIsNamed() throws {
    try FileSystem.write(Array("[{".utf8), to: folder + "/broken.json")
    let broken = try artifact(folder, "broken.json"), a = try file("a.json", measured("A", ["STS Spearman": 1]))
    #expect { try page([:], [broken]) } throws: { "\($0)".contains("broken.json: is not JSON at byte") }
    #expect { try page(["published": .string(broken.path)], [a]) } throws: {
      "\($0)".contains("broken.json: is not JSON at byte")
    }
    let published = try file(
      "published.json", .list([["model": "A", "source": "a paper", "scores": ["STS Spearman": 1]]]))
    #expect { try page(["published": .string(published.path)], [a]) } throws: {
      "\($0)".contains("'A' has a row twice, the second time in published.json")
    }
  }

  /// A file's row takes the place of a known one only if it has scores of the table.
  @Test func rowsAreToldApartByTheirNames() throws {
    let own = ModelScores("own", ["A": 1])
    let known = [ModelScores("peer", source: "its card", ["A": 0.5])]
    func published(_ name: String, _ scores: JSONValue) throws -> ArtifactFile {
      try file("\(name).json", .list([["model": "peer", "source": .string(name), "scores": scores]]))
    }
    let options = BaselineOptions()
    let others = try options.table(["A", "B"], own, known: known, published: [published("other", ["C": 1])]).others
    #expect(others == known)
    let better = try options.table(["A", "B"], own, known: known, published: [published("paper", ["A": 1])]).others
    #expect(better.map(\.source) == ["paper"])
    // To the files that they come from, canonically equivalent names are two.
    let composed = ModelScores("\u{304C}", ["A": 1]),
      parted = try file("g.json", measured("\u{304B}\u{3099}", ["A": 2]))
    #expect(try options.table(["A"], composed, wired: [parted]).others.map(\.scores) == [["A": 2]])
    let wired = try file("wired.json", measured("own", ["A": 2])),
      peer = try file("peer.json", measured("peer", ["A": 2]))
    for files in [[wired], [peer, peer], [peer]] {
      #expect { try options.table(["A"], own, known: known, wired: files) } throws: {
        "\($0)".contains("are named 'own'") || "\($0)".contains("'peer'")
      }
    }
    let broken = folder + "/broken.json"
    try FileSystem.write(Array("[{".utf8), to: broken)
    #expect { try options.table(["A"], own, wired: [artifact(folder, "broken.json")]) } throws: {
      "\($0)".contains("broken.json: is not JSON at byte")
    }
    var named = options
    named.baseline = "none"
    #expect { try named.table(["A"], own) } throws: { "\($0)".contains("There is no other: wire") }
    #expect { try named.table(["A"], own, known: known) } throws: { "\($0)".contains("The others are: peer.") }
  }

  @Test func shippedScoresAreRead() throws {
    for name in try FileSystem.list(packagePath("Pipelines/published"), hidden: false) {
      let rows = try ModelScores.published(try artifact(packagePath("Pipelines/published"), name))
      #expect(!rows.isEmpty && rows.allSatisfy { !$0.scores.isEmpty }, "\(name)")
    }
  }
}
