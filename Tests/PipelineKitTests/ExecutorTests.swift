import PipelineKit
import ShardKit
import TestKit
import Testing

private func document(minimum: Int = 0, suffix: String = "", extra: String = "", sum: String = "") -> String {
  """
  { "format": 1, "name": "t", "stages": {
    "source": { "use": "fake.source", "options": { "files": "data" } },
    "filter": { "use": "fake.filter", "inputs": { "documents": "source" }, "retries": 3,
                "options": { "minimumBytes": \(minimum), "suffix": "\(suffix)"\(extra) } },
    "sum": { "use": "fake.sum", "inputs": { "documents": "filter" }, "options": { \(sum) } } } }
  """
}

/// One process-wide log of fake tasks, so these run one after another.
@Suite(.serialized) struct ExecutorTests {
  @Test func aFinishedPipelineHasNothingToDo() throws {
    let pipeline = try FakePipeline(document(), texts: [["a", "bb"], ["ccc"]])
    #expect(try pipeline.run().outcome == .done)
    #expect(
      FakeLog.all == [
        "count/00000", "count/00001", "filter/00000", "filter/00001", "source/00000", "source/00001", "sum/all",
      ])
    #expect(try pipeline.run().outcome == .done)
    #expect(FakeLog.all == [])
    #expect(try pipeline.plan() == ["source": .fresh, "filter": .fresh, "sum": .fresh])
  }

  @Test func aChangedOptionRunsItsStageAndWhatChangesBehindIt() throws {
    let pipeline = try FakePipeline(document(), texts: [["a", "bb"], ["ccc"]])
    try pipeline.run()
    pipeline.document = document(minimum: 2)
    #expect(try pipeline.plan()["filter"] == .run(["option 'minimumBytes' changed: 0 → 2"]))
    #expect(try pipeline.plan()["sum"] == .pending(after: ["filter"]))
    try pipeline.run()
    // File 1 loses nothing, so its part of the sum is found again; only file 0's count changes.
    #expect(FakeLog.all == ["count/00000", "filter/00000", "filter/00001", "sum/all"])
  }

  @Test func equalResultsCutTheRunOff() throws {
    let pipeline = try FakePipeline(document(), texts: [["aaaa", "bbbb"], ["cccc"]])
    try pipeline.run()
    pipeline.document = document(minimum: 2)
    try pipeline.run()
    #expect(FakeLog.all == ["filter/00000", "filter/00001"], "the sum must not run: its input's bytes are the same")
  }

  @Test func anOptionSetBackIsFreshAtOnce() throws {
    let pipeline = try FakePipeline(document(), texts: [["a", "bb"]])
    try pipeline.run()
    pipeline.document = document(minimum: 2)
    try pipeline.run()
    pipeline.document = document()
    try pipeline.run()
    #expect(FakeLog.all == [])
    let newest = try pipeline.store().newestSealed(stage: "filter")
    #expect(newest?.identity.options["minimumBytes"] == 0)
  }

  @Test func optionsWithoutEffectOnTheResultRerunNothing() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"]])
    try pipeline.run()
    pipeline.document = document(extra: ", \"bufferBytes\": 5")
    #expect(try pipeline.plan()["filter"] == .fresh)
  }

  /// A phase that names its options keeps its tasks when another one changes, and does not see that one at all.
  @Test func anOptionRerunsOnlyThePhasesThatUseIt() throws {
    let pipeline = try FakePipeline(document(), texts: [["a", "bb"], ["ccc"]])
    try pipeline.run()
    pipeline.document = document(sum: "\"label\": \"x\"")
    #expect(try pipeline.plan()["sum"] == .run(["option 'label' changed: \"\" → \"x\""]))
    try pipeline.run()
    #expect(FakeLog.all == ["sum knows 1x", "sum/all"])
    pipeline.document = document(sum: "\"label\": \"x\", \"factor\": 2")
    try pipeline.run()
    #expect(FakeLog.all == ["count knows 2", "count knows 2", "count/00000", "count/00001", "sum knows 1x", "sum/all"])
  }

  @Test func anIDInTwoArtifactsIsWarnedOfWhereTheyMeet() throws {
    let text = """
      { "format": 1, "name": "t", "stages": {
        "one": { "use": "fake.source", "options": { "files": "data" } },
        "two": { "use": "fake.source", "options": { "files": ["data/0.jsonl", "more"] } },
        "filter": { "use": "fake.filter", "inputs": { "documents": ["one", "two"] } },
        "sum": { "use": "fake.sum", "inputs": { "documents": "filter" } } } }
      """
    let pipeline = try FakePipeline(text, texts: [["a", "bb"], ["ccc"]])
    try FileSystem.makeDirectory(pipeline.folder + "/more")
    var line: [UInt8] = []
    Document(id: "its own", text: "d").append(to: &line)
    try FileSystem.write(line, to: pipeline.folder + "/more/0.jsonl")
    try pipeline.run()
    let warnings = ["one", "two", "filter", "sum"].map { stage in
      try? pipeline.store().newestSealed(stage: stage)?.manifest?.warnings
    }
    #expect(warnings[2]?["duplicate-id"]?.count == 2)
    let example = try #require(warnings[2]?["duplicate-id"]?.example)
    #expect(["id 'f0-0' occurs in 'one' and 'two'", "id 'f0-1' occurs in 'one' and 'two'"].contains(example))
    for other in [0, 1, 3] { #expect(warnings[other]?.isEmpty == true) }
  }

  @Test func aNewFileRunsOnlyItsOwnTasks() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"], ["b"]])
    try pipeline.run()
    try pipeline.write(file: 2, ["c"])
    #expect(try pipeline.plan()["source"] == .run(["input file added: 2.jsonl (option 'files')"]))
    try pipeline.run()
    #expect(FakeLog.all == ["count/00002", "filter/00002", "source/00002", "sum/all"])
  }

  @Test func aLostRowIsAdoptedFromTheDisk() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"], ["b"]])
    try pipeline.run()
    for name in ["pipeline.sqlite", "pipeline.sqlite-wal", "pipeline.sqlite-shm"] {
      try FileSystem.remove("\(pipeline.folder)/.pipeline/\(name)")
    }
    try pipeline.run()
    #expect(FakeLog.all == [])
  }

  @Test func aDeletedFileRunsItsTaskAgain() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"], ["b"]])
    try pipeline.run()
    let store = try pipeline.store()
    let manifest = try #require(try store.newestSealed(stage: "filter")?.manifest)
    try FileSystem.remove(store.artifacts.directory(of: manifest) + "/kept/00001.jsonl.zst")
    #expect(try pipeline.plan()["filter"] == .run(["its file kept/00001.jsonl.zst is missing"]))
    try pipeline.run()
    #expect(FakeLog.all == ["filter/00001"])
  }

  @Test func crawlsLeaveTheProcessorsToOthers() throws {
    let text = """
      { "format": 1, "name": "p", "stages": {
        "a": { "use": "fake.crawl", "options": { "tasks": 3 } }, "b": { "use": "fake.crawl" },
        "source": { "use": "fake.source", "options": { "files": "data" } } } }
      """
    let (outcome, events) = try FakePipeline(text, texts: [["x"]]).run()
    #expect(
      outcome == .done, "\(events.compactMap { if case .stageFailed(_, let message) = $0 { message } else { nil } })")
  }

  @Test func aFailureStopsWhatDependsOnItAndKeepsWhatIsDone() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"], ["FAIL"]])
    let (outcome, events) = try pipeline.run { $0.jobs = 1 }
    #expect(outcome == .failed)
    let messages = events.compactMap { if case .stageFailed(_, let message) = $0 { message } else { nil } }
    #expect(messages == ["f1-0: the document asks for a failure."])
    try pipeline.write(file: 1, ["mended"])
    #expect(try pipeline.run().outcome == .done)
    #expect(!FakeLog.all.contains("source/00000"))
    #expect(!FakeLog.all.contains("filter/00000"), "the finished task is kept though its node failed")
  }

  @Test func aPassingFaultIsRetried() throws {
    let pipeline = try FakePipeline(document(), texts: [["FLAKY"]])
    let (outcome, events) = try pipeline.run()
    #expect(outcome == .done)
    #expect(events.count { if case .taskRetried = $0 { true } else { false } } == 2)
  }

  @Test func aLedgerThatDoesNotBalanceFails() throws {
    let pipeline = try FakePipeline(document(extra: ", \"loses\": true"), texts: [["a", "b"]])
    let (outcome, events) = try pipeline.run()
    #expect(outcome == .failed)
    let message = events.compactMap { if case .stageFailed(_, let m) = $0 { m } else { nil } }.first
    #expect(message?.contains("the ledger does not balance: 1 more documents came in") == true)
  }

  @Test func fromRunsAStageAnewAndNothingBeforeIt() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"]])
    try pipeline.run()
    try pipeline.run { $0.from = ["filter"] }
    #expect(FakeLog.all == ["filter/00000"], "its bytes are the same, so the sum stays fresh")
  }

  @Test func fromRefusesAStaleUpstream() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"]])
    try pipeline.run()
    try pipeline.write(file: 0, ["changed"])
    let error = #expect(throws: RunError.self) { try pipeline.run { $0.from = ["filter"] } }
    #expect(
      error?.description == """
        the stage 'source' is needed but not selected, and it is not up to date: input file changed: 0.jsonl (option \
        'files'). Run without --from and --only, or also select 'source'.
        """)
  }

  @Test func untilLeavesTheRestOut() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"]])
    try pipeline.run { $0.until = ["filter"] }
    #expect(FakeLog.all == ["filter/00000", "source/00000"])
    #expect(try pipeline.plan { $0.until = ["filter"] }["sum"] == .unselected)
  }

  @Test func aSecondRunnerIsRefused() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"]])
    let store = try pipeline.store()
    let lock = try StoreLock(root: store.root)
    let error = #expect(throws: RunError.self) { try pipeline.run() }
    #expect(error?.code == .locked)
    #expect(error?.description.contains("is in use by process ") == true)
    withExtendedLifetime(lock) {}
  }

  @Test func anInterruptionFinishesTheRunningTaskAndResumes() throws {
    let pipeline = try FakePipeline(document(), texts: [["a"], ["b"], ["c"]])
    FakeLog.reset()
    let outcome = try pipeline.pipelineRun { $0.jobs = 1 }.run(
      interruption: { FakeLog.count("source/00001") }, listen: { _ in })
    #expect(outcome == .interrupted)
    #expect(!FakeLog.all.contains("filter/00000"))
    try pipeline.run()
    #expect(FakeLog.count("source/00000") == 0)
  }

  @Test func theBytesDoNotDependOnTheNumberOfJobs() throws {
    func digests(_ jobs: Int) throws -> [Digest] {
      let texts = (0..<7).map { i in (0..<20).map { "text \(i) \($0) のテキスト" } }
      let pipeline = try FakePipeline(document(minimum: 14, suffix: "!"), texts: texts)
      try pipeline.run { $0.jobs = jobs }
      return try ["source", "filter", "sum"].flatMap { stage in
        try pipeline.store().newestSealed(stage: stage)!.manifest!.files.map(\.digest)
      }
    }
    let one = try digests(1)
    #expect(try digests(2) == one)
    #expect(try digests(5) == one)
  }

  @Test func aTaskOverItsTimeIsStoppedAndTriedAgain() throws {
    let text = document().replacing("\"retries\": 3", with: "\"retries\": 1, \"timeoutSeconds\": 0.05")
    let pipeline = try FakePipeline(text, texts: [["SLOW"]])
    let (outcome, events) = try pipeline.run()
    #expect(outcome == .failed)
    #expect(events.count { if case .taskRetried = $0 { true } else { false } } == 1)
    let message = events.compactMap { if case .stageFailed(_, let m) = $0 { m } else { nil } }.first
    #expect(message == "the task exceeded its timeout. Increase \"timeoutSeconds\" of the stage.")
  }

  @Test func aSecondInterruptionStopsARunningTask() throws {
    let pipeline = try FakePipeline(document(), texts: [["SLOW"]])
    let outcome = try pipeline.pipelineRun().run(
      interruption: { 2 * FakeLog.count("filter/00000") }, listen: { _ in })
    #expect(outcome == .interrupted)
    let folders = try FileSystem.list(pipeline.folder + "/.pipeline/artifacts/filter")
    #expect(folders.count == 1)
    let left = try FileSystem.walk(pipeline.folder + "/.pipeline/artifacts/filter/" + folders[0])
    #expect(left == [], "nothing of the stopped task is visible")
  }
}
