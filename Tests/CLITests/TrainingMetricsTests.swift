import Glibc
import ShardKit
import TestKit
import Testing

/// The run's own exporter has the figures of a training that works in other processes.
@Suite(.serialized, .needs(Workbench.hasEngine, "needs Scripts/engine")) struct TrainingMetricsTests {
  @Test func theRunExportsTheFiguresOfItsTraining() throws {
    let bench = try Workbench(
      Workbench.training(
        sequenceLength: 32,
        """
        "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "batchSize": 8, "microbatchSize": 4,
        "steps": 12, "threads": 1, "device": "cpu", "warmupSteps": 2
        """))
    let result = try MetricsTests.run(bench, at: "training.step:8") { server, child in
      var text = ""
      try child.works(until: "a step") {
        text = try server.get("/metrics").text
        return text.contains("pipeline_training_loss{")
      }
      let labels = #"{pipeline="corpus",stage="train"}"#
      #expect(try #require(MetricsTests.value("pipeline_training_loss" + labels, in: text)) > 1)
      #expect(try #require(MetricsTests.value("pipeline_training_steps_total" + labels, in: text)) >= 1)
      #expect(MetricsTests.value("pipeline_training_nonfinite_steps_total" + labels, in: text) == 0)
      #expect(MetricsTests.value(#"pipeline_trainings{pipeline="corpus"}"#, in: text) == 1)
      #expect(try #require(MetricsTests.value("pipeline_stage_progress_ratio" + labels, in: text)) > 0)
      #expect(text.split(separator: "\n").count { $0.hasPrefix("# TYPE pipeline_training_loss ") } == 1)
    }
    #expect(result.status == 0, "\(result.errors)")
  }
}
