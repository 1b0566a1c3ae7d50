import ShardKit
import TestKit
import Testing

@testable import TrainerCore

@Suite struct PrometheusTests {
  private let metrics = StepMetrics(step: 12, loss: .nan, learningRate: 5e-5, samples: 96, tokens: 1 << 40)

  @Test func theTextIsTheExpositionFormat() {
    var metrics = metrics
    metrics.others = [.init("metrics/eval/x", 0.5)]
    let text = PrometheusText.text(metrics, labels: [("stage", "a\"b\\c\nd"), ("9 x", "y")])
    let samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    let labels = "{stage=\"a\\\"b\\\\c\\nd\",_9_x=\"y\"}"
    #expect(
      samples == [
        "pipeline_training_steps_total\(labels) 12", "pipeline_training_samples_total\(labels) 96",
        "pipeline_training_tokens_total\(labels) 1099511627776", "pipeline_training_nonfinite_steps_total\(labels) 0",
        "pipeline_training_epoch\(labels) 0",
        "pipeline_training_loss\(labels) NaN", "pipeline_training_learning_rate\(labels) 5e-05",
        "pipeline_training_metrics_eval_x\(labels) 0.5",
      ])
    #expect(text.hasSuffix("\n"))
    #expect(text.contains("# TYPE pipeline_training_steps_total counter\n"))
  }

  @Test func theFileIsReplacedAtMostSoOften() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let file = PrometheusFile(folder + "/metrics.prom", minimumSeconds: 3600)
    try file.update("a\n")
    try file.update("b\n")
    #expect(try FileSystem.read(file.path) == Array("a\n".utf8))
    try file.update("c\n", force: true)
    #expect(try FileSystem.read(file.path) == Array("c\n".utf8))
    #expect(try FileSystem.list(folder) == ["metrics.prom"])
  }
}
