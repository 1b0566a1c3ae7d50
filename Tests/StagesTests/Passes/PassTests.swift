import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

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

  /// The records of a pass are gone: the pass is repeated where a stage needs it, and no later one has them.
  @Test func whatIsMissingIsMadeAgain() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("alone", passes: false)
    _ = try pipeline.run("a")
    func lose(_ stage: String) throws {
      let folder = "\(pipeline.folder)/a/artifacts/\(stage)"
      for node in try FileSystem.list(folder) { try FileSystem.removeTree("\(folder)/\(node)/.passed") }
    }
    try lose("read")
    // Everything is up to date all the same.
    #expect(try pipeline.run("a").isEmpty)
    let quality = try pipeline.manifest("a", "quality")
    let file = try #require(quality.files.first { $0.port == "documents" })
    let folder = "\(pipeline.folder)/a/artifacts/quality/\(quality.fingerprint.short)"
    try FileSystem.remove("\(folder)/documents/\(file.name)")
    let taken = try pipeline.run("a")
    #expect(taken["language run"] == nil && taken["quality filter"] == [4, 3], "'language' has a record too: \(taken)")
    for stage in ["clean", "language"] { try lose(stage) }
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
