import Glibc
import ShardKit
import Synchronization
import TestKit
import Testing

@testable import PipelineKit

/// Reads its file whole, and changes it meanwhile in a named way.
private struct RewritingSource: SinglePhaseStage {
  struct Options: StageOptions {
    @Option("What to read.") var files = InputFiles()
    @Option("What to do to it.") var change = ""

    init() {}
  }

  static let name = "test.rewriting"
  static let revision = 1
  static let summary = "Reads a file that changes."
  static let outputs: [OutputPort] = []
  let options: Options

  func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    TaskPlan.perFile(try context.files(options.files))
  }

  func run(_ workspace: Workspace) throws {
    let path = try workspace.file().path
    let before = FileSystem.status(path)!
    switch options.change {
    case "in place":
      try rewrite(path, "b")
      try setTimes(path, before.modified)
    case "same bytes": try rewrite(path, "a")
    case "replaced": try FileSystem.write(Array("a".utf8), to: path)
    case "removed": try FileSystem.remove(path)
    case "cut":
      let mapped = try MappedFile(path)
      truncate(path, 0)
      #expect(mapped.bytes.allSatisfy { $0 == 0 })
    case "damaged":
      try rewrite(path, "b")
      throw ShardError(.malformed, path, "the stream is damaged")
    case "named": try FileSystem.link(path, to: path + ".other")
    case "permissions": chmod(path, 0o600)
    default: break
    }
  }

  private func rewrite(_ path: String, _ text: String) throws {
    let descriptor = open(path, O_WRONLY)
    pwrite(descriptor, text, 1, 0)
    close(descriptor)
  }

  private func setTimes(_ path: String, _ nanoseconds: Int64) throws {
    let time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    utimensat(AT_FDCWD, path, [time, time], 0)
  }
}

@Suite struct SourceCheckTests {
  private func run(_ change: String) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("a".utf8), to: folder + "/source")
    // The clock of a file system has grains.
    usleep(20_000)
    try StageHarness(
      RewritingSource.self, options: ["files": .string(folder + "/source"), "change": .string(change)]
    ).run()
  }

  @Test(arguments: ["in place", "same bytes", "replaced", "removed", "cut", "damaged"])
  func aTaskWhoseSourceChangesFails(_ change: String) {
    let error = #expect(throws: StageError.self) { try run(change) }
    #expect(error?.message == "the file changed while the task read it")
  }

  @Test(arguments: ["", "named", "permissions"])
  func whatLeavesTheContentIsNoChange(_ change: String) throws { try run(change) }

  /// A thousand tasks that read parts of a file whose permissions changed read the whole file once.
  @Test func aFileIsDigestedOncePerStatus() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let path = folder + "/large"
    try FileSystem.write([1], to: path)
    let reads = Atomic(0)
    let digests = RepeatedDigests { path in
      reads.add(1, ordering: .relaxed)
      return try Digester.digest(file: path)
    }
    func digest(times: Int) throws -> Int {
      let before = reads.load(ordering: .relaxed)
      let status = FileSystem.status(path)!
      try inParallel(times, atOnce: 4, lane: {}) { _, _ in
        let (known, wanted) = (try digests.digest(path, status), try Digester.digest(file: path))
        #expect(known == wanted)
      }
      return reads.load(ordering: .relaxed) - before
    }
    // A change within the clock's resolution would not show.
    #expect(try digest(times: 2) == 2)
    usleep(2_100_000)
    #expect(try digest(times: 50) == 1)
    chmod(path, 0o600)
    usleep(2_100_000)
    #expect(try digest(times: 50) == 1)
    try FileSystem.write([2], to: path)
    usleep(2_100_000)
    #expect(try digest(times: 50) == 1)
  }

  private static func artifact(_ path: String) throws -> ArtifactFile {
    try FileSystem.write(Array("a".utf8), to: path)
    return ArtifactFile(path: path, name: "a", bytes: 1, digest: Digester.digest([97]))
  }

  private static func cut(_ path: String, closes: Bool = true) throws -> MappedFile? {
    let mapped = try MappedFile(path)
    truncate(path, 0)
    #expect(mapped.bytes[0] == 0)
    return closes ? nil : mapped
  }

  /// A file of a stage that is cut fails the tasks that read it, and no other one.
  @Test func aCutFileIsNamedAndFailsItsReadersAlone() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let (mine, others) = (try Self.artifact(folder + "/mine"), try Self.artifact(folder + "/others"))
    for closes in [true, false] {
      var open: MappedFile?
      try SourceCheck.guarding([mine]) {
        let error = #expect(throws: StageError.self) {
          try SourceCheck.guarding([others]) {
            truncate(others.path, 1)
            open = try Self.cut(others.path, closes: closes)
          }
        }
        #expect(error?.subject == others.path)
      }
      withExtendedLifetime(open) {}
      let error = #expect(throws: StageError.self) {
        try SourceCheck.guarding([mine]) { _ = try Self.cut(folder + "/mine") }
      }
      #expect(error?.subject == mine.path)
      truncate(mine.path, 1)
    }
  }

  /// So does one that a task writes for itself.
  @Test(arguments: [true, false]) func aCutFileOfATasksFolderFailsThatTaskAlone(closes: Bool) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let mine = try Self.artifact(folder + "/mine")
    try FileSystem.makeDirectory(folder + "/scratch")
    _ = try Self.artifact(folder + "/scratch/spill")
    var open: MappedFile?
    try SourceCheck.guarding([mine], folders: [folder + "/staging", folder + "/scra"]) {
      let error = #expect(throws: StageError.self) {
        try SourceCheck.guarding([], folders: [folder + "/scratch"]) {
          open = try Self.cut(folder + "/scratch/spill", closes: closes)
        }
      }
      #expect(error?.subject == folder + "/scratch/spill")
    }
    withExtendedLifetime(open) {}
  }

  /// One that no task claims may be of any, and fails all that run: hence in a process of its own.
  @Test func aCutFileThatNoTaskClaimsFailsAll() async {
    await #expect(processExitsWith: .success) {
      let folder = temporaryDirectory()
      defer { try? FileSystem.removeTree(folder) }
      let mine = try SourceCheckTests.artifact(folder + "/mine")
      _ = try SourceCheckTests.artifact(folder + "/spill")
      #expect(throws: StageError.self) {
        try SourceCheck.guarding([mine]) { _ = try SourceCheckTests.cut(folder + "/spill") }
      }
    }
  }

  @Test func aSourceThatChangedBeforeItsTaskFailsIt() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("a".utf8), to: folder + "/source")
    let seen = FileSystem.status(folder + "/source")
    var file = ArtifactFile(path: folder + "/source", name: "source", bytes: 1, digest: Digester.digest([97]))
    file.seen = seen
    usleep(20_000)
    try FileSystem.write(Array("b".utf8), to: folder + "/source")
    let run = TaskRun(
      directory: folder + "/node", keptState: folder + "/state", phase: "run",
      task: TaskPlan(key: "0", inputs: [.main: [file]]),
      fingerprint: file.digest, memoryBytes: 1 << 20, control: TaskControl())
    let error = #expect(throws: StageError.self) { try run.run(RewritingSource(options: .init())) }
    #expect(error?.message == "the file changed before the task read it")
    #expect(!FileSystem.exists(folder + "/node/tasks"))
  }
}
