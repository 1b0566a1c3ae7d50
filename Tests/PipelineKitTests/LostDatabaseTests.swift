import ShardKit
import TestKit
import Testing

@testable import PipelineKit

private let document = """
  { "format": 1, "name": "t", "stages": {
    "source": { "use": "fake.source", "options": { "files": "data" } },
    "filter": { "use": "fake.filter", "inputs": { "documents": "source" } },
    "sum": { "use": "fake.sum", "inputs": { "documents": "filter" } } } }
  """

/// Inside the suite that runs one test after another, since they share the log of fake tasks.
extension ExecutorTests {
  /// What `verify` finds, and the next run makes anew, after the database was lost.
  @Suite struct LostDatabaseTests {
    private func finished() throws -> FakePipeline {
      let pipeline = try FakePipeline(document, texts: [["a", "bb"], ["ccc"]])
      try pipeline.run()
      return pipeline
    }

    private func lose(_ pipeline: FakePipeline) throws {
      for suffix in ["", "-wal", "-shm"] {
        try FileSystem.remove("\(pipeline.folder)/.pipeline/pipeline.sqlite\(suffix)")
      }
    }

    /// Changes a byte of a stage's first file of documents. Returns its path and what it held.
    private func alter(_ pipeline: FakePipeline, _ stage: String) throws -> (path: String, bytes: [UInt8]) {
      let root = "\(pipeline.folder)/.pipeline/artifacts/\(stage)"
      let name = try #require(FileSystem.walk(root).first { $0.hasSuffix(".jsonl.zst") && !$0.contains("/drops/") })
      let bytes = try FileSystem.read("\(root)/\(name)")
      var altered = bytes
      altered[altered.count / 2] ^= 1
      try FileSystem.write(altered, to: "\(root)/\(name)")
      return ("\(root)/\(name)", bytes)
    }

    @Test(arguments: ["source", "filter"], [[], ["sum"], nil] as [[String]?])
    func damageIsFoundAndMadeAnew(_ stage: String, _ from: [String]?) throws {
      let pipeline = try finished()
      try lose(pipeline)
      if let from { try pipeline.run { $0.from = from } }
      let (path, bytes) = try alter(pipeline, stage)
      let store = try RunStore(root: pipeline.folder + "/.pipeline", creating: false)
      let result = try Verification(store: store, jobs: 2).run()
      #expect(result.findings.map(\.path) == [path] && result.files > 4)
      #expect(result.reopened == [stage: 1])
      try pipeline.run()
      #expect(FakeLog.all == ["\(stage)/00000"])
      #expect(try FileSystem.read(path) == bytes)
      #expect(try Verification(store: pipeline.store(), jobs: 2).run().findings.isEmpty)
    }

    @Test func theFileOfAnUnfinishedStageIsVerifiedToo() throws {
      let pipeline = try finished()
      let (path, bytes) = try alter(pipeline, "filter")
      try lose(pipeline)
      for name in try FileSystem.walk(pipeline.folder + "/.pipeline/artifacts/filter")
      where name.hasSuffix("/manifest.json") {
        try FileSystem.remove("\(pipeline.folder)/.pipeline/artifacts/filter/\(name)")
      }
      #expect(try Verification(store: pipeline.store(), jobs: 1).run().reopened == ["filter": 1])
      try pipeline.run()
      #expect(try FileSystem.read(path) == bytes)
    }

    /// A run that met damage leaves a mark; it means the database that was there, and no command but a run replaces one.
    @Test func aMarkedDatabaseIsReplacedByARunAlone() throws {
      let pipeline = try finished()
      let root = pipeline.folder + "/.pipeline"
      do {
        let store = try RunStore(root: root)
        #expect(throws: RunError.self) { try store.write { _ in throw StoredValueError(column: "started") } }
      }
      #expect(throws: RunError.self) { try RunStore(root: root, replacing: false) }
      #expect(try RunStore(root: root, creating: false).damagedDatabase == nil)
      let replaced = try RunStore(root: root)
      #expect(replaced.damagedDatabase == root + "/pipeline.sqlite.damaged-1")
      #expect(!FileSystem.exists(root + "/damaged"))
    }

    @Test func aMarkOfAnotherDatabaseAndOtherErrorsReplaceNothing() throws {
      let pipeline = try finished()
      let root = pipeline.folder + "/.pipeline"
      do {
        let store = try RunStore(root: root)
        #expect(throws: RunError.self) { try store.write { _ in throw RunError(.damaged, "something else") } }
        #expect(!FileSystem.exists(root + "/damaged"))
        let looking = try RunStore(root: root, creating: false)
        #expect(throws: RunError.self) { try looking.read { _ in throw StoredValueError(column: "started") } }
        #expect(!FileSystem.exists(root + "/damaged"))
      }
      try FileSystem.write(Array("1\nof another file\n".utf8), to: root + "/damaged")
      #expect(try RunStore(root: root).damagedDatabase == nil)
      #expect(!FileSystem.exists(root + "/damaged"))
    }
  }
}
