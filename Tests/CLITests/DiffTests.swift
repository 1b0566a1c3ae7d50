import ShardKit
import TestKit
import Testing

/// `pipeline diff` on two runs of a small real pipeline.
@Suite struct DiffTests {
  /// The output with digests and times taken out.
  private func lines(_ outcome: Workbench.Outcome) throws -> [String] {
    let digest = try Regex("[0-9a-f]{16}")
    let moment = try Regex(#"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?"#)
    return outcome.out.replacing(digest, with: "DIGEST").replacing(moment, with: "TIME").split(separator: "\n").map(
      String.init)
  }

  @Test func stagesCountsAndDocumentsAreCompared() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    // One text leaves, one enters, one changes; and a higher threshold drops one more.
    try bench.write(file: 0, ["川沿いの新しい水車小屋では、今も毎朝パンが焼かれている。", "短い", "棚"])
    try bench.write(file: 1, ["雪が降る前の晩、山の家では保存食の瓶を数える。梅、味噌、茸。", "港の灯台守は、霧の日に鐘を七つ鳴らして船を呼んだという。"])
    try bench.write("corpus.json", Workbench.document(minimum: "85"))
    try bench.run("run", "corpus.json")
    let outcome = try bench.run("diff", "corpus.json")
    #expect(outcome.status == 0 && outcome.err.isEmpty)
    #expect(
      try lines(outcome) == [
        "run 1 (done, TIME) → run 2 (done, TIME)",
        "read: changed", "  input file changed: 0.jsonl and 1 more (option 'files')", "  in: 4 → 5 (+1)",
        "  out: 4 → 5 (+1)", "  documents: 1 document entered: 1 not dropped in the earlier run", "    f1/1",
        "  documents: 2 documents changed", "    f0/0, f0/2", "clean: changed",
        "  option 'minimumBytes' changed: 20 → 85", "  input 'read.documents' changed: DIGEST → DIGEST",
        "  in: 4 → 5 (+1)", "  out: 3 → 1 (-2)", "  dropped too-short: 1 → 4 (+3)",
        "  documents: 2 documents left: too-short 2", "    f0/0, f0/2", "shards: changed",
        "  input 'clean.documents' changed: DIGEST → DIGEST", "  in: 3 → 1 (-2)", "  consumed: 3 → 1 (-2)",
      ])
    #expect(try bench.run("diff", "1", "2").out == outcome.out)
    #expect(try bench.run("diff", "1").out == outcome.out)
    let stages = try #require(try JSONValue.parse(bench.run("diff", "1", "2", "--json").out).value["stages"]?.array)
    let documents = try #require(stages[1]["documents"]?.array?.first)
    #expect(documents["left"]?["count"]?.integer == 2 && documents["left"]?["causes"]?["too-short"]?.integer == 2)
    #expect(stages[0]["documents"]?.array?.first?["changed"]?["examples"] == .strings(["f0/0", "f0/2"]))
    #expect(stages[1]["after"]?["ledger"]?["dropped"]?["too-short"]?["documents"]?.integer == 4)
    #expect(try lines(bench.run("diff", "--examples", "1", "1", "2")).count { $0.hasSuffix(", …") } == 2)
  }

  @Test func whatIsTheSameIsSaid() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    try bench.run("run", "corpus.json")
    #expect(
      try lines(bench.run("diff", "corpus.json")) == [
        "run 1 (done, TIME) → run 2 (done, TIME)", "read: unchanged", "clean: unchanged", "shards: unchanged",
      ])
    // A threshold that catches nothing more: another artifact of the same content, and nothing behind it runs.
    try bench.write("corpus.json", Workbench.document(minimum: "21"))
    try bench.run("run", "corpus.json")
    #expect(
      try lines(bench.run("diff", "corpus.json", "1", "3")).dropFirst() == [
        "read: unchanged", "clean: recomputed, with the same content", "  option 'minimumBytes' changed: 20 → 21",
        "shards: unchanged",
      ])
  }

  @Test func stagesComeAndGo() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let extra = #", "split": { "use": "filter.language", "inputs": { "documents": "clean" } }"#
    try bench.write("corpus.json", Workbench.document(extra: extra))
    try bench.run("run", "corpus.json")
    #expect(try lines(bench.run("diff", "1", "2")).contains("split: only in the later run"))
    #expect(try lines(bench.run("diff", "2", "1")).contains("split: only in the earlier run"))
  }

  @Test func prunedArtifactsLeaveTheirCounts() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    try bench.write("corpus.json", Workbench.document(minimum: "85"))
    try bench.run("run", "corpus.json")
    #expect(try bench.run("prune", "corpus.json", "--yes").status == 0)
    #expect(
      try lines(bench.run("diff", "corpus.json")).dropFirst() == [
        "read: unchanged", "clean: changed", "  out: 3 → 2 (-1)", "  dropped too-short: 1 → 2 (+1)",
        "  an artifact was pruned, so options and documents cannot be compared", "shards: changed",
        "  in: 3 → 2 (-1)", "  consumed: 3 → 2 (-1)",
        "  an artifact was pruned, so options and documents cannot be compared",
      ])
  }

  @Test func sentences() throws {
    let bench = try Workbench()
    let none = try bench.run("diff", "corpus.json")
    #expect(none.status == 2)
    #expect(bench.errors(none) == ["the store has fewer than two runs of 'corpus'. Run the pipeline again."])
    try bench.run("run", "corpus.json")
    try bench.run("run", "corpus.json")
    #expect(bench.errors(try bench.run("diff", "1", "9")) == ["the store has no run '9'. The newest are 2, 1."])
    #expect(
      bench.errors(try bench.run("diff", "corpus.json", "one")) == ["the store has no run 'one'. The newest are 2, 1."])
    try bench.write(file: 0, [])
    try FileSystem.removeTree(bench.folder + "/texts")
    #expect(try bench.run("run", "corpus.json").status != 0)
    #expect(
      bench.errors(try bench.run("diff", "corpus.json")) == [
        "run 3 has no recorded finished stage. It failed before its first stage was done, or an older version wrote it. "
          + "`pipeline run` records new runs."
      ])
  }
}
