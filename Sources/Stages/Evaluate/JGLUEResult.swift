import PipelineKit
import ShardKit
import TrainerCore

/// A task's scores at the rate and epochs with the best mean over the seeds.
struct JGLUEResult: Sendable {
  var task: JGLUEBenchmark
  /// Each setting's runs, the best setting first; equal ones in order of rate and epochs.
  var settings: [[(run: JGLUERun, scores: [String: Double])]]

  init?(_ task: JGLUEBenchmark, _ runs: [(JGLUERun, [String: Double])]) {
    guard !runs.isEmpty else { return nil }
    self.task = task
    var groups: [String: [(run: JGLUERun, scores: [String: Double])]] = [:]
    for (run, scores) in runs { groups["\(run.learningRate) \(run.epochs)", default: []].append((run, scores)) }
    let primary = task.metrics[0]
    func mean(_ group: [(run: JGLUERun, scores: [String: Double])]) -> Double {
      Correlation.mean(group.map { $0.scores[primary] ?? 0 })
    }
    settings = groups.values.map { $0.sorted { $0.run.seed < $1.run.seed } }.sorted { a, b in
      (-mean(a), a[0].run.learningRate, a[0].run.epochs) < (-mean(b), b[0].run.learningRate, b[0].run.epochs)
    }
  }

  var best: JGLUERun { settings[0][0].run }
  private func values(_ metric: String) -> [Double] { settings[0].map { $0.scores[metric] ?? 0 } }
  func mean(_ metric: String) -> Double { Correlation.mean(values(metric)) }
  func deviation(_ metric: String) -> Double { Correlation.deviation(values(metric)) }
  func highest(_ metric: String) -> Double { values(metric).max() ?? 0 }
  var seeds: Int { settings[0].count }
}
