import Glibc
import NetKit
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

private typealias Bench = InferWorkbench

/// The key goes to the endpoint and nowhere else, even if the endpoint sends it back.
@Suite(.needs(LocalServer.isUsable, "needs Python with zstandard")) struct InferKeyTests {
  private static let key = "sk-Zm9vYmFyYmF6-0123456789"

  private static func escaped(_ json: String) -> String {
    json.replacing("KEY", with: Self.key.replacing("-", with: "\\u002d"))
  }

  private static func keyFile(_ bench: Bench, _ text: String = key) throws -> JSONValue {
    let path = bench.folder + "/key"
    try FileSystem.write(Array((text + "\n").utf8), to: path)
    return .string(path)
  }

  /// All bytes below a folder, with compressed files as they are and decompressed.
  private static func everything(below folder: String) throws -> [UInt8] {
    var out: [UInt8] = []
    for name in try FileSystem.walk(folder) where name != "key" {
      out += Array(name.utf8)
      out += try FileSystem.read("\(folder)/\(name)")
      out += (try? openSource("\(folder)/\(name)").readAll(limit: 1 << 24)) ?? []
    }
    return out
  }

  private static func holds(_ bytes: [UInt8]) -> Bool {
    String(decoding: bytes, as: UTF8.self).contains(key)
  }

  @Test func anEndpointThatRepeatsTheKeyDoesNotSpreadIt() throws {
    let bench = try Bench(
      rules: [
        Bench.rule("echo", ["say": .string("your key is \(Self.key)!")]),
        Bench.rule("odd", ["status": 400, "body": .string(Self.key + "?")]),
        Bench.rule("fault", ["status": 500, "reason": .string(Self.key), "body": .string(Self.key)], ["say": "ok"]),
        Bench.rule("escaped", ["body": .string(Self.escaped("{\"choices\":[{\"message\":{\"content\":\"KEY\"}}]}"))]),
      ], key: Self.key, options: ["maximumUnusableFraction": 1])
    let run = try bench.ask(["echo", "odd", "fault", "plain", "escaped"], ["keyFile": try Self.keyFile(bench)])
    #expect(run.ledger.output.documents == 4)
    #expect(String(decoding: try run.documents()[0].metadata, as: UTF8.self) == #"{"n":0,"said":"your key is …!"}"#)
    #expect(String(decoding: try run.documents()[3].metadata, as: UTF8.self) == #"{"n":4,"said":"…"}"#)
    #expect(try run.drops().map(\.detail) == ["the server responded with 400: …?"])
    #expect(try !Self.holds(Self.everything(below: run.directory)))
    #expect(try !Self.holds(Self.everything(below: bench.folder)))
    let sent = try bench.server.questions().map { $0.headers["authorization"]?.string }
    #expect(Set(sent) == ["Bearer \(Self.key)"])
  }

  @Test func aWrongKeyEndsTheTaskWithoutShowingIt() throws {
    let bench = try Bench(key: "another")
    let error = #expect(throws: StageError.self) { try bench.ask(["a"], ["keyFile": try Self.keyFile(bench)]) }
    #expect(error?.message == "the endpoint does not accept the key (401: Incorrect API key provided: Bearer …)")
    #expect(try bench.server.count() == 1)
    for text in ["", "two\u{0}", "ключ"] {
      let error = #expect(throws: StageError.self) { try bench.ask(["a"], ["keyFile": try Self.keyFile(bench, text)]) }
      #expect(error?.message.hasSuffix("is not a key: a word of ASCII characters") ?? false)
    }
    let missing = #expect(throws: StageError.self) { try bench.ask(["a"], ["keyVariable": "PIPELINE_TEST_NO_KEY"]) }
    #expect(missing?.message == "the environment variable PIPELINE_TEST_NO_KEY is not set")
  }

  @Test func theKeyMayStandInAnotherHeader() throws {
    let bench = try Bench()
    _ = try bench.ask(["a"], ["keyFile": try Self.keyFile(bench), "keyHeader": "api-key"])
    let headers = try #require(try bench.server.questions().first?.headers)
    #expect(headers["api-key"]?.string == Self.key && headers["authorization"] == nil)
  }
}
