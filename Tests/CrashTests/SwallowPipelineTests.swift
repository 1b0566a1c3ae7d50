import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

private let pylint = PeerScript("pylint_ratings.py")

/// `Pipelines/swallowcode.json` and `Pipelines/swallowmath.json` as they are, against a model on this machine.
@Suite(.serialized, .needs(LocalServer.isUsable, "needs Python with zstandard")) final class SwallowPipelineTests {
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
    let all = ["endpoint=\(server.origin)/v1", "model=test-model"] + settings
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
    let result = try run("swallowmath", ["data=\(folder)/data"])
    #expect(result.status == 0, "\(result.errors)")
    let rewritten = try documents("rewrite")
    #expect(
      rewritten.map(\.textString) == ["A solution: Two and two are four.", "A solution: The roots of x² = {1} are ±1."])
    #expect(
      rewritten.map { String(decoding: $0.metadata, as: UTF8.self) }.allSatisfy {
        $0 == #"{"math_score":4,"rewritten_by":"test-model"}"#
      })
    #expect(try server.count() == 4 + 3)
    #expect(
      try run("swallowmath", ["data=\(folder)/data"]).status == 0 && server.count() == 7, "everything is up to date")
  }

  /// Source files as The Stack v2 lists them, with their contents in a folder.
  private func writeCode(_ programs: [(path: String, text: String)]) throws -> [String: String] {
    var names: [String: String] = [:]
    var rows = ""
    try FileSystem.makeDirectory(folder + "/contents")
    try FileSystem.makeDirectory(folder + "/metadata")
    for (path, text) in programs {
      let blob = Checksummer.checksum(Array(text.utf8), .sha1).hex
      names[blob] = path
      let row: JSONValue = [
        "blob_id": .string(blob), "path": .string(path), "repo_name": "a/b", "language": "Python",
        "src_encoding": "UTF-8",
        "license_type": "permissive", "detected_licenses": .strings(["MIT"]), "length_bytes": .integer(text.utf8.count),
      ]
      rows += row.text() + "\n"
      try FileSystem.write(Array(text.utf8), to: "\(folder)/contents/\(blob)")
    }
    try FileSystem.write(Array(rows.utf8), to: folder + "/metadata/rows.jsonl")
    return names
  }

  private static let programs: [(path: String, text: String)] = [
    (
      "good.py",
      "\"\"\"Adds.\"\"\"\n\n\ndef add(first, second):\n    \"\"\"Adds two.\"\"\"\n    return first + second\n"
    ),
    ("fair.py", "import json\n\nVALUE = json.loads(\"1\")\nprint(VALUE)\nprint(VALUE + 1)\nUNUSED = 3\n"),
    ("broken.py", "def f(:\n    pass\n"), ("poor.py", "from os import *\ndef f(a):\n  return b\nx = undefined\n"),
    ("talk.py", String(repeating: "# words\n", count: 9) + "print(1)\n"), ("wordless.py", "# nothing\n"),
    ("spoiled.py", "print(\"spoiled\")\n"),
  ]

  @Test(.needs(pylint.isUsable, "needs Python with pylint")) func codeGoesThroughFourSteps() throws {
    let names = try writeCode(Self.programs)
    try setRules([
      ("first good", "```\nNAME = 'second good'\n```"), ("first fair", "```\nNAME = 'second fair'\n```"),
      ("print(\n", "```\nprint(\n```"), ("spoiled", "```python\nprint(\n```"),
      ("Adds two", "No types.\n```python\nNAME = 'first good'\n```"), ("VALUE", "```python\nNAME = 'first fair'\n```"),
    ])
    let result = try run(
      "swallowcode",
      [
        "metadata=\(folder)/metadata", "contents=\(folder)/contents/{blob_id}", "python=\(PeerScript.interpreter)",
      ])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try documents("dedupe").map(\.textString).sorted() == ["NAME = 'second fair'\n", "NAME = 'second good'\n"])
    var drops: [String: String] = [:]
    for stage in ["syntax", "linter", "style", "selfContained", "compiles"] {
      for (id, reason) in try self.drops(stage) { drops[names[id] ?? id] = "\(stage): \(reason)" }
    }
    #expect(
      drops == [
        "broken.py": "syntax: syntax-error", "poor.py": "linter: low-pylint-score",
        "talk.py": "linter: low-pylint-score",
        "wordless.py": "linter: no-pylint-score", "spoiled.py": "compiles: syntax-error",
      ])
    #expect(try server.count() == 6, "three programs are rewritten twice")
  }

  /// As a newcomer tries them: the tiny forms, with what stands beside them in place of a model.
  @Test(.needs(pylint.isUsable, "needs Python with pylint")) func theTinyFormsRunWithTheStandIn() throws {
    let model = try ChildProcess(
      [packagePath("Pipelines/swallow/stand_in_model.py"), "0"], program: PeerScript.interpreter)
    defer {
      model.signal(SIGKILL)
      _ = try? model.wait()
    }
    try model.works(until: "the URL of the stand-in") { try model.outputSoFar().hasSuffix("\n") }
    let settings = [
      "endpoint=\(try model.outputSoFar().dropLast())", "model=stand-in",
    ]
    let mathematics = try run("tiny/swallowmath", settings)
    #expect(mathematics.status == 0, "\(mathematics.errors)")
    #expect(try documents("dedupe").map(\.idString) == ["root", "again", "rate"])
    #expect(try documents("dedupe")[1].textString.hasPrefix("Exercise 4. Add the numbers from 1 to 100.\n\nAnswer: "))
    let code = try run("tiny/swallowcode", settings + ["python=\(PeerScript.interpreter)"])
    #expect(code.status == 0, "\(code.errors)")
    #expect(try documents("dedupe").count == 3)
    #expect(try documents("dedupe").allSatisfy { !$0.textString.contains("# The two scales meet") })
    #expect(try documents("dedupe").contains { $0.textString.contains("def celsius(fahrenheit):\n    return") })
    #expect(try drops("syntax").map(\.reason) == ["syntax-error"])
    #expect(try drops("linter").map(\.reason) == ["low-pylint-score", "low-pylint-score"])
    #expect(
      try run("tiny/swallowcode", settings + ["python=\(PeerScript.interpreter)"]).output.hasPrefix("nothing to do"))
  }

  private func drops(_ stage: String) throws -> [(id: String, reason: String)] {
    let store = try RunStore(root: folder + "/store")
    let manifest = try #require(try store.newestSealed(stage: stage)?.manifest)
    var out: [(id: String, reason: String)] = []
    for file in store.artifacts.files(manifest, port: "drops") {
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() {
        let json = try JSONValue.parse(Array(line)).value
        out.append((json["id"]?.string ?? "", json["reason"]?.string ?? ""))
      }
    }
    return out
  }

  /// pylint on a batch of programs gives each the rating that a pylint of its own does.
  @Test(.needs(pylint.isUsable, "needs Python with pylint")) func aBatchIsRatedAsItsPrograms() throws {
    let programs = Self.programs.map(\.text).filter { !$0.hasPrefix("def f(:") } + ["import json\n\njson.nothing(1)\n"]
    try FileSystem.write(Array(JSONValue.strings(programs).text().utf8), to: folder + "/programs.json")
    let said = try #require(pylint.run(folder + "/programs.json"))
    let pairs = try #require(try JSONValue.parse(said).value.array)
    #expect(pairs.count == programs.count && pairs.contains { $0.array?[0].double == 10 })
    for pair in pairs { #expect(pair.array?[0] == pair.array?[1]) }
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
