import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// No process of a program outlives those that watch it, whichever of them is killed.
@Suite struct ProgramKillTests {
  /// A program with a child in its group, one in a session of its own, and one that has lost its variables.
  private static func script(_ mark: String) -> String {
    "sleep 1000\(mark) & setsid sleep 2000\(mark) & env -i setsid sleep 3000\(mark) & sleep 4000\(mark)"
  }

  private static func mark() -> String { String(Int.random(in: 100_000...999_999)) }

  private struct Found {
    var id: pid_t
    var parent: pid_t
    var words: [String]
    var name: String
  }

  /// Processes with a mark in their arguments.
  private static func processes(_ mark: String) throws -> [Found] {
    try FileSystem.list("/proc").compactMap { entry in
      guard let id = pid_t(entry), let line = try? FileSystem.read("/proc/\(entry)/cmdline", limit: 1 << 20),
        let status = try? FileSystem.read("/proc/\(entry)/status", limit: 1 << 16)
      else { return nil }
      let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      guard words.contains(where: { $0.contains(mark) }) else { return nil }
      var members: [String: String] = [:]
      for line in String(decoding: status, as: UTF8.self).split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2 { members[String(parts[0])] = parts[1].filter { !$0.isWhitespace } }
      }
      return Found(
        id: id, parent: members["PPid"].flatMap { pid_t($0) } ?? 0, words: words, name: members["Name"] ?? "")
    }
  }

  private static func comes(_ condition: () throws -> Bool) async throws -> Bool {
    for _ in 0..<60_000 {
      if try condition() { return true }
      try await Task.sleep(nanoseconds: 10_000_000)
    }
    return false
  }

  /// The two that watch a program, the guard first, once all four sleeps run.
  private static func watching(_ mark: String) async throws -> [pid_t] {
    #expect(try await comes { try processes(mark).filter { $0.words.first == "sleep" }.count == 4 })
    let watching = try processes(mark).filter { $0.name == "program-guard" }
    let first = try #require(watching.first { one in !watching.contains { $0.id == one.parent } })
    let second = try #require(watching.first { $0.parent == first.id })
    return [first.id, second.id]
  }

  @Test(arguments: [0, 1]) func aProgramEndsWithEitherOfThoseThatWatchIt(victim: Int) async throws {
    let (mark, folder) = (Self.mark(), temporaryDirectory())
    defer { try? FileSystem.removeTree(folder) }
    let program = try SupervisedProgram(
      .init(
        ["sh", "-c", Self.script(mark)], environment: ["PATH": "/usr/bin:/bin"], folder: folder, memoryBytes: 0,
        supervisor: ChildProcess.pipeline))
    let watching = try await Self.watching(mark)
    kill(watching[victim], SIGKILL)
    #expect(
      try await Self.comes {
        program.exchange(waitMilliseconds: 0)
        return program.ending != nil
      })
    #expect(program.ending == .lost)
    #expect(try await Self.comes { try Self.processes(mark).isEmpty })
  }

  /// A run, with the folder for temporary files that it and its programs have.
  private static func run(_ mark: String, in folder: String) throws -> ChildProcess {
    let command = JSONValue.strings(["sh", "-c", script(mark) + " # {output.files}"])
    let document: JSONValue = [
      "format": 1, "name": "kill", "stages": ["own": ["use": "command.files", "options": ["command": command]]],
    ]
    try FileSystem.write(Array(document.text().utf8), to: folder + "/p.json")
    try FileSystem.makeDirectory(folder + "/tmp")
    return try ChildProcess(["run", folder + "/p.json"], environment: ["TMPDIR": folder + "/tmp"])
  }

  @Test func aProgramEndsWithItsRun() async throws {
    let (mark, folder) = (Self.mark(), temporaryDirectory())
    defer { try? FileSystem.removeTree(folder) }
    let run = try Self.run(mark, in: folder)
    _ = try await Self.watching(mark)
    run.signal(SIGKILL)
    #expect(try await Self.comes { try Self.processes(mark).isEmpty })
    _ = try run.wait()
  }

  /// With all three gone, the program itself ends at once, and what it has started when the next folder is made.
  @Test func whatIsLeftOfAllIsSweptAway() async throws {
    let (mark, folder) = (Self.mark(), temporaryDirectory())
    defer { try? FileSystem.removeTree(folder) }
    let run = try Self.run(mark, in: folder)
    let watching = try await Self.watching(mark)
    // Stopped first, none can react to the end of another.
    for process in watching { kill(process, SIGSTOP) }
    run.signal(SIGKILL)
    for process in watching { kill(process, SIGKILL) }
    #expect(try await Self.comes { try Self.processes(mark).allSatisfy { $0.words.first == "sleep" } })
    #expect(try FileSystem.list(folder + "/tmp").count == 1)
    // A process that was killed may take its time to end.
    #expect(
      try await Self.comes {
        TemporaryFolder.sweep(folder + "/tmp")
        return try FileSystem.list(folder + "/tmp").isEmpty
      })
    // But for one without variables, which nothing tells from others.
    #expect(try await Self.comes { try Self.processes(mark).map(\.words) == [["sleep", "3000\(mark)"]] })
    let left = try Self.processes(mark)
    for process in left { kill(process.id, SIGKILL) }
    _ = try run.wait()
  }

  /// The folder of a process that lives is left alone, and removed at its end.
  @Test func foldersInUseStay() throws {
    let folder: TemporaryFolder? = try TemporaryFolder()
    let path = try #require(folder).path
    TemporaryFolder.sweep(ArchivePath.folder(of: path))
    #expect(FileSystem.isDirectory(path))
    withExtendedLifetime(folder) {}
  }
}
