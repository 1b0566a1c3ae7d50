import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needs(HubServer.isUsable, "needs Python")) struct HuggingFaceDownloadTests {
  private typealias Bench = HubWorkbench

  private static let large = HubWorkbench.noise(200_000, seed: 7)

  private func bench() throws -> HubWorkbench {
    let bench = try HubWorkbench().add(
      "set",
      [
        ("README.md", Array("# set\n".utf8)), ("ja/a/0000.jsonl.gz", Bench.noise(6000)),
        ("ja/a/0001.jsonl.gz", Self.large),
        ("ja/b/0000.jsonl.gz", Bench.noise(7000, seed: 9)), ("en/0000.txt", Array("plain\n".utf8)),
      ])
    try bench.upload()
    try bench.server.control("forget", [:])
    return bench
  }

  @discardableResult
  private func download(_ bench: HubWorkbench, _ more: (String, JSONValue)...) throws -> StageHarness {
    try StageHarness(HuggingFaceDownload.self, options: bench.downloadOptions(more)).run()
  }

  @Test func filesComeWithTheirFoldersAndTheCommitIsRecorded() throws {
    let bench = try bench()
    let run = try download(bench, ("include", .strings(["ja/", "*.txt"])), ("exclude", .strings(["ja/b/**"])))
    #expect(
      Dictionary(uniqueKeysWithValues: run.files("files").map { ($0.name, $0.digest) }) == [
        "ja/a/0000.jsonl.gz": Digester.digest(Bench.noise(6000)), "ja/a/0001.jsonl.gz": Digester.digest(Self.large),
        "en/0000.txt": Digester.digest(Array("plain\n".utf8)),
      ])
    let head = try bench.upload().json("report", "commit.json")["commit"]
    let source = try run.json("listing", "source.json")
    #expect(source["commit"] == head && source["revision"]?.string == "main")
    #expect(try download(bench, ("maximumFiles", 2)).files("files").count == 2)
  }

  @Test func theTokenIsNotShownToTheStorage() throws {
    let bench = try bench()
    try bench.server.control("gate", ["kind": "dataset", "name": "me/set", "gated": true])
    try download(bench)
    let questions = try bench.server.questions()
    #expect(questions.filter(\.isStorage).count == 3)
    #expect(questions.allSatisfy { ($0.headers["authorization"] == nil) == $0.isStorage })
    #expect(try bench.server.seen("storageAuthorizations") == 0)
  }

  @Test func aPartThatCameIsNotFetchedAgain() throws {
    let bench = try bench()
    let harness = try StageHarness(
      HuggingFaceDownload.self,
      options: bench.downloadOptions([("include", .strings(["0001.jsonl.gz"])), ("attempts", 1)]))
    try bench.server.fault("GET /objects", ("short", 150_000))
    #expect(throws: StageError.self) { try harness.run() }
    try harness.run()
    #expect(harness.files("files").map(\.digest) == [Digester.digest(Self.large)])
    #expect(harness.metrics["resumedBytes"] == 150_000)
    let last = try bench.server.questions().last { $0.isStorage }
    #expect(last?.headers["range"]?.string == "bytes=150000-" && last?.status == 206)
  }

  /// What `task(phase)` says of each look: how many files there are, and how many were kept.
  @Test func aLaterLookFetchesOnlyWhatHasChanged() throws {
    let bench = try bench()
    func look(_ snapshot: String) throws -> [Int] {
      let options = bench.downloadOptions([("snapshot", .string(snapshot))]).text()
      let document = """
        {"format": 1, "name": "t", "stages": {"get": {"use": "huggingface.download", "options": \(options)}}}
        """
      let graph = try Graph(
        try PipelineSpec.parse(Array(document.utf8), path: bench.folder + "/p.json"), registry: .builtin)
      let run = try PipelineRun(graph: graph, store: RunStore(root: bench.folder + "/store"), settings: .init())
      var files: [Int] = []
      let outcome = try run.run(listen: { event in
        if case .phaseBegan("get", "files", let tasks, let kept) = event { files = [tasks, kept] }
      })
      #expect(outcome == .done)
      return files
    }
    #expect(try look("1") == [6, 0])
    try bench.server.move("me/set", [("en/0000.txt", "other\n"), ("ja/b/0000.jsonl.gz", nil), ("new.txt", "new\n")])
    #expect(try look("2") == [6, 4])
    let store = try RunStore(root: bench.folder + "/store")
    let manifest = try #require(try store.newestSealed(stage: "get")?.manifest)
    let names = store.artifacts.files(manifest, port: "files").map(\.name)
    #expect(names.contains("new.txt") && !names.contains("ja/b/0000.jsonl.gz"))
  }

  // MARK: Sentences

  @Test func whoMayNotReadIsToldWhatToDo() throws {
    let bench = try bench()
    try bench.server.control("gate", ["kind": "dataset", "name": "me/set", "gated": true])
    func sentence(_ more: (String, JSONValue)...) -> String {
      bench.sentence { try StageHarness(HuggingFaceDownload.self, options: bench.downloadOptions(more)).run() }
    }
    let one = ("include", JSONValue.strings(["README.md"]))
    let open = sentence(one, ("tokenVariable", "PIPELINE_TEST_NO_SUCH"))
    #expect(
      open.hasSuffix(
        "/README.md: access to the dataset me/set requires accepting its terms. "
          + "Accept them at HUB/datasets/me/set, create a token at HUB/settings/tokens and put it into the environment."
      ))
    #expect(
      sentence(one, ("tokenVariable", "PIPELINE_TEST_HUB_OUTSIDER")).hasSuffix(
        "/README.md: access to the dataset me/set requires accepting its terms, which the owner of the token in "
          + "PIPELINE_TEST_HUB_OUTSIDER has not done. "
          + "Accept them at HUB/datasets/me/set with the token's account."))
    try bench.server.control("gate", ["kind": "dataset", "name": "me/set", "gated": false, "private": true])
    #expect(
      sentence(one, ("tokenVariable", "PIPELINE_TEST_NO_SUCH"))
        == "HUB/api/datasets/me/set/revision/main: there is no dataset me/set, or it is private. "
        + "Check the name and the kind, or set a token.")
    #expect(
      sentence(("revision", "v9"))
        == "HUB/api/datasets/me/set/revision/v9: the dataset me/set has no such revision. "
        + "Check \"revision\": a branch, a tag or a commit.")
    #expect(
      sentence(("include", .strings(["*.parquet"])))
        == "include: selects none of the 6 files of HUB/datasets/me/set. Check \"include\" and \"exclude\"; "
        + "it has files at its root, en, ja/a, ja/b.")
  }

  @Test func aFileThatIsNotWhatTheListingSaysIsRefused() throws {
    let bench = try bench()
    func sentence(_ match: String, _ body: String, _ include: String) throws -> String {
      try bench.server.fault(match, ("status", 200), ("body", .string(body)), ("times", 9))
      let text = bench.sentence {
        try StageHarness(
          HuggingFaceDownload.self,
          options: bench.downloadOptions([("include", .strings([include])), ("attempts", 1)])
        ).run()
      }
      return text
    }
    let small = try sentence("GET /datasets/me/set/resolve/.*/en/0000.txt", "PLAIN\n", "0000.txt")
    let name = Checksummer.checksum(Array("blob 6\0plain\n".utf8), .sha1).hex
    let other = Checksummer.checksum(Array("blob 6\0PLAIN\n".utf8), .sha1).hex
    #expect(small.contains("/en/0000.txt: the file's git hash is \(other), the listing says \(name)."))
    let large = try sentence("GET /objects", String(repeating: "x", count: 6000), "ja/a/0000.jsonl.gz")
    #expect(large.contains("its sha256 is "))
    #expect(large.contains(" instead of \(Digester.digest(Bench.noise(6000)).hex)."))
  }

  @Test func hostileListings() throws {
    let bench = try bench()
    func sentence(_ more: (String, JSONValue)...) -> String {
      bench.sentence { try StageHarness(HuggingFaceDownload.self, options: bench.downloadOptions(more)).run() }
    }
    try bench.server.move("me/up", [("a/../../b", "x")])
    #expect(
      sentence(("repository", "me/up"))
        == "HUB/datasets/me/up: 'a/../../b' leads outside the listing's folder or is not a valid path. "
        + "Nothing was fetched: a listing with such a line cannot be trusted.")
    func page(_ body: String, _ headers: JSONValue = [:]) throws -> String {
      try bench.server.fault(
        "GET /api/datasets/me/set/tree", ("status", 200), ("body", .string(body)), ("headers", headers))
      return sentence().replacing(try #require(try bench.server.control("head")["me/set"]?.string), with: "COMMIT")
    }
    let entry = "{\"type\": \"file\", \"path\": \"a\", \"size\": 1, \"oid\": \"\(String(repeating: "0", count: 40))\"}"
    let tree = "HUB/api/datasets/me/set/tree/COMMIT?recursive=true&expand=false"
    let odd = "the response does not match the Hub's API"
    let hint = "Check the endpoint; it may be another kind of server."
    #expect(try page("<html>") == "\(tree): \(odd): it is not valid JSON. \(hint)")
    #expect(try page("{}") == "\(tree): \(odd): a listing is not a JSON array. \(hint)")
    #expect(
      try page("[{\"type\": \"file\"}]") == "\(tree): \(odd): a file in its listing has no path, size or oid. \(hint)")
    #expect(
      try page("[\(entry)]", ["Link": "<?recursive=true&expand=false>; rel=\"next\""])
        == "\(tree): \(odd): the pages of its listing form a loop. \(hint)")
    #expect(
      try page("[\(entry)]", ["Link": "<http://127.0.0.1:9/x>; rel=\"next\""])
        == "\(tree): \(odd): its listing continues at http://127.0.0.1:9. \(hint)")
    #expect(
      try page("[]", ["Link": "<?cursor=1>; rel=\"next\""]).contains(
        "a page of its listing is empty but has a next page"))
    #expect(
      try page("[\(entry), \(entry.replacing("\"size\": 1", with: "\"size\": 2"))]").contains(
        "a is listed twice, with different digests"))
  }
}
