import Glibc
import ShardKit
import TestKit
import Testing

/// The engine of `Scripts/engine`.
private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// Training as one job of two nodes of a real Slurm.
@Suite(
  .needs(SlurmBench.isPossible, "needs root, slurm-wlm and munge"), .needs(hasEngine, "needs Scripts/engine"))
struct SlurmTrainingTests {
  private let gate: String
  private let slurm: SlurmBench
  private let bench: ManyTasks

  init() async throws {
    slurm = try await SlurmBench()
    // The nodes of the test have names that only Slurm knows, and jobs of another test's Slurm have the same numbers.
    let place = "\"MASTER_ADDR\": \"127.0.0.1\", \"MASTER_PORT\": \"\(try freePort())\""
    bench = try slurm.tasks(files: 1, profile: "\"environment\": { \(place) }")
    gate = bench.folder + "/gate"
    for nodes in 1...2 {
      let text = """
        { "format": 1, "name": "train", "stages": {
          "text": { "use": "cc100.read", "options": { "files": "\(packagePath("Fixtures/cc100"))" } },
          "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" }, "options": { "vocabularySize": 600 } },
          "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
            "options": { "sequenceLength": 32 } },
          "train": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" }, "retries": 1,
            "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
              "batchSize": 8, "microbatchSize": 4, "steps": 3000, "learningRate": 0.003, "dropout": 0.1,
              "processes": 1, "nodes": \(nodes), "threads": 1, "device": "cpu", "checkpointSteps": 8 } }
        } }
        """
      try FileSystem.write(Array(text.utf8), to: "\(bench.folder)/train\(nodes).json")
    }
  }

  private func file(_ store: String, _ name: String) throws -> String {
    let root = "\(bench.folder)/\(store)/artifacts/train"
    let found = try FileSystem.walk(root).filter { $0.hasSuffix("/\(name)") }
    return "\(root)/\(try #require(found.first))"
  }

  /// Told to stop, as before its time limit, the job ends with a checkpoint. It is submitted again, and ends with the
  /// weights of one process: each of two processes has one of the two microbatches, whose gradients have one sum.
  @Test func aStoppedTrainingGoesOnToTheWeightsOfOneMachine() async throws {
    let words = ["--store", "shared", "--executor", "slurm", "--json"]
    let run = try bench.start(
      ["run", "train2.json"] + words, environment: ["PIPELINE_FAULT": "training.step:10:\(gate)"])
    try await run.atGate(gate) {
      let jobs = try slurm.ask("squeue", "--noheader", "--states=R", "--format=%i %D").split(separator: "\n")
      #expect(jobs.count == 1 && jobs[0].hasSuffix(" 2"), "one job of two nodes: \(jobs)")
      try slurm.ask("scancel", "--signal=USR1", String(jobs[0].prefix { $0 != " " }))
    }
    let result = try await run.finish(opening: gate)
    try await expectTheWeightsOfOneMachine(result)
  }

  /// The training process of a rank that has begun here.
  private func worker(rank: Int) throws -> pid_t {
    let found = try FileSystem.list("/proc", others: .passedOver).compactMap { name -> pid_t? in
      guard let process = pid_t(name), let words = try? FileSystem.read("/proc/\(name)/cmdline", limit: 1 << 16),
        let variables = try? FileSystem.read("/proc/\(name)/environ", limit: 1 << 20)
      else { return nil }
      let line = String(decoding: words, as: UTF8.self)
      let settings = String(decoding: variables, as: UTF8.self)
      let isOurs = line.contains("worker\0train") && settings.contains("SLURM_CONF=\(bench.folder)/")
      return isOurs && settings.contains("\0RANK=\(rank)\0") ? process : nil
    }
    return try #require(found.first)
  }

  /// A process of the second node is killed: the job ends, says which, and the next attempt goes on at the checkpoint.
  @Test func aDeadRankEndsTheJobAndTheNextGoesOn() async throws {
    let words = ["--store", "shared", "--executor", "slurm", "--json"]
    let run = try bench.start(
      ["run", "train2.json"] + words, environment: ["PIPELINE_FAULT": "training.step:20:\(gate)"])
    let killed = try await run.atGate(gate) { kill(try worker(rank: 1), SIGKILL) }
    #expect(killed == 0)
    let result = try await run.finish(opening: gate)
    let lines = result.output.split(separator: "\n").filter { $0.contains("\"notice\"") || $0.contains("\"retry\"") }
    // The first node may see the loss, and say so, before the second one's job has told what ended its process.
    #expect(
      lines.contains {
        $0.contains(" lost a process on ") && $0.contains(": killed by signal 9, as when memory ")
          || $0.contains("\"retry\"")
      }, "\(lines)")
    try await expectTheWeightsOfOneMachine(result)
  }

  private func expectTheWeightsOfOneMachine(_ result: ChildProcess.Result) async throws {
    #expect(result.status == 0, "\(result.errors) \(result.output.suffix(800))")
    let report = try JSONValue.parse(try FileSystem.read(try file("shared", "machine.json"))).value
    #expect(report["processes"]?.integer == 2)
    #expect(try #require(report["resumedAt"]?.integer) >= 8)
    let local = try await bench.start(["run", "train1.json", "--store", "alone", "--json"]).ended()
    #expect(local.status == 0, "\(local.errors)")
    let weights = "checkpoint/weights.safetensors"
    #expect(try Digester.digest(file: file("shared", weights)) == Digester.digest(file: file("alone", weights)))
  }
}
