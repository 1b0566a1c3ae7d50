import PipelineKit
import ShardKit
import TestKit
import Testing

/// `Pipelines/swallowmath.json` as it is, against a model on this machine.
@Suite(.needs(LocalServer.isUsable, "needs Python with zstandard")) final class SwallowPipelineTests {
  private let server: LocalServer
  private let folder = temporaryDirectory()

  init() throws { server = try LocalServer() }

  deinit { try? FileSystem.removeTree(folder) }

  private func setRules(_ rules: [(match: String, say: String)]) throws {
    let list = rules.map { rule -> JSONValue in
      ["match": .string(rule.match), "steps": .array([JSONNode(["say": .string(rule.say)])])]
    }
    try server.control("chat", ["rules": .list(list)])
  }

  private func write(_ texts: [(id: String, text: String)]) throws {
    let lines = texts.map { (["id": .string($0.id), "text": .string($0.text)] as JSONValue).text() + "\n" }
    try FileSystem.makeDirectory(folder + "/data")
    try FileSystem.write(Array(lines.joined().utf8), to: folder + "/data/a.jsonl")
  }

  private func run(_ name: String, _ settings: [String]) throws -> ChildProcess.Result {
    let all = ["data=\(folder)/data", "endpoint=\(server.origin)/v1", "model=test-model"] + settings
    return try ChildProcess(
      ["run", packagePath("Pipelines/\(name).json"), "--store", folder + "/store"] + all.flatMap { ["--set", $0] }
    ).wait()
  }

  private func documents(_ stage: String) throws -> [Document] {
    let store = try RunStore(root: folder + "/store")
    let manifest = try #require(try store.newestSealed(stage: stage)?.manifest)
    var out: [Document] = []
    for file in store.artifacts.files(manifest, port: "documents") {
      let reader = try DocumentReader(path: file.path)
      while let document = try reader.next() { out.append(document) }
    }
    return out
  }

  @Test func mathematicsIsJudgedAndRewritten() throws {
    try setRules([
      ("The text:\n\n[dull]", #"{"score": 1}"#), ("The text:\n\n", #"{"score": 4}"#), ("[prose]", "NONE"),
      ("", "A solution: {text}"),
    ])
    try write([
      ("1", "Two and two are four."), ("2", "[dull] 7"), ("3", "[prose] A story."), ("4", "Two and two are four."),
      ("5", "The roots of x² = {1} are ±1."),
    ])
    let result = try run("swallowmath", [])
    #expect(result.status == 0, "\(result.errors)")
    let rewritten = try documents("rewrite")
    #expect(
      rewritten.map(\.textString) == ["A solution: Two and two are four.", "A solution: The roots of x² = {1} are ±1."])
    #expect(
      rewritten.map { String(decoding: $0.metadata, as: UTF8.self) }.allSatisfy {
        $0 == #"{"math_score":4,"rewritten_by":"test-model"}"#
      })
    #expect(try server.count() == 4 + 3)
    #expect(try run("swallowmath", []).status == 0 && server.count() == 7, "everything is up to date")
  }

  @Test func theDoctorLooksAtEndpoints() throws {
    try setRules([])
    func look(_ settings: String...) throws -> ChildProcess.Result {
      let all = ["endpoint=\(server.origin)/v1"] + settings
      return try ChildProcess(
        ["doctor", "--pipeline", packagePath("Pipelines/swallowmath.json")] + all.flatMap { ["--set", $0] }
      ).wait()
    }
    let good = try look("model=test-model")
    #expect(good.output.contains("endpoint of judge"), "\(good.output)\(good.errors)")
    #expect(good.output.contains("/v1/chat/completions has test-model"))
    let other = try look("model=other")
    #expect(
      other.status == 1 && other.output.contains("has no model other") && other.output.contains("It has test-model."))
    let keyless = try look("model=test-model", "keyVariable=PIPELINE_TEST_NO_KEY")
    #expect(keyless.status == 1 && keyless.output.contains("the environment variable PIPELINE_TEST_NO_KEY is not set"))
    #expect(try server.questions().allSatisfy { $0.path == "/v1/models" })
  }
}
