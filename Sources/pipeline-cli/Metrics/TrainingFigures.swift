import PipelineKit
import ShardKit

/// The figures of running trainings, from the files that they keep up to date.
enum TrainingFigures {
  private static let maximumFileBytes = 1 << 20
  private static let maximumTrainings = 100

  /// The families of all files, merged, each sample with its stage.
  static func families(_ metrics: RunMetrics) -> [MetricFamily] {
    let files = metrics.order.flatMap { stage in
      (metrics.stages[stage]?.statuses ?? []).compactMap(\.metricsFile).map { (stage: stage, path: $0) }
    }
    var merged: [MetricFamily] = []
    for file in files.prefix(maximumTrainings) {
      // A training that has just ended has no file.
      guard let text = try? FileSystem.read(file.path, limit: maximumFileBytes) else { continue }
      for family in MetricFamily.families(of: text) { add(family, of: file.stage, to: &merged) }
    }
    return [
      MetricFamily(
        "pipeline_trainings", "Trainings that run now and have taken a step.", .gauge, [.init(Double(files.count))])
    ] + merged
  }

  private static func add(_ family: MetricFamily, of stage: String, to merged: inout [MetricFamily]) {
    var family = family
    for place in family.samples.indices {
      family.samples[place].labels.removeAll { $0.name == "stage" || $0.name == "pipeline" }
      family.samples[place].labels.insert(.init("stage", stage), at: 0)
    }
    guard let known = merged.firstIndex(where: { $0.name == family.name }) else { return merged.append(family) }
    // Two tasks of one stage that train at the same time: the first one stands for both.
    let labels = Set(merged[known].samples.map(\.labels))
    merged[known].samples += family.samples.filter { !labels.contains($0.labels) }
  }
}
