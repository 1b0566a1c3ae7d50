import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// What lies beside the outputs of a pass: what a run, `verify` and `prune` make of it, and what happens where it is lost.
@Suite struct PassRecoveryTests {
  private let pipeline = PassPipeline()

  /// Everything of a stage's output, hidden folders too.
  private func files(_ store: String, _ stage: String) throws -> [String] {
    let folder = "\(pipeline.folder)/\(store)/artifacts/\(stage)"
    return try FileSystem.walk(folder, hidden: true).map { "\(folder)/\($0)" }
  }

  /// Alters a file in place: its size stays.
  private func damage(_ path: String) throws {
    let file = try #require(fopen(path, "r+"))
    fseek(file, 20, SEEK_SET)
    fputs("XX", file)
    fclose(file)
  }

  /// Documents of the stage `quality`, as they lie beside the output of `read`.
  private func passedDocuments(_ store: String) throws -> [String] {
    try files(store, "read").filter { path in
      path.split(separator: "/").count { $0 == ".passed" } == 3 && path.contains(".zst/documents/")
    }
  }

  /// What is altered in place, `verify` finds; a run must not read everything that a pass has kept.
  @Test func aRunLooksAtSizesAlone() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    let documents = try passedDocuments("a")
    #expect(documents.count == 4)
    try damage(try #require(documents.first))
    try pipeline.write(files: 6)
    #expect(try pipeline.run("a")["read run"] == [6, 5])
  }

  /// A file that no stage has taken over yet is verified where it is.
  @Test func whatWasNotTakenOverIsVerifiedToo() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("alone", passes: false)
    try pipeline.run("a", try pipeline.graph(), endAfter: "read")
    #expect(!FileSystem.exists(pipeline.folder + "/a/artifacts/clean"))
    let whole = try Verification(store: pipeline.open("a")).run()
    #expect(whole.findings.isEmpty)
    let documents = try #require(try passedDocuments("a").first)
    try damage(documents)
    let report = try Verification(store: pipeline.open("a")).run()
    #expect(report.findings.map(\.path) == [documents] && report.findings.map(\.kind) == [.altered])
    #expect(report.files == whole.files && report.reopened.isEmpty)
    #expect(try Verification(store: pipeline.open("a")).run().findings.isEmpty, "its record is gone")
    #expect(try pipeline.run("a")["read run"] == [5, 4])
    try pipeline.expectEqual("a", "alone")
  }

  /// Stopped between the end of a stage and the beginning of the next one in its pass: a plan says what a run does.
  @Test func aPlanLooksAtWhatThePassHasLeft() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    let graph = try pipeline.graph()
    try pipeline.run("a", graph, endAfter: "read")
    func verdicts() throws -> [String] {
      try PipelineRun(graph: graph, store: pipeline.open("a"), settings: .init()).plan().verdicts.map(\.verdict.name)
    }
    #expect(try verdicts() == ["fresh", "run", "pending", "pending", "pending"])
    #expect(try StageExplanation(stage: "read", graph: graph, store: pipeline.open("a")).verdict == .fresh)
    // Two stages further, the first one's pass still has all that is left to do.
    try pipeline.run("a", graph, endAfter: "clean")
    #expect(try verdicts() == ["fresh", "fresh", "run", "pending", "pending"])
    // Without it, the whole pass runs.
    for stage in ["read", "clean"] {
      for name in try FileSystem.list("\(pipeline.folder)/a/artifacts/\(stage)") {
        try FileSystem.removeTree("\(pipeline.folder)/a/artifacts/\(stage)/\(name)/.passed")
      }
    }
    #expect(try verdicts() == ["run", "pending", "pending", "pending", "pending"])
    #expect(try pipeline.run("a")["read run"] == [5, 0])
    _ = try pipeline.run("alone", passes: false)
    try pipeline.expectEqual("a", "alone")
  }

  /// A record whose file was cut off is not taken over.
  @Test func whatIsCutOffIsMadeAgain() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("alone", passes: false)
    try pipeline.run("a", try pipeline.graph(), endAfter: "read")
    try FileSystem.write([1], to: try #require(try passedDocuments("a").first))
    #expect(try pipeline.run("a")["read run"] == [5, 4])
    try pipeline.expectEqual("a", "alone")
  }

  /// What `--until` and `--only` end with is there afterwards, though a run before handed it on.
  @Test func theLastStageOfARunKeepsItsDocuments() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a", passes: false)
    for end in ["until", "only"] {
      _ = try pipeline.run(end)
      #expect(try pipeline.hasPassed(end, "clean", "documents"))
      func part() throws -> [String: [Int]] {
        try pipeline.run(end) { if end == "until" { $0.until = ["clean"] } else { $0.only = ["clean"] } }
      }
      let ran = try part()
      #expect(ran["read run"] == [5, 0] && ran["clean run"] == [5, 0] && ran["language run"] == nil)
      #expect(try pipeline.digests(end, "clean") == pipeline.digests("a", "clean"))
      #expect(try part().isEmpty)
      // The rest goes on from them.
      let rest = try pipeline.run(end)
      #expect(rest["read run"] == nil && rest["clean run"] == nil && rest["language run"] == [5, 0])
      try pipeline.expectEqual(end, "a")
      #expect(try pipeline.run(end).isEmpty)
    }
  }

  /// The bytes that `prune` names are those that the disk gets back: files have names beside other outputs too.
  @Test func pruneSaysWhatItFrees() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    let clean = ", \"options\": { \"minimumBytes\": 30 }"
    _ = try pipeline.run("a", clean: clean)
    func size() throws -> Int64 {
      var sizes: [UInt64: Int64] = [:]
      let folder = pipeline.folder + "/a/artifacts"
      for name in try FileSystem.walk(folder, hidden: true) {
        let status = try #require(FileSystem.status("\(folder)/\(name)"))
        sizes[status.inode] = status.bytes
      }
      return sizes.values.reduce(0, +)
    }
    let before = try size()
    let pruning = try Pruning(graph: pipeline.graph(clean: clean), store: pipeline.open("a"))
    #expect(Set(pruning.candidates.map(\.stage)).isSuperset(of: ["clean", "language", "quality"]))
    try pruning.run()
    #expect(try before - size() == pruning.bytes)
  }
}

/// Lock files over passes: what is not kept cannot be sent, and is made again where something is missing.
@Suite struct PassLockTests {
  private let pipeline = PassPipeline()
  private var shared: String { pipeline.folder + "/shared" }

  /// A finished run in the store `owner`, locked.
  private func locked() throws -> LockedArtifacts {
    try pipeline.write()
    _ = try pipeline.run("alone", passes: false)
    _ = try pipeline.run("owner")
    let locking = ArtifactLocking(graph: try pipeline.graph(), store: try pipeline.open("owner"))
    let remote = FolderRemote(shared)
    let manifests = try locking.manifests()
    for manifest in manifests { _ = try locking.publish(manifest, to: remote) }
    return LockedArtifacts(lock: ArtifactLocking.lock(manifests, pipeline: "t", remote: shared), remote: remote)
  }

  /// Removes the object of one file of documents of a stage.
  private func lose(_ stage: String) throws {
    let file = try #require(try pipeline.manifest("owner", stage).files.first { $0.port == "documents" })
    try FileSystem.remove("\(shared)/objects/\(file.digest.hex.prefix(2))/\(file.digest.hex)")
  }

  @Test func everythingIsFetched() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    let locked = try locked()
    let (tasks, fetched) = try pipeline.run("a", try pipeline.graph(), locked: locked)
    #expect(tasks.isEmpty && fetched == ["read", "clean", "language", "quality", "exact"])
    #expect(try pipeline.run("a").isEmpty)
    try pipeline.expectEqual("a", "alone")
  }

  @Test func whatCannotBeFetchedTakesItsPassWithIt() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    let locked = try locked()
    try lose("quality")
    let (tasks, fetched) = try pipeline.run("a", try pipeline.graph(), locked: locked)
    #expect(tasks["read run"] == [5, 0] && fetched == ["exact"])
    try pipeline.expectEqual("a", "alone")
    // The same where the first stage is finished already, and what it handed on is lost.
    try pipeline.run("b", try pipeline.graph(), endAfter: "read")
    for name in try FileSystem.list(pipeline.folder + "/b/artifacts/read") {
      try FileSystem.removeTree("\(pipeline.folder)/b/artifacts/read/\(name)/.passed")
    }
    #expect(try pipeline.run("b", try pipeline.graph(), locked: locked).tasks["read run"] == [5, 0])
    try pipeline.expectEqual("b", "alone")
  }

  /// The lock names all but the last stage of the pass, whose options are others here.
  @Test func whatTheLockDoesNotNameTakesItsPassWithIt() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    let locked = try locked()
    let quality = ", \"minimumHiraganaFraction\": 0.2"
    _ = try pipeline.run("other", passes: false, quality: quality)
    let (tasks, _) = try pipeline.run("a", try pipeline.graph(quality: quality), locked: locked)
    #expect(tasks["read run"] == [5, 0])
    try pipeline.expectEqual("a", "other")
  }
}
