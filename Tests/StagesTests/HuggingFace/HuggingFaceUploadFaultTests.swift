import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// A Hub that fails, moves on and says no.
@Suite(.needs(HubServer.isUsable, "needs Python")) struct HuggingFaceUploadFaultTests {
  private typealias Bench = HubWorkbench

  private static let large = HubWorkbench.noise(60_000, seed: 3)

  private func bench() throws -> HubWorkbench {
    try HubWorkbench().add(
      "model", [("config.json", Array("{}\n".utf8)), ("small.bin", Bench.noise(9000)), ("large.bin", Self.large)])
  }

  @Test(arguments: [
    "POST /api/repos/create", "POST /api/datasets/me/set/preupload", "POST /datasets/me/set.git/info/lfs/objects",
    "PUT /objects", "PUT /parts", "POST /api/complete", "POST /datasets/me/set.git/info/lfs/verify",
    "POST /api/datasets/me/set/commit", "GET /api/datasets/me/set/tree",
  ])
  func aFailureThatPassesIsNoFailure(_ match: String) throws {
    for more in [[], [("after", JSONValue.bool(true))]] {
      let bench = try bench()
      try bench.server.control(
        "fault",
        .object([JSONMember("match", .string(match)), JSONMember("status", 500)] + more.map { JSONMember($0.0, $0.1) }))
      let run = try bench.upload()
      #expect(run.warnings["asked-again"] == 1)
      #expect(try bench.server.seen("commits") == 1, "an answer that got lost makes no second commit")
      #expect(try bench.server.tree("me/set")["large.bin"] == Digester.digest(Self.large).hex)
      #expect(try run.json("report", "commit.json")["isNew"]?.bool == true)
    }
  }

  @Test func aConnectionThatIsCutIsNoFailure() throws {
    let bench = try bench()
    try bench.server.fault("PUT /parts", ("skip", 2), ("cut", 1000))
    try bench.server.fault("POST /api/datasets/me/set/commit", ("cut", 10))
    try bench.upload()
    #expect(try bench.server.seen("parts") == 8 && bench.server.seen("commits") == 1)
  }

  @Test func addressesThatLapseAreAskedForAnew() throws {
    for isContinued in [false, true] {
      let bench = try bench()
      try bench.server.setRules(["continues": .bool(isContinued)])
      try bench.server.fault("PUT /parts", ("skip", 3), ("expire", [:]))
      try bench.upload()
      #expect(try bench.server.tree("me/set")["large.bin"] == Digester.digest(Self.large).hex)
      #expect(try bench.server.seen("parts") == (isContinued ? 8 : 11), "a new upload has no parts yet")
    }
  }

  /// An attempt that ends in the middle of a large file leaves its parts sent; the next one goes on behind them.
  @Test func partsThatWereSentAreNotSentAgain() throws {
    let bench = try bench()
    let harness = try StageHarness(HuggingFaceUpload.self, options: bench.options())
    harness.add(files: bench.artifacts[0].files, to: "artifacts", from: "model")
    try bench.server.fault("PUT /parts", ("skip", 5), ("times", 3), ("status", 503))
    #expect(
      bench.sentence { try harness.run() }.hasPrefix(
        "STORAGE/parts/\(Digester.digest(Self.large).hex)?partNumber=6&uploadId="))
    #expect(try bench.server.seen("parts") == 5)
    let state = try FileSystem.walk(harness.directory + "/node/.state")
    #expect(state.count { $0.hasSuffix(".upload") } == 1)
    try harness.run()
    #expect(try bench.server.seen("parts") == 8)
    #expect(harness.metrics["resumedBytes"] == 40_960)
    #expect(try bench.server.tree("me/set")["large.bin"] == Digester.digest(Self.large).hex)
  }

  // MARK: Others

  private func move(_ bench: HubWorkbench, _ path: String) throws {
    let files: JSONValue = .object([JSONMember(path, "theirs\n")])
    try bench.server.fault(
      "POST /api/datasets/me/set/commit", ("move", ["name": "me/set", "kind": "dataset", "files": files]))
  }

  @Test func aCommitOfOthersToOtherFilesIsSteppedOver() throws {
    let bench = try bench()
    try move(bench, "notes.txt")
    try bench.upload()
    let tree = try bench.server.tree("me/set")
    #expect(tree["notes.txt"] != nil && tree["config.json"] != nil)
    #expect(try bench.server.seen("commits") == 1)
  }

  @Test func aCommitOfOthersToOurFilesStopsTheUpload() throws {
    let bench = try bench()
    try move(bench, "config.json")
    #expect(
      bench.sentence { try bench.upload() }
        == "HUB/api/datasets/me/set/commit/main: somebody else has committed to the dataset me/set in the "
        + "meantime, with changes to config.json among others. "
        + "Run again: it starts from their commit, and uploaded large files are kept.")
    #expect(try bench.server.seen("commits") == 0)
  }

  // MARK: Sentences

  @Test func whatTheHubRefusesIsASentence() throws {
    let bench = try bench()
    func sentence(_ more: (String, JSONValue)...) -> String {
      bench.sentence {
        let harness = try StageHarness(HuggingFaceUpload.self, options: bench.options(more))
        harness.add(files: bench.artifacts[0].files, to: "artifacts", from: "model")
        try harness.run()
      }
    }
    #expect(
      sentence(("tokenVariable", "PIPELINE_TEST_NO_SUCH"))
        == "tokenVariable: the environment variable PIPELINE_TEST_NO_SUCH is not set. "
        + "Create a token with write access at HUB/settings/tokens and put it there.")
    #expect(
      sentence(("tokenVariable", "PIPELINE_TEST_HUB_STALE"))
        == "HUB/api/datasets/me/set/revision/main: the Hub does not accept the token in PIPELINE_TEST_HUB_STALE "
        + "(\"Invalid credentials in Authorization header\"). "
        + "Create a new one at HUB/settings/tokens; it may have expired or been revoked.")
    #expect(
      sentence(("tokenVariable", .string(Bench.readerVariable)))
        == "HUB/api/repos/create: the token in PIPELINE_TEST_HUB_READER is not authorized "
        + "(\"you do not have the rights to create a repository there\"). "
        + "Create one with write access to me at HUB/settings/tokens.")
    func refused(_ status: Int, _ headers: JSONValue = [:]) throws -> String {
      try bench.server.fault("POST /api/datasets/me/set/commit", ("status", .integer(status)), ("headers", headers))
      return sentence()
    }
    #expect(
      try refused(413)
        == "HUB/api/datasets/me/set/commit/main: the request exceeds the Hub's limit. "
        + "Upload fewer or larger files, for example larger shards.")
    #expect(
      try refused(409)
        == "HUB/api/datasets/me/set/commit/main: another operation on the dataset me/set is in progress. "
        + "Run again.")
    #expect(
      try refused(429, ["Retry-After": "4000"])
        == "HUB/api/datasets/me/set/commit/main: the Hub accepts no more requests for now (429). It asks clients to "
        + "wait 4000 seconds. Run again later, with a token if there was none. Uploaded files are not sent again.")
    #expect(
      try refused(400, ["X-Error-Message": "hf_writer said\tno"])
        == "HUB/api/datasets/me/set/commit/main: the Hub responded with 400 (Bad Request) (\"… said no\").")
    #expect(
      try refused(404, ["X-Error-Code": "RepoNotFound"])
        == "HUB/api/datasets/me/set/commit/main: there is no dataset me/set, or the token in "
        + "\(Bench.tokenVariable) may not see it. Check the name, the kind and the token's permissions.")
  }

  @Test func optionsThatAreWrong() throws {
    let bench = try bench()
    func sentence(_ more: (String, JSONValue)...) -> String {
      bench.sentence { _ = try StageHarness(HuggingFaceUpload.self, options: bench.options(more)) }
    }
    #expect(
      sentence(("tokenVariable", "hf_abcdefghijklmnop")) == "huggingface.upload: must name an environment variable, "
        + "not contain the token itself. Put the token into HF_TOKEN and write \"HF_TOKEN\". "
        + "Revoke a token that was written to a file.")
    #expect(
      sentence(("repository", "set"))
        == "huggingface.upload: 'set' is not a valid repository name. "
        + "Write it as OWNER/NAME with letters, digits, '-', '_' and '.'.")
    #expect(sentence(("repository", "me/../x")).contains("'me/../x' is not a valid repository name"))
    #expect(
      sentence(("allowPrivateAddresses", false)).contains("HUB is unencrypted http, which would expose the token"))
    #expect(sentence(("endpoint", "https://user:pw@hub.example")).contains("must not contain a query or a password"))
    #expect(sentence(("revision", "a..b")).contains("'a..b' is not a valid branch name"))
    #expect(sentence(("folder", "../up")).contains("'../up' is not a valid folder of a repository"))
    #expect(sentence(("folder", ".git/hooks")).contains("'.git/hooks' is not a valid folder of a repository"))
    #expect(sentence(("message", "")).contains("a commit needs a message"))
  }
}
