import PipelineKit
import ShardKit
import TestKit
import Testing

extension TrainingCrashTests {
  /// Diverges after step 20, so that the best checkpoint is an earlier one than those that are kept: it survives kills
  /// between and while later ones are written, and the resumed run names it too. A branch decays from it, and
  /// model.merge finds it by name.
  @Test func theBestCheckpointSurvivesKills() throws {
    let held = """
      , "held": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 24 } }
      """
    let more = """
      , "keepCheckpoints": 1, "validationSteps": 5, "laterRates": ["20: 2"], "schedule": "constant"
      """
    let after =
      held + """
        , "branch": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer", "resume": "train" },
            "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
              "batchSize": 8, "microbatchSize": 4, "steps": 26, "learningRate": 0.003, "dropout": 0.1, "threads": 1,
              "device": "cpu", "resumeFrom": "best", "schedule": "linear", "decaySteps": 6 } },
        "merged": { "use": "model.merge", "inputs": { "checkpoints": "train.checkpoints" },
          "options": { "weights": { "train@best": 1, "train@40": 0 } } }
        """
    func write(_ more: String) throws {
      try self.write(steps: 40, more: more, after: after)
      let text = String(decoding: try FileSystem.read(document), as: UTF8.self)
      let wired = text.replacing(
        #""train": { "use": "model.pretrain", "inputs": { "#,
        with: #""train": { "use": "model.pretrain", "inputs": { "validation": { "small": "held", "same": "tokens" }, "#)
      try FileSystem.write(Array(wired.utf8), to: document)
    }
    func outcome(_ store: String) throws -> [String: String] {
      var out = try results(store)
      for port in ["best", "checkpoints"] {
        let place = try artifact(store, port)
        for name in try FileSystem.walk(place) where !name.hasSuffix("state.json") {
          out["\(port)/\(name)"] = try Digester.digest(file: "\(place)/\(name)").hex
        }
      }
      return out
    }
    try write(more)
    let whole = try run("whole").wait()
    try #require(whole.status == 0, "\(whole.output.suffix(800))")
    #expect(whole.output.contains("validation"))
    let expected = try outcome("whole")
    #expect(
      try FileSystem.list(artifact("whole", "checkpoints")) == [
        "best.json", "model.json", "step-00000020", "step-00000040",
      ])
    let named = try JSONValue.parse(FileSystem.read(artifact("whole", "checkpoints") + "/best.json")).value
    #expect(named["step"] == 20 && named["keepEverySteps"] == 0)
    #expect(expected["best/weights.safetensors"] == expected["checkpoints/step-00000020/weights.safetensors"])
    #expect(expected["best/weights.safetensors"] != expected["weights.safetensors"])
    let table = String(decoding: try FileSystem.read(artifact("whole", "metrics") + "/validation.csv"), as: UTF8.self)
    #expect(table.split(separator: "\n").count == 1 + 2 * 8 && table.contains("\n35,same,"))
    // The average of one is that one.
    let merged = try ChildProcess.run("artifact", document, "merged.checkpoint", "--store", "\(folder)/whole")
    let place = String(merged.output.split(separator: "\n").first ?? "")
    let best = try artifact("whole", "best")
    #expect(try difference(place, best) == 0)
    let branch = try ChildProcess.run("artifact", document, "branch.metrics", "--store", "\(folder)/whole")
    #expect(try curve(String(branch.output.split(separator: "\n").first ?? "")).map(\.step) == Array(21...26))

    for (store, fault) in [
      ("early", "checkpoint.files:5"), ("late", "checkpoint.removing:6"), ("step", "training.step:33"),
    ] {
      let broken = try run(store, environment: ["PIPELINE_FAULT": fault]).wait()
      #expect(broken.status == 1, "\(fault) was not reached: \(broken.output.suffix(500))")
      let resumed = try run(store).wait()
      try #require(resumed.status == 0, "\(fault): \(resumed.output.suffix(800))")
      #expect(try resumedAt(store) > 0)
      #expect(try outcome(store) == expected, "\(fault)")
    }
    try write(more + ", \"keepOptimizer\": false")
    let small = try run("small").wait()
    #expect(
      small.status == 1 && small.output.contains("has no optimizer state to continue with"),
      "\(small.output.suffix(500))")
  }
}
