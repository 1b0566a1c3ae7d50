import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct CommandFilesTests {
  private static func harness(_ script: String, _ more: [JSONMember] = []) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline])
    let command = JSONValue.strings(["sh", "-euc", script])
    let harness = try StageHarness(CommandFiles.self, options: .object([JSONMember("command", command)] + more))
    try harness.add(documents: [[Document(id: "a", text: "水車小屋"), Document(id: "b", text: "図書室")]])
    return harness
  }

  private static func failure(_ script: String) throws -> String {
    let harness = try harness(script)
    do { try harness.run() } catch let error as StageError {
      #expect(harness.manifests.isEmpty && CommandFiles.outputs.allSatisfy { harness.files($0.name).isEmpty })
      return "\(error)"
    }
    Issue.record("it did not fail: \(script)")
    return ""
  }

  @Test func foldersGoInAndOut() throws {
    let harness = try Self.harness(
      "zstd -dc {input.documents}/*.zst | wc -l > {output.files}/deep.txt; echo '{\"lines\": 2}' > {output.metrics}/m.json"
    ).run()
    #expect(harness.files("files").map(\.name) == ["deep.txt"] && harness.files("metrics").map(\.name) == ["m.json"])
    #expect(try FileSystem.read(harness.files("files")[0].path) == Array("2\n".utf8))
    #expect(harness.ledger.consumed.documents == 2 && harness.ledger.imbalance == 0)
  }

  @Test func documentsAreCountedAndFound() throws {
    let harness = try Self.harness(
      "zstd -dc {input.documents}/*.zst | head -n 1 | gzip > {output.documents}/some.jsonl.gz"
    )
    .run()
    #expect(try harness.documents().map(\.idString) == ["a"])
    #expect(harness.ledger.output.documents == 1 && harness.ledger.imbalance == 0)
    #expect(harness.manifests[0].files.contains { $0.port == "ids" })
  }

  @Test func severalArtifactsHaveAFolderEach() throws {
    let harness = try Self.harness(
      "ls {input.files} > {output.report}/list; cat {input.files}/*/x >> {output.report}/list")
    for stage in ["one", "two"] {
      let path = "\(harness.directory)/\(stage)"
      try FileSystem.write(Array("\(stage)!".utf8), to: path)
      let file = ArtifactFile(path: path, name: "x", bytes: 4, digest: try Digester.digest(file: path))
      harness.add(files: [file], to: "files", from: stage)
    }
    let list = try FileSystem.read(harness.run().files("report")[0].path)
    #expect(String(decoding: list, as: UTF8.self) == "one\ntwo\none!two!")
  }

  /// A long computation goes on where its last attempt ended.
  @Test func stateSurvivesAFailure() throws {
    let harness = try Self.harness(
      "echo x >> {state}/tries; test $(wc -l < {state}/tries) = 2; touch {output.files}/done")
    #expect(throws: StageError.self) { try harness.run() }
    #expect(try harness.run().files("files").map(\.name) == ["done"])
  }

  @Test(arguments: [
    ("echo no luck >&2; exit 3 # {output.files}", "sh: it ended with code 3: no luck. `pipeline logs` shows"),
    ("touch {output.files}/a; kill -9 $$", "it was ended by signal 9 (Killed)"),
    (": {output.files}", "output.files: the program ended with code 0, but wrote no file to {output.files}."),
    ("ln -s /etc/passwd {output.files}/a", "output.files/a: it is a link or a special file"),
    (
      "mkdir {output.files}/own; touch {output.files}/own/f; ln -s own {output.files}/deep",
      "output.files/deep: it is a link to a folder; an artifact has its own files alone"
    ),
    (
      "for f in {input.documents}/*; do echo broken > $f; done; touch {output.files}/a",
      "the program has changed its input, which is a finished output of another stage"
    ),
    ("echo x > {output.metrics}/m.json", "output.metrics/m.json: it is not a JSON object."),
    ("echo {} > {output.metrics}/m.txt", "output.metrics/m.txt: metrics are .json files."),
    ("echo {} > {output.model}/config.json", "output.model: the program wrote no *.safetensors"),
    ("echo x > {output.tokenizer}/vocab.txt", "output.tokenizer: the program wrote no tokenizer.json"),
    ("touch {output.mds}/index.json", "output.mds/index.json: is not valid JSON at byte 0"),
    ("echo x > {output.checkpoint}/model.json", "output.checkpoint: the program wrote no weights.safetensors"),
    ("echo '{}' > {output.documents}/d.jsonl", "output.documents/d.jsonl: {output.documents} takes JSON lines"),
    (
      "cat {input.model}; touch {output.files}/a", "inputs.model: the command names {input.model}, but nothing is wired"
    ),
  ]) func whatIsWrongIsNotPublished(script: String, sentence: String) throws {
    let told = try Self.failure(script)
    #expect(told.contains(sentence), "\(told)")
  }

  @Test(arguments: [
    (["true"], "it names no output"), (["x", "{output.nothing}"], "'{output.nothing}' names no port"),
    (["x", "{input.mds}{output.files}"], "'{input.mds}' names no port"),
  ]) func commandsWithoutPortsAreRefused(command: [String], sentence: String) {
    #expect { try StageHarness(CommandFiles.self, options: ["command": .strings(command)]) } throws: {
      "\($0)".contains(sentence)
    }
  }
}
