import Glibc
import ShardKit
import TestKit

/// A real Slurm of three nodes on this machine, and the pipelines that run on it.
final class SlurmBench {
  let folder: String
  private let slurm: String

  /// Whether Slurm can be started here: its daemons need root.
  static let isPossible =
    getuid() == 0
    && ["slurmctld", "slurmd", "munged"].allSatisfy { program in
      ["/usr/sbin/", "/usr/bin/"].contains { access($0 + program, X_OK) == 0 }
    }

  static let script = packagePath("Tests/Slurm/slurm")

  /// Several at once would slow one another down beyond the time that their tests wait.
  private static let turns = Monitor(3)

  init(environment: [String: String] = [:]) async throws {
    while !Self.turns.with({ left in
      guard left > 0 else { return false }
      left -= 1
      return true
    }) {
      try await Task.sleep(for: .milliseconds(100))
    }
    folder = temporaryDirectory()
    slurm = folder + "/slurm"
    let started = try ChildProcess(
      ["start", slurm, "3", "2", "4000", "\(getpid())"], program: Self.script, environment: environment
    ).wait()
    guard started.status == 0 else { throw ShardError(.io, slurm, "Slurm does not start: \(started.errors)") }
  }

  deinit {
    _ = try? ChildProcess(["stop", slurm], program: Self.script).wait()
    try? FileSystem.removeTree(folder)
    Self.turns.with { $0 += 1 }
  }

  var configuration: [String: String] { ["SLURM_CONF": slurm + "/slurm.conf"] }

  /// `controller stop`, `node n1 kill`, …
  func control(_ words: String...) throws {
    let result = try ChildProcess([words[0], slurm] + words.dropFirst(), program: Self.script).wait()
    guard result.status == 0 else { throw ShardError(.io, "slurm \(words)", result.errors) }
  }

  /// A command of Slurm. Returns what it prints.
  @discardableResult
  func ask(_ words: String...) throws -> String {
    let result = try ChildProcess(Array(words.dropFirst()), program: words[0], environment: configuration).wait()
    guard result.status == 0 else { throw ShardError(.io, words.joined(separator: " "), result.errors) }
    return result.output
  }

  /// Jobs that wait or run.
  func jobs() throws -> [String] {
    try ask("squeue", "--noheader", "--array", "--format=%i|%T").split(separator: "\n").map(String.init)
  }

  /// The pipeline that tests run on it.
  func tasks(files: Int = 12, profile: String = "") throws -> ManyTasks {
    let tasks = try ManyTasks(folder: folder, files: files, environment: configuration)
    try tasks.write(profile: profile)
    return tasks
  }
}
