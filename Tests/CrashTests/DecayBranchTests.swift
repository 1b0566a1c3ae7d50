import PipelineKit
import ShardKit
import TestKit
import Testing

extension TrainingCrashTests {
  /// A branch that decays from a kept checkpoint of a trunk at a constant rate: killed in the middle of the decay, it comes to
  /// the weights of one that nobody disturbed.
  @Test func aDecayBranchSurvivesKills() throws {
    let branch = """
      , "branch": { "use": "model.pretrain", "retries": 0,
          "inputs": { "tokens": "tokens", "tokenizer": "tokenizer", "resume": "train" },
          "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
            "batchSize": 8, "microbatchSize": 4, "steps": 26, "learningRate": 0.003, "dropout": 0.1, "threads": 1,
            "device": "cpu", "checkpointSteps": 2, "logSteps": 1, "resumeStep": 16, "schedule": "linear",
            "decaySteps": 8 } }
      """
    try write(steps: 24, more: #", "keepEverySteps": 8, "schedule": "constant""#, after: branch)
    func output(_ store: String, _ port: String) throws -> String {
      let found = try ChildProcess.run("artifact", document, "branch.\(port)", "--store", "\(folder)/\(store)")
      #expect(found.status == 0, "\(found.errors)")
      return String(found.output.split(separator: "\n").first ?? "")
    }
    func weights(_ store: String) throws -> String {
      try Digester.digest(file: output(store, "checkpoint") + "/weights.safetensors").hex
    }
    try #require(try run("undisturbed").wait().status == 0)
    #expect(try curve(output("undisturbed", "metrics")).map(\.step) == Array(17...26))
    for fault in ["training.step:7", "checkpoint.files:4"] {
      let store = "broken-" + fault.prefix(5)
      let trunk = try ChildProcess(["run", document, "--store", "\(folder)/\(store)", "--until", "train"]).wait()
      try #require(trunk.status == 0, "\(trunk.errors)")
      let broken = try run(store, environment: ["PIPELINE_FAULT": fault]).wait()
      #expect(broken.status == 1, "\(fault) was not reached: \(broken.output.suffix(500))")
      let resumed = try run(store).wait()
      try #require(resumed.status == 0, "\(fault): \(resumed.output.suffix(800))")
      let report = try JSONValue.parse(try FileSystem.read(output(store, "report") + "/machine.json")).value
      #expect(try #require(report["resumedAt"]?.integer) > 16, "\(fault)")
      #expect(try weights(store) == weights("undisturbed"), "\(fault)")
    }
  }
}
