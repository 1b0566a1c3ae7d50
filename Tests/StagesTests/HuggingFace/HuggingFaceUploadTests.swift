import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needs(HubServer.isUsable, "needs Python")) struct HuggingFaceUploadTests {
  private typealias Bench = HubWorkbench

  private func bench() throws -> HubWorkbench {
    try HubWorkbench().add(
      "model",
      [
        ("config.json", Array("{\"a\": 1}\n".utf8)), ("sub/vocabulary.txt", Array("あ\nい\n".utf8)),
        ("small.bin", Bench.noise(9000)), ("large.safetensors", Bench.noise(30_000, seed: 2)), ("empty.bin", []),
      ])
  }

  @Test func smallFilesGoIntoTheCommitAndLargeOnesToTheStorage() throws {
    let bench = try bench()
    let run = try bench.upload()
    #expect(
      try run.listed() == [
        "config.json added regular", "empty.bin added regular", "large.safetensors added lfs", "small.bin added lfs",
        "sub/vocabulary.txt added regular",
      ])
    let tree = try bench.server.tree("me/set")
    #expect(tree["large.safetensors"] == Digester.digest(Bench.noise(30_000, seed: 2)).hex)
    #expect(tree["config.json"] == "cb5b2f69babc53f9145b45ad20b9a075d48717ef", "as git hash-object names it")
    #expect(try bench.server.seen("parts") == 4 && bench.server.seen("basic") == 1)
    #expect(try bench.server.seen("commits") == 1)
    #expect(run.metrics["sentBytes"] == 39_000)
    let commit = try run.json("report", "commit.json")
    #expect(commit["isNew"]?.bool == true)
    #expect(commit["url"]?.string == "\(bench.server.origin)/datasets/me/set/commit/\(commit["commit"]?.string ?? "")")
  }

  @Test func theTokenGoesToTheHubAlone() throws {
    let bench = try bench()
    try bench.upload()
    let questions = try bench.server.questions()
    let storage = questions.filter(\.isStorage)
    #expect(storage.count == 5 && storage.allSatisfy { $0.headers["authorization"] == nil })
    let hub = questions.filter { !$0.isStorage && $0.line != "POST /api/complete_multipart" }
    #expect(hub.count > 8 && hub.allSatisfy { $0.headers["authorization"]?.string == "Bearer hf_writer" })
    #expect(try bench.server.seen("storageAuthorizations") == 0)
  }

  @Test func whatIsThereIsNotSentAgain() throws {
    let bench = try bench()
    let first = try bench.upload().json("report", "commit.json")["commit"]?.string
    try bench.server.control("forget", [:])
    let again = try bench.upload()
    #expect(try again.listed().allSatisfy { $0.hasSuffix(" unchanged") })
    #expect(try bench.server.questions().allSatisfy { $0.line.hasPrefix("GET ") }, "nothing but looks")
    let commit = try again.json("report", "commit.json")
    #expect(commit["commit"]?.string == first && commit["isNew"]?.bool == false && commit["parent"] == .null)

    // Another of the same length: a size that agrees proves nothing.
    bench.clear()
    try bench.add("model", [("config.json", Array("{\"a\": 2}\n".utf8)), ("small.bin", Bench.noise(9000))])
    let changed = try bench.upload()
    #expect(try changed.listed() == ["config.json changed regular", "small.bin unchanged"])
    #expect(try changed.json("report", "commit.json")["parent"]?.string == first)
    #expect(try bench.server.tree("me/set")["sub/vocabulary.txt"] != nil, "what the artifacts have not stays")
    #expect(try bench.server.seen("basic") == 0)
  }

  @Test func anObjectThatTheStorageHasIsNotSentAgain() throws {
    let bench = try bench()
    try bench.upload()
    let bytes = try bench.server.seen("storedBytes")
    try bench.upload(("repository", "me/other"))
    #expect(try bench.server.seen("storedBytes") == bytes)
    #expect(try bench.server.tree("me/other").count == 6)
  }

  /// A content that stands at several paths is one object, in the folder's files and in the storage.
  @Test func equalFilesAreSentOnce() throws {
    let bench = try HubWorkbench().add(
      "a",
      [
        ("1.bin", Bench.noise(30_000)), ("2.bin", Bench.noise(30_000)), ("3.bin", Bench.noise(9000)),
        ("4.bin", Bench.noise(9000)),
      ])
    try bench.upload()
    #expect(try bench.server.seen("storedBytes") == 39_000 && bench.server.tree("me/set").count == 5)
    // What the storage lost between the phases is sent by the commit.
    try bench.server.fault("GET /api/datasets/me/other/tree", ("skip", 1), ("lose", true))
    try bench.upload(("repository", "me/other"))
    #expect(try bench.server.seen("storedBytes") == 78_000 && bench.server.tree("me/other").count == 5)
  }

  @Test func severalArtifactsGoIntoFolders() throws {
    let bench = try HubWorkbench()
    try bench.add("clean", [("00000.jsonl.zst", Bench.noise(300))]).add("held", [("00000.jsonl.zst", Bench.noise(200))])
    #expect(
      try bench.upload(("folder", "data")).listed() == [
        "data/clean/00000.jsonl.zst added lfs", "data/held/00000.jsonl.zst added lfs",
      ])
    #expect(
      bench.sentence { try bench.upload(("layout", "flat")) }
        == "layout: two files would be written to 00000.jsonl.zst: one of 'clean' and one of 'held'. Set \"layout\" to folders."
    )
  }

  @Test func aDryRunSendsNothing() throws {
    let bench = try bench()
    let run = try bench.upload(("dryRun", true))
    #expect(
      try run.listed() == [
        "config.json added regular", "empty.bin added regular", "large.safetensors added lfs", "small.bin added lfs",
        "sub/vocabulary.txt added regular",
      ])
    #expect(try bench.server.questions().map(\.line) == ["GET /api/datasets/me/set/revision/main"])
    #expect(run.files("report").map(\.name) == ["files.jsonl"])
    let line = try JSONValue.parse(FileSystem.read(run.files("report")[0].path).split(separator: 10)[0].map { $0 })
      .value
    #expect(line["bytes"]?.integer == 9 && line["sha256"]?.string == Digester.digest(Array("{\"a\": 1}\n".utf8)).hex)

    // Without a token too; then it compares with what is public.
    try bench.upload()
    let open = try bench.upload(("dryRun", true), ("tokenVariable", "PIPELINE_TEST_NO_SUCH"))
    #expect(try open.listed().count == 5)
  }

  @Test func aBranchIsMade() throws {
    let bench = try bench()
    try bench.upload(("revision", "experiment/2"))
    #expect(try bench.server.tree("me/set", revision: "experiment/2").count == 6)
    #expect(try bench.server.tree("me/set").count == 1)
  }

  @Test func filesThatTheRepositoryIgnoresAreNamed() throws {
    let bench = try HubWorkbench().add("a", [("x.ignored", [1]), ("y.txt", [2])])
    let run = try bench.upload()
    #expect(try run.listed() == ["x.ignored ignored", "y.txt added regular"])
    #expect(run.warnings["ignored-file"] == 1)
    #expect(try bench.server.tree("me/set")["x.ignored"] == nil)
  }

  /// 700 files: three questions of how to send them, a listing of many pages, one commit.
  @Test func manyFilesMakeOneCommit() throws {
    let bench = try HubWorkbench(rules: ["page": 50])
    try bench.add("many", (0..<700).map { ("\($0 % 7)/\($0).txt", Array("\($0)\n".utf8)) })
    #expect(try bench.upload().metrics["added"] == 700)
    #expect(try bench.server.seen("commits") == 1)
    #expect(try bench.server.tree("me/set").count == 701)
    #expect(try bench.upload().metrics["unchanged"] == 700)
  }

  @Test func aDataSetGetsACardUnlessItHasOne() throws {
    let bench = try HubWorkbench()
    try bench.add("clean", [("00000.jsonl.zst", Bench.noise(300)), ("00001.jsonl.zst", Bench.noise(301))])
      .add("mds", [("index.json", Array("{}".utf8)), ("shard.00000.mds", Bench.noise(9))])
    try bench.upload(("card", true))
    let card = """
      ---
      configs:
      - config_name: "clean"
        data_files:
        - "clean/*.jsonl.zst"
      ---

      <!-- Written by pipeline. Take this line out to keep a card of your own. -->

      # me/set

      4 files, written by pipeline.

      `mds` holds shards for MosaicML Streaming, with their `index.json`.

      """
    let blob = try bench.server.tree("me/set")["README.md"]
    #expect(blob == Checksummer.checksum(Array("blob \(card.utf8.count)\0\(card)".utf8), .sha1).hex)

    #expect(try bench.upload(("card", true)).metrics["unchanged"] == 5)
    try bench.add("more", [("00000.jsonl.zst", Bench.noise(100))])
    #expect(
      try bench.upload(("card", true)).listed().contains("README.md changed regular"), "a new artifact is a new table")
    try bench.server.move("me/set", [("README.md", "# By hand\n")])
    #expect(try bench.upload(("card", true)).metrics["unchanged"] == 5, "a card that people wrote stays")
  }
}
