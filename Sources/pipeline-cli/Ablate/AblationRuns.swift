import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

/// Runs every variant of an ablation with every seed, one after the other.
struct AblationRuns {
  let ablation: Ablation
  let store: RunStore
  let settings: PipelineRun.Settings
  let keepGoing: Bool
  let cluster: ClusterExecutor?

  /// All variants with the first seed, then with the next one: an early stop leaves a comparison.
  private var runs: [Ablation.Run] {
    let most = ablation.variants.map(\.runs.count).max() ?? 0
    return (0..<most).flatMap { place in ablation.variants.compactMap { $0.runs.dropFirst(place).first } }
  }

  /// - Returns: the names of the runs that are done; others failed.
  /// - Throws: `ExitCode` when interrupted, or at the first failure unless it is to keep going.
  func run() throws -> Set<String> {
    TerminationSignals.install()
    let runs = runs
    var done: Set<String> = []
    for (place, run) in runs.enumerated() {
      Console.standardError(
        Style(STDERR_FILENO).bold("\(run.name) (run \(place + 1) of \(runs.count))") + "\n")
      switch try outcome(of: run) {
      case .done: done.insert(run.name)
      case .interrupted:
        Console.standardError("stopped; the same command continues\n")
        throw ExitCode(130)
      case .failed:
        Console.error("the variant '\(run.name)' failed")
        guard keepGoing else {
          Console.standardError("the same command continues; --keep-going passes over what fails\n")
          throw ExitCode(1)
        }
      }
    }
    return done
  }

  private func outcome(of run: Ablation.Run) throws -> RunOutcome {
    var pipeline = try PipelineRun(graph: run.graph, store: store, settings: settings)
    pipeline.cluster = cluster
    let report = RunReport(graph: run.graph, leavesTasks: cluster != nil)
    defer { report.finish() }
    return try pipeline.run(interruption: { TerminationSignals.level }) { report.handle($0) }
  }
}

/// What an ablation would run.
struct AblationPlan {
  let table: TextTable

  init(_ ablation: Ablation, _ store: RunStore, _ settings: PipelineRun.Settings) throws {
    var table = TextTable([("run", .left), ("fresh", .right), ("to run", .right), ("pending", .right), ("", .left)])
    for run in ablation.variants.flatMap(\.runs) {
      let plan = try PipelineRun(graph: run.graph, store: store, settings: settings).plan()
      var counts: [String: Int] = [:]
      var first: [String] = []
      for (node, verdict, _) in plan.verdicts where verdict != .unselected {
        counts[verdict.name, default: 0] += 1
        if verdict.name != "fresh", verdict.name != "pending" { first.append(run.graph.nodes[node].name) }
      }
      let (fresh, pending) = (counts["fresh"] ?? 0, counts["pending"] ?? 0)
      let others = counts.values.reduce(0, +) - fresh - pending
      table.add([
        run.name, Quantities.count(fresh), Quantities.count(others), Quantities.count(pending),
        first.prefix(5).joined(separator: ", ") + (first.count > 5 ? ", …" : ""),
      ])
    }
    self.table = table
  }
}
