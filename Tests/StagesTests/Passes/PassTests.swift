import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// A reader, text.clean, filter.language, filter.quality and what reads them, in a folder of its own.
private struct PassPipeline {
  let folder = temporaryDirectory()

  /// - Parameters:
  ///   - clean: more members of the stage `clean`.
  ///   - more: further stages, each after a comma.
  func run(
    _ store: String, passes: Bool = true, clean: String = "", quality: String = "", more: String = "",
    _ change: (inout PipelineRun.Settings) -> Void = { _ in }
  ) throws -> [String: [Int]] {
    let document = """
      { "format": 1, "name": "t", "passes": \(passes), "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": 1000 } },
        "clean": { "use": "text.clean", "inputs": { "documents": "read" }\(clean) },
        "language": { "use": "filter.language", "inputs": { "documents": "clean" } },
        "quality": { "use": "filter.quality", "inputs": { "documents": "language" },
          "options": { "preset": "none", "minimumCharacters": 12\(quality) } },
        "exact": { "use": "dedupe.exact", "inputs": { "documents": "quality" } }\(more) } }
      """
    let graph = try Graph(
      try PipelineSpec.parse(Array(document.utf8), path: folder + "/p.json"), registry: .builtin)
    var settings = PipelineRun.Settings()
    change(&settings)
    let run = try PipelineRun(graph: graph, store: try RunStore(root: "\(folder)/\(store)"), settings: settings)
    var tasks: [String: [Int]] = [:]
    let outcome = try run.run(listen: { event in
      if case .phaseBegan(let stage, let phase, let count, let kept) = event {
        tasks["\(stage) \(phase)"] = [count, kept]
      }
      if case .taskFailed(let stage, _, let key, let message) = event { Issue.record("\(stage) \(key): \(message)") }
    })
    #expect(outcome == .done)
    return tasks
  }

  func manifest(_ store: String, _ stage: String) throws -> NodeManifest {
    try #require(try RunStore(root: "\(folder)/\(store)").newestSealed(stage: stage, pipeline: "t")?.manifest)
  }

  /// Whether an output's documents were handed on and not kept.
  func hasPassed(_ store: String, _ stage: String, _ port: String) throws -> Bool {
    try manifest(store, stage).files.contains { $0.port == port && $0.isPassed }
  }

  /// Digests of what is kept, by port and name.
  func digests(_ store: String, _ stage: String) throws -> [String: String] {
    try manifest(store, stage).files.filter { !$0.isPassed }.reduce(into: [:]) {
      $0["\($1.port)/\($1.name)"] = $1.digest.hex
    }
  }

  /// Everything that two stores must have in common.
  func expectEqual(_ store: String, _ other: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for stage in ["read", "clean", "language", "quality", "exact"] {
      let (a, b) = (try manifest(store, stage), try manifest(other, stage))
      #expect(a.ledger == b.ledger && a.warnings == b.warnings, "\(stage)", sourceLocation: sourceLocation)
      #expect(a.metrics == b.metrics && a.tasks == b.tasks, "\(stage)", sourceLocation: sourceLocation)
      let (kept, all) = (try digests(store, stage), try digests(other, stage))
      #expect(kept.allSatisfy { all[$0.key] == $0.value }, "\(stage)", sourceLocation: sourceLocation)
      #expect(
        Set(a.files.map { "\($0.port)/\($0.name) \($0.documents) \($0.textBytes)" })
          == Set(b.files.map { "\($0.port)/\($0.name) \($0.documents) \($0.textBytes)" }), "\(stage)",
        sourceLocation: sourceLocation)
    }
    #expect(try digests(store, "exact") == digests(other, "exact"), sourceLocation: sourceLocation)
  }

  /// Files of many kinds: Japanese, other languages, short texts, copies, metadata in odd forms, nothing at all.
  func write(files: Int = 5) throws {
    try FileSystem.makeDirectory(folder + "/texts")
    var random = SplitMix(seed: 11)
    for file in 0..<files {
      var lines = ""
      for number in 0..<(file == 2 ? 1 : 30) {
        let id = "d\(file)-\(number)"
        let metadata = [
          "", #", "metadata": {"a": 1,  "b": [1, 2]}"#, #", "metadata": {"a": 1, "a": 2}"#, #", "metadata": {}"#,
          #", "other": {"x": null}, "added": "2024-01-01""#,
        ][Int(random.next() % 5)]
        let text =
          switch file == 2 ? 4 : random.next() % 6 {
          case 0: "短い文。"
          case 1: "This one is written in English, as anybody can see, and it is long enough."
          case 2: "これは　全角ＡＢＣと\\n改行と http://example.com/a を含む日本語の文章です。\(number % 3)"
          case 3: "同じ文章が何度も出てくるので、重複として取り除かれるはずの日本語です。"
          case 4: "Hi."
          default: "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\(random.next() % 1000)"
          }
        lines += #"{"id": "\#(id)", "text": "\#(text)"\#(metadata)}"# + "\n"
      }
      try FileSystem.write(Array(lines.utf8), to: "\(folder)/texts/\(file).jsonl")
    }
  }
}

@Suite struct PassTests {
  private let pipeline = PassPipeline()

  @Test func aPassMakesWhatItsStagesMake() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    let alone = try pipeline.run("alone", passes: false)
    let passed = try pipeline.run("passed")
    #expect(alone["clean run"] == [5, 0] && passed["read run"] == [5, 0])
    // What is only Hi. goes no further than the filter of languages, with passes as without.
    let count = try #require(alone["quality filter"]?[0])
    #expect(passed["clean run"] == [5, 0] && passed["quality filter"] == [count, 0])
    try pipeline.expectEqual("passed", "alone")
    for stage in ["read", "clean", "language"] {
      let manifest = try pipeline.manifest("passed", stage)
      #expect(manifest.files.contains { $0.isPassed && $0.port == "documents" && $0.bytes < 500 }, "\(stage)")
      #expect(manifest.files.allSatisfy { $0.isPassed == ($0.port == "documents") }, "\(stage)")
    }
    #expect(try !pipeline.manifest("passed", "quality").files.contains(where: \.isPassed))
    #expect(try pipeline.manifest("passed", "clean").warnings == pipeline.manifest("alone", "clean").warnings)
    // Nothing runs again.
    #expect(try pipeline.run("passed").isEmpty)
    #expect(try pipeline.run("passed") { $0.only = ["quality"] }.isEmpty)
    // Without passes, what was not kept is made; what comes after has the same inputs as before.
    let again = try pipeline.run("passed", passes: false)
    #expect(again.isEmpty)
  }

  @Test func anOptionThatChangesInThePassRepeatsIt() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("passed")
    _ = try pipeline.run("alone", passes: false)
    let more = ", \"minimumHiraganaFraction\": 0.2"
    let passed = try pipeline.run("passed", quality: more)
    // Nothing of one file comes as far as the stage that changed.
    #expect(passed["read run"] == [5, 1] && passed["clean run"] == [5, 1])
    _ = try pipeline.run("alone", passes: false, quality: more)
    try pipeline.expectEqual("passed", "alone")
    // Without a pass, only what reads is done again, from documents that are made for it.
    let stored = try pipeline.run("passed", passes: false, quality: ", \"minimumHiraganaFraction\": 0.3")
    #expect(stored["read run"] == [5, 0] && stored["quality filter"]?[1] == 0)
    _ = try pipeline.run("alone", passes: false, quality: ", \"minimumHiraganaFraction\": 0.3")
    try pipeline.expectEqual("passed", "alone")
  }

  @Test func stagesThatAreRunByThemselvesAreKept() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a", passes: false)
    _ = try pipeline.run("b") { $0.until = ["clean"] }
    #expect(try pipeline.manifest("b", "read").files.contains(where: \.isPassed))
    #expect(try pipeline.digests("b", "clean") == pipeline.digests("a", "clean"))
    let rest = try pipeline.run("b")
    #expect(rest["read run"] == nil && rest["language run"]?[1] == 0)
    try pipeline.expectEqual("b", "a")
    // A stage that is to keep its documents, and one that two others read.
    _ = try pipeline.run("c", clean: ", \"keep\": true")
    #expect(try pipeline.digests("c", "clean") == pipeline.digests("a", "clean"))
    let second = #", "second": { "use": "text.clean", "inputs": { "documents": "language" } }"#
    _ = try pipeline.run("d", more: second)
    #expect(try pipeline.digests("d", "language") == pipeline.digests("a", "language"))
    try pipeline.expectEqual("c", "a")
    try pipeline.expectEqual("d", "a")
    // Kept afterwards: what was not kept is made once more.
    _ = try pipeline.run("e")
    #expect(try pipeline.run("e", clean: ", \"keep\": true")["clean run"] == [5, 0])
    #expect(try pipeline.digests("e", "clean") == pipeline.digests("a", "clean"))
    try pipeline.expectEqual("e", "a")
  }

  /// A file that is damaged beyond its size lies beside the output of the stage before too.
  @Test func aDamagedOutputIsNotTakenOverAgain() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("alone", passes: false)
    _ = try pipeline.run("a")
    let quality = try pipeline.manifest("a", "quality")
    let name = try #require(quality.files.first { $0.port == "documents" }?.name)
    let path = "\(pipeline.folder)/a/artifacts/quality/\(quality.fingerprint.short)/documents/\(name)"
    let file = try #require(fopen(path, "r+"))
    fseek(file, 20, SEEK_SET)
    fputs("XX", file)
    fclose(file)
    let report = try Verification(store: RunStore(root: pipeline.folder + "/a")).run()
    #expect(report.findings.count == 1, "\(report.findings)")
    #expect(try pipeline.run("a")["read run"]?[1] == 4)
    try pipeline.expectEqual("a", "alone")
  }

  @Test func aForcedStageTakesItsPassWithIt() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    let from = try pipeline.run("a") { $0.from = ["language"] }
    #expect(from["read run"] == [5, 0] && from["language run"]?[1] == 0)
    let forced = try pipeline.run("a") { $0.force = true }
    #expect(forced["read run"] == [5, 0] && forced["exact hashes"]?[1] == 0)
    let only = try pipeline.run("a") {
      $0.only = ["language"]; $0.force = true
    }
    #expect(only["read run"] == [5, 0] && only["clean run"] == [5, 0])
    _ = try pipeline.run("b", passes: false)
    #expect(try pipeline.digests("a", "language") == pipeline.digests("b", "language"))
    _ = try pipeline.run("a")
    try pipeline.expectEqual("a", "b")
  }

  /// The records of a pass are gone, or a file in them is cut off: the pass is repeated where a stage needs it.
  @Test func whatIsMissingIsMadeAgain() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("alone", passes: false)
    _ = try pipeline.run("a")
    let read = "\(pipeline.folder)/a/artifacts/read"
    let node = try #require(try FileSystem.list(read).first)
    try FileSystem.removeTree("\(read)/\(node)/.passed")
    // Everything is up to date all the same.
    #expect(try pipeline.run("a").isEmpty)
    let quality = try pipeline.manifest("a", "quality")
    let file = try #require(quality.files.first { $0.port == "documents" })
    let folder = "\(pipeline.folder)/a/artifacts/quality/\(quality.fingerprint.short)"
    try FileSystem.remove("\(folder)/documents/\(file.name)")
    let again = try pipeline.run("a")
    #expect(again["read run"] == [5, 0], "\(again)")
    try pipeline.expectEqual("a", "alone")
  }

  /// A phase after the first hands documents on too, as the lines that it copies, and one stage to two others.
  @Test func deduplicationHandsItsSurvivorsOn() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    let more = #"""
      , "split": { "use": "mix.split", "inputs": { "documents": "exact" }, "options": { "heldOutFraction": 0.3 } },
      "redacted": { "use": "redact.pii", "inputs": { "documents": "split.heldout" } }
      """#
    _ = try pipeline.run("alone", passes: false, more: more)
    _ = try pipeline.run("passed", more: more)
    #expect(try pipeline.hasPassed("passed", "exact", "documents"))
    #expect(try pipeline.hasPassed("passed", "split", "heldout"))
    #expect(try !pipeline.hasPassed("passed", "split", "train"))
    for stage in ["exact", "split", "redacted"] {
      let (a, b) = (try pipeline.manifest("passed", stage), try pipeline.manifest("alone", stage))
      #expect(a.ledger == b.ledger && a.warnings == b.warnings && a.metrics == b.metrics, "\(stage)")
      let all = try pipeline.digests("alone", stage)
      #expect(try pipeline.digests("passed", stage).allSatisfy { all[$0.key] == $0.value }, "\(stage)")
    }
    #expect(try pipeline.digests("passed", "redacted") == pipeline.digests("alone", "redacted"))
    #expect(try pipeline.run("passed", more: more).isEmpty)
  }

  @Test func aTraceTellsOfEveryStage() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    _ = try pipeline.run("b", passes: false)
    let document =
      #"{ "format": 1, "name": "t", "stages": { "read": { "use": "documents.read", "options": { "files": "texts" } }, "clean": { "use": "text.clean", "inputs": { "documents": "read" } }, "language": { "use": "filter.language", "inputs": { "documents": "clean" } }, "quality": { "use": "filter.quality", "inputs": { "documents": "language" }, "options": { "preset": "none" } }, "exact": { "use": "dedupe.exact", "inputs": { "documents": "quality" } } } }"#
    let graph = try Graph(
      try PipelineSpec.parse(Array(document.utf8), path: pipeline.folder + "/p.json"), registry: .builtin)
    for id in ["d0-0", "d0-1", "d0-2", "d1-7", "d2-0", "d4-29", "none"] {
      let (a, b) = (
        try DocumentTrace(id: id, graph: graph, store: RunStore(root: pipeline.folder + "/a")),
        try DocumentTrace(id: id, graph: graph, store: RunStore(root: pipeline.folder + "/b"))
      )
      #expect(a.steps.map(\.verdictName) == b.steps.map(\.verdictName), "\(id)")
      #expect(a.steps.map(\.drops) == b.steps.map(\.drops), "\(id)")
    }
  }
}
