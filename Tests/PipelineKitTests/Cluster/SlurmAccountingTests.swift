import ShardKit
import Testing

@testable import PipelineKit

/// Jobs that `squeue` does not know any more, with and without an accounting database that answers.
@Suite struct SlurmAccountingTests {
  private let asked = Monitor<[String]>([])
  private let answer = Monitor<Result<String, ClusterError>>(.success(""))
  private let seconds = Monitor(0)

  private func accounting() -> SlurmAccounting {
    SlurmAccounting(
      ask: { [asked, answer] words throws(ClusterError) in
        asked.with { $0.append(words.first { $0.hasPrefix("--jobs=") } ?? "") }
        return try answer.with { $0 }.get()
      }, now: { [seconds] in seconds.with { $0 } * 1_000_000_000 })
  }

  private func job(_ number: String, groups: Int = 2, open: Set<Int>? = nil) -> ClusterJob {
    let batch = JobBatch(
      id: "x", number: 1, jobName: "pipeline-x", run: 1, stage: "t", use: "u", phase: "run", options: "{}",
      canonical: "{}", directory: "/d", keptState: "/k", folder: "/f",
      program: ProgramIdentity(path: "/p", digest: Digester.digest([])),
      request: JobRequest(memoryBytes: 1, seconds: 1), groups: [[Int]](repeating: [0], count: groups))
    return ClusterJob(number: number, batch: batch, folder: BatchFolder("/b"), open: open)
  }

  private func states(
    _ accounting: SlurmAccounting, _ known: [String: [Int: JobState]] = [:], _ jobs: [ClusterJob]
  ) -> [String: [Int: JobState]] {
    var states = known
    accounting.complete(&states, jobs)
    return states
  }

  private let down = ClusterError(.silent, "sacct", "Problem talking to the database: Connection refused")

  @Test func aDatabaseThatIsDownHidesNothingElse() {
    let accounting = accounting()
    answer.with { $0 = .failure(down) }
    let running: [String: [Int: JobState]] = ["7": [1: .running(node: "n2")]]
    let told = states(accounting, running, [job("7")])
    #expect(told == ["7": [0: .unknown, 1: .running(node: "n2")]])
    #expect(accounting.complaint?.hasPrefix("Slurm's accounting (sacct) does not answer (Problem talking ") == true)
    // Not for ever.
    seconds.with { $0 = 299 }
    #expect(states(accounting, running, [job("7")])["7"]?[0] == .unknown)
    seconds.with { $0 = 301 }
    #expect(states(accounting, running, [job("7")]) == running)
    answer.with { $0 = .success("7_0|TIMEOUT|n1\n") }
    seconds.with { $0 = 400 }
    #expect(states(accounting, running, [job("7")])["7"]?[0] == .ended(.timeLimit, node: "n1"))
    #expect(accounting.complaint == nil)
  }

  @Test func onlyOpenGroupsAreAskedForAndOnceAMinute() {
    let accounting = accounting()
    #expect(states(accounting, [:], [job("7", open: [])]) == ["7": [:]])
    #expect(asked.with { $0 } == [])
    // Neither knows it.
    #expect(states(accounting, [:], [job("7", groups: 1)])["7"]?[0] == .ended(.forgotten, node: ""))
    #expect(asked.with { $0 } == ["--jobs=7"])
    seconds.with { $0 = 59 }
    #expect(states(accounting, [:], [job("7", groups: 1), job("8", groups: 1)])["8"]?[0] == .unknown)
    #expect(asked.with { $0 }.count == 1)
    seconds.with { $0 = 60 }
    answer.with { $0 = .success("8_0|OUT_OF_MEMORY|n1\n") }
    #expect(
      states(accounting, [:], [job("7", groups: 1), job("8", groups: 1)]) == [
        "7": [0: .ended(.forgotten, node: "")], "8": [0: .ended(.outOfMemory, node: "n1")],
      ])
    #expect(asked.with { $0 } == ["--jobs=7", "--jobs=8"])
  }

  /// The controller is right about what is alive.
  @Test func aJobThatTheDatabaseTakesForAliveIsForgotten() {
    let accounting = accounting()
    answer.with { $0 = .success("7_0|RUNNING|n1\n") }
    #expect(states(accounting, [:], [job("7", groups: 1)]) == ["7": [0: .ended(.forgotten, node: "")]])
    let alive: [String: [Int: JobState]] = ["7": [0: .running(node: "n1")]]
    #expect(states(accounting, alive, [job("7", groups: 1)]) == alive)
    seconds.with { $0 = 100 }
    answer.with { $0 = .success("7_0|FAILED|n1\n") }
    #expect(states(accounting, [:], [job("7", groups: 1)]) == ["7": [0: .ended(.failed, node: "n1")]])
  }

  @Test func aSiteWithoutADatabaseIsAskedOnce() {
    let accounting = accounting()
    answer.with { $0 = .failure(ClusterError(.refused, "sacct", "refuses: Slurm accounting storage is disabled")) }
    for _ in 0..<3 { #expect(states(accounting, [:], [job("7")]) == [:]) }
    #expect(asked.with { $0 }.count == 1)
    #expect(accounting.complaint == nil)
  }
}
