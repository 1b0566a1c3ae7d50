import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needsParquet, .needsParquetPeer)
struct ParquetReadTests {
  /// Rows as JSON lines, which `ParquetFileTests` compares with pyarrow's.
  private func jsonLines(_ path: String) throws -> [UInt8] {
    let file = try ParquetFile(path)
    let rows = try file.rows(paths: [], rest: Array(file.columns.indices))
    var out: [UInt8] = []
    while case let count = try rows.next(), count > 0 {
      for row in 0..<count { out += Array(rows.object(row)) + [10] }
    }
    return out
  }

  private func read(_ file: String, _ options: JSONValue = [:]) throws -> StageHarness {
    let members = (options.members ?? []) + [JSONMember("files", .string(file))]
    let run = try StageHarness(DocumentsRead.self, options: .object(members)).run()
    #expect(run.ledger.imbalance == 0)
    return run
  }

  @Test(arguments: [
    "{}", #"{"idField":"minhash.cluster","sourceField":"url"}"#, #"{"otherFields":"drop","metadataField":"minhash"}"#,
    #"{"textField":"url","maximumMalformedFraction":1}"#, #"{"metadataField":"minhash","source":"web"}"#,
  ])
  func documentsAreThoseOfTheSameRowsAsJSONLines(_ options: String) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let parquet = try #require(writersParquetFiles) + "/pyarrow.parquet"
    try FileSystem.write(try jsonLines(parquet), to: folder + "/pyarrow.parquet")
    let options = try JSONValue.parse(Array(options.utf8)).value
    let (rows, lines) = try (read(parquet, options), read(folder + "/pyarrow.parquet", options))
    #expect(try rows.documents() == lines.documents())
    #expect(try rows.drops().map(\.id) == lines.drops().map(\.id))
    #expect(rows.ledger.output.documents > 300)
  }

  @Test func nestedTextsAreRead() throws {
    let run = try read(
      try #require(writersParquetFiles) + "/polars.parquet",
      ["textField": "minhash.absent", "maximumMalformedFraction": 1])
    #expect(try run.drops().map(\.detail) == Array(repeating: "its text is null", count: 500))
    let error = #expect(throws: StageError.self) {
      try read(try #require(writersParquetFiles) + "/polars.parquet", ["textField": "token_count"])
    }
    #expect(error?.message == "500 of its 500 rows are not documents; the first: row 1: its text is not a string")
  }

  /// A large file is several tasks, which give the same documents.
  @Test func rowGroupsAreTasks() throws {
    let path = try #require(writersParquetFiles) + "/pyarrow.parquet"
    let options: JSONValue = ["idField": "absent", "files": .string(path), "bytesPerTask": 8192]
    let parts = try StageHarness(DocumentsRead.self, options: options).run(backwards: true)
    #expect(parts.manifests.map(\.key) == ["00000", "00001", "00002", "00003", "00004"])
    #expect(parts.manifests.map(\.ledger.input.documents) == [100, 100, 100, 100, 100])
    let documents = try parts.documents()
    #expect(documents.map(\.idString) == (1...500).map { "pyarrow.parquet:\($0)" })
    #expect(try documents == read(path, ["idField": "absent"]).documents())
  }

  @Test func savedDataSetsAreRead() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try #require(parquetPeer.run("save", folder + "/set") != nil)
    let run = try read(folder)
    #expect(try run.documents().map(\.idString) == (0..<500).map { "doc-\($0)" })
    try FileSystem.remove(folder + "/set/data-00001-of-00003.arrow")
    let error = #expect(throws: StageError.self) { try read(folder) }
    #expect(error?.message == "names 'data-00001-of-00003.arrow', which is not beside it")
  }

  /// Conditions choose the rows that pyarrow's own filter chooses, and skip row groups by their bounds.
  @Test(arguments: [
    ("token_count >= 14800", 100, 400), ("token_count < 37", 1, 499), ("language_score == 3.125", 1, 499),
    ("id == doc-17", 1, 499), ("minhash.cluster > 160", 17, 483), ("url != https://example.org/1", 332, 168),
    ("text < 山", 100, 400), ("flag == true", 250, 250),
  ])
  func conditionsChooseRows(_ condition: String, _ kept: Int, _ excluded: Int) throws {
    let run = try read(try #require(writersParquetFiles) + "/pyarrow.parquet", ["where": .list([.string(condition)])])
    #expect(run.ledger.input.documents == kept && run.metrics["rows-excluded"] == Double(excluded))
  }

  @Test func boundsExcludeRowGroups() throws {
    let file = try ParquetFile(try #require(writersParquetFiles) + "/pyarrow.parquet")
    func groups(_ conditions: String...) throws -> [Int] {
      try file.groups(where: conditions.map { try #require(ParquetCondition($0)) })
    }
    #expect(try groups("token_count >= 14800") == [4])
    #expect(try groups("token_count >= 3000", "language_score <= 4") == [0, 1, 2])
    #expect(try groups("minhash.cluster == 40") == [1])
    #expect(try groups("tags.name == x") == [0, 1, 2, 3, 4] && groups("absent == 1") == [0, 1, 2, 3, 4])
    #expect(ParquetCondition("token_count>=1") == nil && ParquetCondition(" == 1") == nil)
  }
}
