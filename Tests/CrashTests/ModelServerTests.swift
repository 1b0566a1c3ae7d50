import PipelineKit
import ShardKit
import TestKit
import Testing

/// `infer.endpoint` with a server and a model that are real: transformers', and one that has learned to answer in JSON.
@Suite(.serialized, .needs(ModelServer.isUsable, "needs Python with transformers 5 and openai")) struct ModelServerTests
{
  private static func document(_ server: ModelServer) -> JSONValue {
    [
      "format": 1, "name": "rate",
      "stages": [
        "read": ["use": "documents.read", "options": ["files": "texts.jsonl"]],
        "rate": [
          "use": "infer.endpoint", "inputs": ["documents": "read"],
          "options": [
            "endpoint": .string(server.endpoint), "model": .string(server.model), "prompt": "Rate: {text}",
            "allowPrivateAddresses": true, "requestsAtOnce": 2, "maximumTokens": 32, "answer": "json",
            "schema": [
              "type": "object", "properties": ["score": ["type": "integer", "minimum": 0, "maximum": 5]],
              "required": .strings(["score"]), "additionalProperties": false,
            ],
            "metadataFrom": ["score": "answer.score"], "minimum": ["answer.score": 3],
          ],
        ],
      ],
    ]
  }

  @Test func aModelAnswersAndIsNotAskedTwice() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let server = try ModelServer()
    let calm = ["a heron stands in the river", "the mill grinds at noon", "snow on the old bridge", "tea at four"]
    let lines = (calm + calm.map { $0 + "!!!" }).enumerated().map { number, text in
      (["id": .string("\(number)"), "text": .string(text)] as JSONValue).text() + "\n"
    }
    try FileSystem.write(Array(lines.joined().utf8), to: folder + "/texts.jsonl")
    try FileSystem.write(Array(Self.document(server).text().utf8), to: folder + "/rate.json")
    func run(_ settings: String..., more: [String] = []) throws -> ChildProcess.Result {
      let all = settings.flatMap { ["--set", "stages.rate.options.\($0)"] }
      return try ChildProcess(["run", folder + "/rate.json", "--store", folder + "/store"] + all + more).wait()
    }
    func scores() throws -> [String: Int] {
      let store = try RunStore(root: folder + "/store")
      let manifest = try #require(try store.newestSealed(stage: "rate")?.manifest)
      var out: [String: Int] = [:]
      for file in store.artifacts.files(manifest, port: "documents") {
        let reader = try DocumentReader(path: file.path)
        while let document = try reader.next() {
          out[document.idString] = try JSONValue.parse(document.metadata).value["score"]?.integer
        }
      }
      return out
    }
    // Not enough for all: the most that a request and its answer may have is above 600 tokens, and they have some 50.
    let half = try run("budgetTokens=800")
    #expect(half.status == 1 && half.errors.contains("the budget does not allow the next request"), "\(half.errors)")
    let whole = try run()
    #expect(whole.status == 0, "\(whole.errors)")
    #expect(try scores() == ["0": 4, "1": 4, "2": 4, "3": 4])
    server.stop()
    let all = try run("minimum={\"answer.score\":0}", more: ["--from", "rate"])
    #expect(all.status == 0, "\(all.errors)")
    #expect(try scores() == ["0": 4, "1": 4, "2": 4, "3": 4, "4": 1, "5": 1, "6": 1, "7": 1])
  }
}
