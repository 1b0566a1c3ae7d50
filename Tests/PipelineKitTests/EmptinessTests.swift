import PipelineKit
import ShardKit
import TestKit
import Testing

/// Inside the suite that runs one test after another, since they share the log of fake tasks.
extension ExecutorTests {
  @Suite struct EmptinessTests {
    private func pipeline(_ content: String, _ extra: String = "", filter: Int = 0) throws -> FakePipeline {
      let pipeline = try FakePipeline(
        """
        { "format": 1, "name": "t", "stages": {
          "source": { "use": "fake.source", "options": { "files": "data" }\(extra) },
          "filter": { "use": "fake.filter", "inputs": { "documents": "source" }, "options": { "minimumBytes": \(filter) } } } }
        """, texts: [[]])
      try FileSystem.write(Array(content.utf8), to: pipeline.folder + "/data/0.jsonl")
      return pipeline
    }

    private func failure(_ events: [RunEvent]) -> String? {
      for case .stageFailed(_, let message) in events { return message }
      return nil
    }

    @Test func anEmptyInputGivesAnEmptyOutput() throws {
      #expect(try pipeline("").run().outcome == .done)
    }

    @Test func readingNothingFromSomethingFails() throws {
      let pipeline = try pipeline("# no record")
      let run = try pipeline.run()
      #expect(run.outcome == .failed)
      #expect(
        failure(run.events)
          == "it read nothing: 'fake.source' recognized no record in \(pipeline.folder)/data/0.jsonl. Check that the "
          + "files have the format that the stage reads; if they may have no records, set \"mayBeEmpty\": true.")
      #expect(try pipeline.plan()["source"] == .resume(done: 1))
    }

    /// Lists beside the records are no records: they are not named, nor counted.
    @Test func listsBesideTheRecordsDoNotCount() throws {
      let pipeline = try pipeline("")
      try FileSystem.write(Array("example.org\n".utf8), to: pipeline.folder + "/list")
      pipeline.document = pipeline.document.replacing(#""files": "data""#, with: #""lists": "list", "files": "data""#)
      #expect(try pipeline.run().outcome == .done)
      try FileSystem.write(Array("# no record".utf8), to: pipeline.folder + "/data/0.jsonl")
      let message = try #require(failure(try pipeline.run().events))
      #expect(message.contains("recognized no record in \(pipeline.folder)/data/0.jsonl"))
    }

    @Test func unlessTheDocumentAllowsIt() throws {
      let pipeline = try pipeline("# no record", #", "mayBeEmpty": true"#)
      #expect(try pipeline.run().outcome == .done)
    }

    @Test func aFilterThatDropsAllSaysSoAndDoesNotFail() throws {
      let run = try pipeline(#"{"id":"1","text":"a"}"#, filter: 10).run()
      #expect(run.outcome == .done)
      var warnings: [String: String] = [:]
      for case .sealed(let stage, let manifest, _) in run.events {
        warnings[stage] = manifest.warnings["nothing-left"]?.example
      }
      #expect(warnings == ["filter": "no documents remain: all 1 were dropped, most of them as 'too-short'"])
    }
  }
}
