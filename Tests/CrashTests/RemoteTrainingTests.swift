import Glibc
import ShardKit
import TestKit
import Testing

private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// Training on tokens in a bucket or a shared folder comes to the weights of training on the same tokens here.
@Suite(.serialized, .needs(hasEngine && ObjectStore.isUsable, "needs Scripts/engine and Python with moto"))
final class RemoteTrainingTests {
  private let folder = temporaryDirectory()
  private let bucket: ObjectStore
  private var store: String { folder + "/store" }

  private static let environment = [
    "AWS_ACCESS_KEY_ID": ObjectStore.accessKey, "AWS_SECRET_ACCESS_KEY": ObjectStore.secretKey,
    "AWS_EC2_METADATA_DISABLED": "true", "OMP_WAIT_POLICY": "passive",
  ]

  init() throws {
    bucket = try ObjectStore()
    let texts = (0..<300).map {
      "{\"id\": \"\($0)\", \"source\": \"s\", \"text\": \"\($0)番目の橋の下を、春の水が\($0 % 7)度も流れて行く。\"}\n"
    }
    try FileSystem.write(Array(texts.joined().utf8), to: folder + "/texts.jsonl")
    let network = "\"endpoint\": \"\(bucket.origin)\", \"allowPrivateAddresses\": true"
    let model = """
      "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32, "batchSize": 8,
      "microbatchSize": 4, "steps": 24, "threads": 1, "device": "cpu", "checkpointSteps": 4, "logSteps": 1
      """
    let remote = "\"remoteEndpoint\": \"\(bucket.origin)\", \"allowPrivateAddresses\": true, \"cacheBytes\": \"12KiB\""
    try FileSystem.write(
      Array(
        """
        { "format": 1, "name": "elsewhere", "parameters": { "snapshot": "1", "place": "s3://corpus/tokens/" }, "stages": {
          "text": { "use": "documents.read", "options": { "files": "texts.jsonl" } },
          "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" }, "options": { "vocabularySize": 600 } },
          "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
            "options": { "sequenceLength": 32, "shardBytes": 4096 } },
          "bucket": { "use": "s3.upload", "inputs": { "artifacts": "tokens" },
            "options": { "to": "s3://corpus/tokens", \(network) } },
          "cache": { "use": "folder.upload", "inputs": { "artifacts": "tokens" },
            "options": { "to": "\(folder)/cache" } },
          "here": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
            "options": { \(model) } },
          "there": { "use": "model.pretrain", "inputs": { "tokenizer": "tokenizer" }, "retries": 0,
            "options": { "remote": "${place}", "snapshot": "${snapshot}", \(remote), \(model) } }
        } }
        """.utf8), to: folder + "/train.json")
  }

  deinit { try? FileSystem.removeTree(folder) }

  private func start(_ more: String..., environment: [String: String] = [:]) throws -> ChildProcess {
    try ChildProcess(
      ["run", folder + "/train.json", "--store", store] + more,
      environment: Self.environment.merging(environment) { $1 })
  }

  /// Whether a run with --json trained 'there'.
  private func trains(_ output: String) throws -> Bool {
    let events = try output.split(separator: "\n").map { try JSONValue.parse(Array($0.utf8)).value }
    #expect(events.last?["event"] == "ended")
    return events.contains { $0["event"] == "task" && $0["stage"] == "there" && $0["phase"] == "train" }
  }

  private func weights(_ stage: String, _ more: [String] = []) throws -> Digest {
    let found = try ChildProcess(
      ["artifact", folder + "/train.json", stage + ".checkpoint", "--store", store] + more,
      environment: Self.environment
    ).wait()
    let path = try #require(found.output.split(separator: "\n").first, "\(found.errors)")
    return try Digester.digest(file: "\(path)/weights.safetensors")
  }

  @Test func aBucketGivesTheWeightsOfAFolder() throws {
    let first = try start("--until", "here", "--until", "bucket", "--until", "cache").wait()
    try #require(first.status == 0, "\(first.errors)")
    let expected = try weights("here")
    try bucket.forget()

    // Killed at the third checkpoint, when it stands.
    let killed = try start(environment: ["PIPELINE_FAULT": "checkpoint.renamed:3"]).wait()
    #expect(killed.status != 0)
    let run = try start("--json").wait()
    try #require(run.status == 0, "\(run.errors)")
    #expect(try trains(run.output))
    #expect(try weights("there") == expected)
    let asked = try bucket.requests().filter { $0.method == "GET" }.map(\.path)
    #expect(asked.contains("/corpus/tokens/index.json") && asked.contains { $0.hasSuffix("shard.00001.mds") })
    #expect(asked.count > Set(asked).count, "a small cache fetches again what it has let go")

    // Another look finds the same index, and a folder with the same data is the same data.
    for settings in [["snapshot=2"], ["snapshot=2", "place=\(folder)/cache"]] {
      let sets = settings.flatMap { ["--set", $0] }
      let again = try ChildProcess(
        ["run", folder + "/train.json", "--store", store, "--json"] + sets, environment: Self.environment
      ).wait()
      #expect(again.status == 0, "\(again.errors)")
      #expect(try !trains(again.output), "nothing is trained anew")
      #expect(try weights("there", sets) == expected)
    }
  }

  @Test func whatIsWrongIsSaid() throws {
    func sentence(_ place: String) throws -> String {
      let run = try start("--set", "place=\(place)", "--until", "there").wait()
      #expect(run.status != 0)
      return run.errors.split(separator: "\n").filter { $0.contains("error: ") }.map(String.init).joined()
        .replacing(folder, with: "FOLDER")
    }
    #expect(
      try sentence("tokens").contains(
        "stages.there.options.remote: 'tokens' is neither s3://bucket/prefix nor an absolute path"))
    #expect(
      try sentence("\(folder)/none").contains(
        "FOLDER/none/index.json: cannot be opened: there is no such file or folder"))
    #expect(try sentence("s3://corpus/none").contains("s3://corpus/none/index.json: "))
    #expect(try sentence("").contains("remote: there are no tokens. Either wire \"tokens\" or set \"remote\"."))
  }
}
