import ShardKit
import TestKit
import Testing
import TrainerCore

@Suite struct TrainingWatchTests {
  @Test func everythingIsWatchedAndAResumeLeavesNoDoubles() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var options = TrainingWatch.Options()
    options.totalSteps = 20
    options.flopsPerToken = 740e6
    options.peakFLOPs = 989e12
    func train(_ steps: ClosedRange<Int>, resumedStep: Int) throws -> StepMetrics {
      let watch = try TrainingWatch(folder, resumedStep: resumedStep, options: options)
      var last = StepMetrics(step: 0, loss: 0, learningRate: 0)
      for step in steps {
        last = try watch.record(StepMetrics(step: step, loss: 1, learningRate: 1, tokens: step * 1000))
      }
      try watch.draw()
      return last
    }
    let last = try train(1...10, resumedStep: 0)
    #expect(last.tokensPerSecond! > 0 && last.secondsRemaining! > 0 && last.modelFLOPsUtilization! > 0)
    _ = try train(6...12, resumedStep: 5)
    #expect(try MetricsLog.curve(folder + "/metrics.jsonl").map(\.step) == Array(1...12))
    let names = try FileSystem.list(folder)
    #expect(names.count == 5 && names.suffix(3) == ["metrics.jsonl", "metrics.prom", "training.svg"])
    let prometheus = String(decoding: try FileSystem.read(folder + "/metrics.prom"), as: UTF8.self)
    #expect(prometheus.contains("pipeline_training_steps_total 12\n"))
  }

  /// Within seconds, in which no other step is written: an alarm depends on it.
  @Test func aStepThatIsNotFiniteIsExportedAtOnce() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let watch = try TrainingWatch(folder, resumedStep: 0)
    func exported() throws -> String { String(decoding: try FileSystem.read(folder + "/metrics.prom"), as: UTF8.self) }
    try watch.record(StepMetrics(step: 1, loss: 2, learningRate: 1, gradientNorm: 1))
    try watch.record(StepMetrics(step: 2, loss: 2, learningRate: 1, gradientNorm: 1))
    #expect(try exported().contains("pipeline_training_steps_total 1\n"))
    #expect(try exported().contains("pipeline_training_nonfinite_steps_total 0\n"))
    try watch.record(StepMetrics(step: 3, loss: .nan, learningRate: 1, gradientNorm: 1))
    #expect(try exported().contains("pipeline_training_loss NaN\n"))
    try watch.record(StepMetrics(step: 4, loss: 2, learningRate: 1, gradientNorm: .infinity))
    #expect(try exported().contains("pipeline_training_nonfinite_steps_total 2\n"))
  }
}
