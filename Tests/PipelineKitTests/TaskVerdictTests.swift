import PipelineKit
import ShardKit
import TestKit
import Testing

private func document(minimum: Int = 0, label: String = "") -> String {
  """
  { "format": 1, "name": "t", "stages": {
    "source": { "use": "fake.source", "options": { "files": "data" } },
    "filter": { "use": "fake.filter", "inputs": { "documents": "source" }, "options": { "minimumBytes": \(minimum) } },
    "sum": { "use": "fake.sum", "inputs": { "documents": "filter" }, "options": { "label": "\(label)" } } } }
  """
}

/// Inside the suite that runs one test after another, since they share the log of fake tasks.
extension ExecutorTests {
  /// Each task's verdict carries its reason.
  @Suite struct TaskVerdictTests {
    /// The verdicts on a stage's tasks, `phase/key verdict: reasons`.
    private func verdicts(_ pipeline: FakePipeline, _ stage: String) throws -> [String] {
      try StageExplanation(stage: stage, graph: pipeline.graph(), store: pipeline.store()).tasks.map {
        "\($0.phase)/\($0.key) \($0.verdict): \($0.reasons.joined(separator: "; "))"
      }
    }

    @Test func whatIsNewRunsAndWhatChangedIsNamed() throws {
      let pipeline = try FakePipeline(document(), texts: [["a", "bb"], ["ccc"]])
      #expect(try verdicts(pipeline, "filter").isEmpty)
      try pipeline.run()
      let new = "run: no earlier run has done it"
      #expect(try verdicts(pipeline, "filter") == ["run/00000 \(new)", "run/00001 \(new)"])
      pipeline.document = document(minimum: 2)
      try pipeline.run()
      let changed = "run: options of its phase changed"
      #expect(try verdicts(pipeline, "filter") == ["run/00000 \(changed)", "run/00001 \(changed)"])
      // File 1 lost nothing, so the count of it is an older output's.
      let sum = try verdicts(pipeline, "sum")
      #expect(sum.count == 3 && sum[0] == "count/00000 run: its input files changed")
      #expect(sum[1].hasPrefix("count/00001 taken over: an older output of the stage, "))
      #expect(sum[2] == "sum/all run: its input files changed")
    }

    @Test func forcedTasksSaySo() throws {
      let pipeline = try FakePipeline(document(), texts: [["a"]])
      try pipeline.run()
      try pipeline.run { $0.from = ["filter"] }
      #expect(try verdicts(pipeline, "filter") == ["run/00000 run: the run was forced to repeat it"])
    }

    @Test func aLostFileAndALostRecordAreTold() throws {
      let pipeline = try FakePipeline(document(), texts: [["a", "bb"], ["FAIL"]])
      #expect(try pipeline.run().outcome != .done)
      // The first task is done, the second has failed.
      try pipeline.run()
      #expect(
        try verdicts(pipeline, "filter") == [
          "run/00000 kept: an earlier run did it with the same options and inputs",
          "run/00001 run: no earlier run has finished it",
        ])
      let root = "\(pipeline.folder)/.pipeline/artifacts/filter"
      let name = try #require(FileSystem.walk(root).first { $0.hasSuffix(".jsonl.zst") && !$0.contains("/drops/") })
      try FileSystem.remove("\(root)/\(name)")
      try pipeline.run()
      let lost = try #require(try verdicts(pipeline, "filter").first)
      #expect(lost.hasPrefix("run/00000 run: its file kept/") && lost.hasSuffix(" is missing"), "\(lost)")
      for suffix in ["", "-wal", "-shm"] {
        try FileSystem.remove("\(pipeline.folder)/.pipeline/pipeline.sqlite\(suffix)")
      }
      try pipeline.run()
      #expect(
        try verdicts(pipeline, "filter").first
          == "run/00000 adopted: its files and manifest were on disk, but not in the database")
    }
  }
}
