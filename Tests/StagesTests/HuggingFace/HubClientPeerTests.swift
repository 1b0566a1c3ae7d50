import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing
import TrainerCore

private let hubClient = PeerScript("hub_client.py")

/// The Hub's own client and ours at the same server: each must accept what the other did.
@Suite(.needs(HubServer.isUsable && hubClient.isUsable, "needs huggingface_hub")) struct HubClientPeerTests {
  private typealias Bench = HubWorkbench

  private func bench() throws -> HubWorkbench {
    try HubWorkbench().add(
      "set",
      [
        ("README.md", Array("---\nlicense: mit\n---\n# set\n".utf8)), ("train/0 0+0.jsonl.zst", Bench.noise(60_000)),
        ("train/1#?%.bin", Bench.noise(9000)), ("日本語/名前.txt", Array("これ\n".utf8)), ("empty.txt", []),
      ])
  }

  @Test func theClientUploadsAndWeFindNothingToDo() throws {
    let bench = try bench()
    try #require(hubClient.run("upload", bench.server.origin, "dataset", "me/set", bench.folder + "/set") != nil)
    #expect(try bench.server.seen("parts") == 8 && bench.server.seen("basic") == 1)
    #expect(try bench.server.seen("storageAuthorizations") == 0)
    try bench.server.control("forget", [:])
    #expect(try bench.upload().metrics["unchanged"] == 5)
    #expect(try bench.server.seen("commits") == 0)
  }

  @Test func weUploadAndTheClientReadsTheSameBytes() throws {
    let bench = try bench()
    try bench.upload()
    let answer = try #require(hubClient.run("download", bench.server.origin, "dataset", "me/set"))
    var digests: [String: String] = [:]
    for member in try JSONValue.parse(answer).value.members ?? [] { digests[member.key] = member.value.string }
    digests[".gitattributes"] = nil
    let own = bench.artifacts[0].files.map { ($0.name, $0.digest.hex) }
    #expect(digests == Dictionary(uniqueKeysWithValues: own))
  }

  @Test func weDownloadWhatTheClientUploaded() throws {
    let bench = try bench()
    try #require(hubClient.run("upload", bench.server.origin, "dataset", "me/set", bench.folder + "/set") != nil)
    let harness = try StageHarness(
      HuggingFaceDownload.self, options: bench.downloadOptions([("exclude", .strings([".gitattributes"]))]))
    let files = try harness.run().files("files").map { ($0.name, $0.digest) }
    #expect(
      Dictionary(uniqueKeysWithValues: files)
        == Dictionary(uniqueKeysWithValues: bench.artifacts[0].files.map { ($0.name, $0.digest) }))
  }

  /// huggingface.convert, up, down again and huggingface.read: the weights are the same to the bit.
  @Test func aModelComesBackAsItWent() throws {
    let bench = try HubWorkbench()
    let model = try TinyModel(.bert)
    let converted = try StageHarness(HuggingFaceConvert.self)
    converted.add(files: try model.checkpoint, to: "checkpoint")
    converted.add(files: try model.tokenizerFiles, to: "tokenizer")
    try bench.add("model", converted.run().files("model").map { ($0.name, try FileSystem.read($0.path)) })
    try bench.upload(("kind", "model"), ("repository", "me/model"))
    let down = try StageHarness(
      HuggingFaceDownload.self, options: bench.downloadOptions([("kind", "model"), ("repository", "me/model")]))
    let back = try StageHarness(HuggingFaceRead.self)
    back.add(files: try down.run().files("files"), to: "files")
    let weights = try back.run().files("checkpoint").first { $0.name == "weights.safetensors" }
    #expect(try weights?.digest == model.checkpoint[1].digest)
    #expect(back.files("tokenizer").count == 3)
  }

  @Test func transformersLoadsATokenizerThatWeUploaded() throws {
    let bench = try HubWorkbench()
    let configuration = "{\"model_type\": \"bert\", \"vocab_size\": 7}\n"
    let tokenizer = "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": false}\n"
    try bench.add(
      "model",
      [
        ("config.json", Array(configuration.utf8)), ("tokenizer_config.json", Array(tokenizer.utf8)),
        ("vocab.txt", Array("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nto\n##ken\n".utf8)),
      ])
    try bench.upload(("kind", "model"), ("repository", "me/model"))
    let tokens = try #require(hubClient.run("tokenize", bench.server.origin, "me/model", "token"))
    #expect(String(decoding: tokens, as: UTF8.self) == "[\"to\", \"##ken\"]\n")
  }
}
