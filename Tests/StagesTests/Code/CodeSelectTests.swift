import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct CodeSelectTests {
  private static let fixtures = packagePath("Fixtures/code")

  private func harness(_ options: [String: JSONValue], _ metadata: String = "metadata.jsonl") throws -> StageHarness {
    var all: [JSONMember] = [
      JSONMember("metadata", .string(metadata)), JSONMember("maximumMalformedFraction", 1), JSONMember("partitions", 1),
    ].filter { options[$0.key] == nil }
    for (key, value) in options.sorted(by: { $0.key < $1.key }) { all.append(JSONMember(key, value)) }
    return try StageHarness(CodeSelect.self, options: .object(all), base: Self.fixtures)
  }

  private func run(_ options: [String: JSONValue], _ metadata: String = "metadata.jsonl") throws -> StageHarness {
    let run = try harness(options, metadata).run()
    #expect(run.ledger.imbalance == 0)
    return run
  }

  private func selection(_ run: StageHarness) throws -> [JSONValue] {
    var rows: [JSONValue] = []
    for file in run.files("selection") {
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() { rows.append(try JSONValue.parse(Array(line)).value) }
    }
    return rows
  }

  private func paths(_ run: StageHarness) throws -> [String] { try selection(run).map { $0["path"]!.string! } }

  private func reasons(_ run: StageHarness) -> [String: Int] { run.ledger.dropped.mapValues(\.documents) }

  // MARK: Selecting

  @Test func rowsAreChosenAndTheRestIsNamed() throws {
    let run = try run(["languages": .strings(["python"]), "maximumBytes": 1000])
    #expect(run.ledger.input.documents == 15 && run.ledger.consumed.documents == 8)
    #expect(
      reasons(run) == [
        "malformed-row": 1, "language": 1, "duplicate-blob": 1, "vendored": 1, "generated": 1, "too-large": 1,
        "license-type-not-allowed": 1,
      ])
    #expect(
      try Set(paths(run)).subtracting(["/frog.py", "/copy/frog.py"]) == [
        "/kero.py", "/a.py", "/b.py", "/c.py", "/nowhere.py", "/wrong.py", "/bytes.py",
      ])
    let drops = try run.drops()
    #expect(
      drops.contains(
        .init(id: "metadata.jsonl:15", reason: "malformed-row", detail: "its \"blob_id\" is not 40 hexadecimal digits"))
    )
    #expect(drops.contains { $0.reason == "too-large" && $0.value == 3000 && $0.threshold == 1000 })
    #expect(drops.contains { $0.reason == "language" && $0.detail == "C" })
    let copy = try #require(drops.first { $0.reason == "duplicate-blob" })
    #expect(copy.survivor == copy.id)
    #expect(run.files("documents").isEmpty)
    let row = try #require(try selection(run).first { $0["path"] == "/kero.py" })
    #expect(
      row.text()
        == #"{"blob_id":"\#(row["blob_id"]!.string!)","path":"/kero.py","repository":"reed/pond","#
        + #""revision":"0000000000000000000000000000000000000002","language":"Python","encoding":"Shift_JIS","#
        + #""licenseType":"permissive","licenses":["MIT","Apache-2.0"],"bytes":25}"#)
  }

  @Test func everyLicenceOfAFileMustBeAllowed() throws {
    let mit = try run(["licenses": .strings(["mit"]), "languages": .strings(["Python"])])
    #expect(!(try paths(mit)).contains("/kero.py"))
    #expect(try mit.drops().contains { $0.reason == "license-not-allowed" && $0.detail == "Apache-2.0" })
    let both = try run(["licenses": .strings(["MIT", "Apache-2.0"])])
    #expect(try paths(both).contains("/kero.py"))
    // A file without a license passes only where its type is allowed by name.
    let none = try run(["licenses": .strings(["MIT"]), "licenseTypes": .strings(["permissive", "no_license"])])
    #expect(try paths(none).contains("/none.py") && !paths(none).contains("/main.c"))
    #expect(try !paths(both).contains("/none.py"))
  }

  @Test func whatIsDroppedByDefaultCanBeKept() throws {
    let all = try run([
      "vendored": "keep", "generated": "keep", "duplicates": "keep",
      "licenseTypes": .strings(["permissive", "no_license"]),
    ])
    #expect(reasons(all) == ["malformed-row": 1] && all.ledger.consumed.documents == 14)
    let c = try run(["extensions": .strings([".C"]), "licenseTypes": .strings(["no_license"])])
    #expect(try paths(c) == ["/main.c"])
    let large = try run(["minimumBytes": 100])
    #expect(try paths(large) == ["/long.py"])
  }

  @Test func repositoriesAreCapped() throws {
    let run = try run(["maximumPerRepository": 1, "languages": .strings(["Python"])])
    let repositories = try selection(run).map { $0["repository"]!.string! }
    #expect(Set(repositories).count == repositories.count && repositories.contains("heron/lake"))
    let full = try run.drops().filter { $0.reason == "repository-full" }
    #expect(full.filter { $0.detail == "heron/lake" }.count == 2 && full.allSatisfy { $0.threshold == 1 })
  }

  @Test func csvHoldsTheSameRows() throws {
    let options: [String: JSONValue] = ["licenses": .strings(["MIT", "Apache-2.0"])]
    #expect(try selection(run(options, "metadata.csv")) == selection(run(options)))
  }

  /// Neither the order in which tasks run nor that of the rows decides what is kept.
  @Test func theChoiceDependsOnTheRowsAlone() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let lines = String(decoding: try FileSystem.read(Self.fixtures + "/metadata.jsonl"), as: UTF8.self)
      .split(separator: "\n")
    for (name, part) in [("a", lines.prefix(7)), ("b", lines.dropFirst(7))] {
      try FileSystem.write(Array(part.joined(separator: "\n").utf8), to: "\(folder)/\(name).jsonl")
    }
    try FileSystem.write(Array(lines.reversed().joined(separator: "\n").utf8), to: folder + "/reversed")
    let options: [String: JSONValue] = ["partitions": 5, "maximumPerRepository": 2]
    func chosen(_ run: StageHarness) throws -> Set<String> { Set(try selection(run).map { $0.text() }) }
    let forwards = try harness(options, folder + "/a.jsonl").run()
    #expect(try harness(options, folder + "/a.jsonl").run(backwards: true).digests == forwards.digests)
    let whole = try chosen(run(options))
    #expect(try chosen(run(options, folder + "/reversed")) == whole)
    #expect(try chosen(run(["partitions": 1, "maximumPerRepository": 2])) == whole && whole.count > 5)
  }

  /// More rows than a sorter holds in memory, so that runs are spilled and merged.
  @Test func manyRowsAreSortedWithinTheirMemory() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let file = try FileSink(folder + "/rows.jsonl")
    for number in 0..<20_000 {
      let blob = Checksummer.checksum(Array("\(number % 15_000)".utf8), .sha1).hex
      try file.write(
        #"{"blob_id":"\#(blob)","path":"/\#(number)","repo_name":"r\#(number % 15_000 % 100)","length_bytes":9,"#
          + #""license_type":"permissive"}"# + "\n")
    }
    try file.commit()
    let run = try harness(["maximumPerRepository": 50], folder + "/rows.jsonl").run(memoryBytes: 200_000)
    #expect(reasons(run) == ["duplicate-blob": 5000, "repository-full": 10_000])
    #expect(run.ledger.consumed.documents == 5000 && run.ledger.imbalance == 0)
  }

  // MARK: Contents

  @Test func contentsOnDiskBecomeDocuments() throws {
    let run = try run([
      "contents": .string(Self.fixtures + "/contents/{blob_id}"), "maximumMissingFraction": 0.5.json,
      "maximumBytes": 1000, "languages": .strings(["Python"]),
    ])
    let texts = try run.documents().map(\.textString)
    #expect(
      Set(texts) == [
        "def croak():\n    return \"ribbit\"\n", "# 蛙は鳴く\nprint(\"ケロ\")\n", "a = 1\n", "b = 2\n", "c = 3\n",
      ])
    let kero = try #require(try run.documents().first { $0.textString.contains("ケロ") })
    #expect(kero.idString.utf8.count == 40 && kero.source == Array("code".utf8))
    #expect(try JSONValue.parse(kero.metadata).value["licenses"] == .strings(["MIT", "Apache-2.0"]))
    let reasons = reasons(run)
    #expect(reasons["not-found"] == 1 && reasons["digest-mismatch"] == 1 && reasons["undecodable"] == 1)
    #expect(run.ledger.input.documents == 15 && run.ledger.output.documents == 5)
  }

  @Test(.needs(LocalServer.isUsable, "needs Python")) func aKilledFetchGoesOn() throws {
    let server = try LocalServer()
    let (a, b) = ("a = 1\n", "b = 2\n")
    let (first, second) = (sha1(a), sha1(b))
    try server.script("/content/\(first)", ["body": .string(a)])
    try server.script("/content/\(second)", ["status": 503])
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let rows = [first, second].map {
      #"{"blob_id":"\#($0)","path":"/x","repo_name":"r","length_bytes":6,"license_type":"permissive"}"#
    }
    try FileSystem.write(Array(rows.joined(separator: "\n").utf8), to: folder + "/rows")
    let document: JSONValue = [
      "format": 1, "name": "code",
      "stages": [
        "code": [
          "use": "code.select",
          "options": [
            "metadata": "rows", "contents": .string("\(server.origin)/content/{blob_id}"),
            "allowPrivateAddresses": true,
            "attempts": 1, "partitions": 1,
          ],
        ]
      ],
    ]
    try FileSystem.write(Array(document.text().utf8), to: folder + "/code.json")
    let command = ["run", folder + "/code.json", "--store", folder + "/store"]
    let failed = try ChildProcess(command).wait()
    #expect(failed.status == 1 && failed.errors.contains("the server responded with 503"), "\(failed)")
    try server.script("/content/\(second)", ["body": .string(b)])
    let done = try ChildProcess(command).wait()
    #expect(done.status == 0, "\(done)")
    #expect(try server.questions().map(\.path) == [first, second, second].map { "/content/\($0)" })
  }

  private func sha1(_ text: String) -> String { Checksummer.checksum(Array(text.utf8), .sha1).hex }

  @Test func tooManyMissingContentsAreAnError() throws {
    #expect { try run(["contents": "/nowhere/{blob_id}"]) } throws: {
      "\($0)".contains("/nowhere/{blob_id}: 9 of 9 contents are missing; the first: ")
        && "\($0)".hasSuffix("Check \"contents\", or raise \"maximumMissingFraction\".")
    }
  }

  // MARK: Sentences

  /// The same rows as Parquet give the same selection, and drops under their places in the file.
  @Test(.needsParquet, .needsParquetPeer) func rowsAreReadFromParquet() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let path = folder + "/train.parquet"
    try #require(parquetPeer.run("convert", Self.fixtures + "/metadata.jsonl", path) != nil)
    let options: [String: JSONValue] = ["languages": .strings(["python"]), "maximumBytes": 1000]
    let (lines, rows) = try (run(options), run(options, path))
    #expect(try selection(rows) == selection(lines) && reasons(rows) == reasons(lines))
    #expect(try rows.drops().contains { $0.id == "train.parquet:15" && $0.reason == "malformed-row" })
  }

  @Test func sentences() throws {
    func sentence(_ options: [String: JSONValue], _ metadata: String = "metadata.jsonl") -> String {
      do { _ = try run(options, metadata) } catch { return "\(error)".replacing(Self.fixtures, with: "…") }
      return "no error"
    }
    #expect(sentence(["licenseTypes": .strings(["permisive"])]).contains("Did you mean 'permissive'?"))
    #expect(sentence(["licenseTypes": .strings([])]).contains("Name permissive, no_license."))
    #expect(
      sentence(["contents": "https://example.org/content"]).contains(
        "'https://example.org/content' has no placeholder for the digest of a content. Insert {blob_id}"))
    #expect(sentence(["contents": "ftp://example.org/{blob_id}"]).contains("Use an http or https URL"))
    #expect(sentence(["contents": "https://u:p@example.org/{blob_id}"]).contains("which would be stored with the run"))
    #expect(
      sentence(["maximumMalformedFraction": 0])
        == "…/metadata.jsonl: 1 of its 15 rows are malformed; the first: row 15: its \"blob_id\" is not 40 hexadecimal "
        + "digits. Check that the file is The Stack v2 metadata, or raise \"maximumMalformedFraction\".")
    #expect(sentence([:], "contents").contains("its header has no column blob_id and no column length_bytes"))
  }
}
