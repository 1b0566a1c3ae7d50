import Glibc
import PipelineKit
import ShardKit
@testable import Stages
import TestKit
import Testing

/// The engine of `Scripts/engine`.
private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// Training as a stage: killed, stopped and shared out, it must come to the weights of a run that nobody disturbed.
@Suite(.serialized, .needs(hasEngine, "needs Scripts/engine")) final class TrainingCrashTests {
  private let folder = temporaryDirectory()
  private var document: String { folder + "/train.json" }

  deinit { try? FileSystem.removeTree(folder) }

  init() throws { try write(steps: 40) }

  /// A tokenizer, tokens and a tiny model of the texts of Fixtures.
  private func write(
    steps: Int, rate: Double = 0.003, processes: Int = 1, dropout: Double = 0.1
  ) throws {
    let text = """
      { "format": 1, "name": "train", "stages": {
        "text": { "use": "cc100.read", "options": { "files": "\(packagePath("Fixtures/cc100"))" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" }, "options": { "vocabularySize": 600 } },
        "tokens": { "use": "tokenize", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 32 } },
        "train": { "use": "pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" }, "retries": 0,
          "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
            "batchSize": 8, "microbatchSize": 4, "steps": \(steps), "learningRate": \(rate), "dropout": \(dropout),
            "processes": \(processes), "threads": 1, "device": "cpu", "checkpointSteps": 4, "logSteps": 1 } }
      } }
      """
    try FileSystem.write(Array(text.utf8), to: document)
  }

  private func run(_ store: String, environment: [String: String] = [:]) throws -> ChildProcess {
    try ChildProcess(["run", document, "--store", "\(folder)/\(store)", "--json"], environment: environment)
  }

  private func artifact(_ store: String, _ port: String) throws -> String {
    let found = try ChildProcess.run("artifact", document, "train.\(port)", "--store", "\(folder)/\(store)")
    #expect(found.status == 0, "\(found.errors)")
    return String(found.output.split(separator: "\n").first ?? "")
  }

  /// Weights and curve; not the report, in which times stand.
  private func results(_ store: String) throws -> [String: String] {
    var out: [String: String] = [:]
    for port in ["checkpoint", "metrics"] {
      let place = try artifact(store, port)
      for name in try FileSystem.list(place) { out[name] = try Digester.digest(file: "\(place)/\(name)").hex }
    }
    return out
  }

  private func resumedAt(_ store: String) throws -> Int {
    let json = try JSONValue.parse(try FileSystem.read(try artifact(store, "report") + "/machine.json")).value
    return json["resumedAt"]?.integer ?? -1
  }

  @Test func killedAnywhereItGoesOnAtItsCheckpointToTheSameWeights() throws {
    #expect(try run("whole").wait().status == 0)
    let expected = try results("whole")
    #expect(expected.count >= 4)
    // A step is written again only after a rollback, which CheckpointTests make.
    for point in FaultPoint.checkpointNames where point != "checkpoint.replaced" {
      let broken = try run(point, environment: ["PIPELINE_FAULT": "\(point):3"]).wait()
      #expect(broken.status == 1, "\(point) was not reached")
      let resumed = try run(point).wait()
      #expect(resumed.status == 0, "\(point): \(resumed.errors)")
      #expect(try results(point) == expected, "\(point)")
      #expect(try resumedAt(point) > 0, "\(point): it began anew")
    }
    // The runner killed while its worker trains: the worker must go too, or two would write one folder.
    let random = try run("random")
    try waitForCheckpoint(in: "random")
    random.signal(SIGKILL)
    #expect(try random.wait().status == 128 + SIGKILL)
    #expect(try run("random").wait().status == 0)
    #expect(try results("random") == expected)
    #expect(try resumedAt("random") > 0)
  }

  private func waitForCheckpoint(in store: String) throws {
    for _ in 0..<2000 {
      usleep(10_000)
      // Hidden folders, which `walk` passes by.
      let node = "\(folder)/\(store)/artifacts/train"
      guard let fingerprint = (try? FileSystem.list(node))?.first,
        let task = (try? FileSystem.list("\(node)/\(fingerprint)/.state"))?.first
      else { continue }
      if FileSystem.exists("\(node)/\(fingerprint)/.state/\(task)/checkpoints/latest") { return }
    }
    Issue.record("no checkpoint appeared")
  }

  @Test func controlCStopsAtACheckpoint() throws {
    try write(steps: 4000)
    let child = try run("stopped")
    try waitForCheckpoint(in: "stopped")
    child.signal(SIGINT)
    let stopped = try child.wait()
    #expect(stopped.status == 130, "\(stopped.errors)")
    #expect(!stopped.output.contains("taskFailed"))
  }

  /// Two processes share the batches of one; sums are taken in another order, so weights agree to about 1e-5.
  @Test func twoProcessesComeToTheWeightsOfOne() throws {
    try write(steps: 20, dropout: 0)
    #expect(try run("one").wait().status == 0)
    let one = try FileSystem.read(try artifact("one", "checkpoint") + "/weights.safetensors")
    try write(steps: 20, processes: 2, dropout: 0)
    // "processes" has no part in the result, so the store of the first run would answer: another store.
    let outcome = try run("two").wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let two = try FileSystem.read(try artifact("two", "checkpoint") + "/weights.safetensors")
    #expect(one.count == two.count)
    let header = one.prefix(8).enumerated().reduce(8) { $0 + Int($1.element) << (8 * $1.offset) }
    var difference = 0.0, size = 0.0
    for place in stride(from: header, to: one.count, by: 4) {
      let a = float(one, place), b = float(two, place)
      difference += Double((a - b) * (a - b))
      size += Double(a * a)
    }
    #expect((difference / size).squareRoot() < 1e-5)
  }

  /// Two machines, each with its own store and its own run of the document: both end with the model.
  @Test func twoMachinesBothPublishTheModel() throws {
    try write(steps: 20)
    let port = "\(try freePort())"
    func machine(_ rank: Int) throws -> ChildProcess {
      try run(
        "machine\(rank)",
        environment: ["WORLD_SIZE": "2", "NODE_RANK": "\(rank)", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port])
    }
    let first = try machine(0), second = try machine(1)
    for child in [first, second] {
      let outcome = try child.wait()
      #expect(outcome.status == 0, "\(outcome.errors)\(outcome.output.suffix(500))")
    }
    let published = try results("machine0")
    #expect(published.count >= 4)
    let other = try results("machine1")
    for (name, digest) in published { #expect(other[name] == digest, "\(name)") }
  }

  /// One of two machines dies: the other says so and does not wait for ever; together they go on at the checkpoint.
  @Test func aMachineThatDiesEndsTheOthersAndBothGoOn() throws {
    try write(steps: 400)
    func machine(_ rank: Int, _ port: Int) throws -> ChildProcess {
      try run(
        "mortal\(rank)",
        environment: ["WORLD_SIZE": "2", "NODE_RANK": "\(rank)", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)"])
    }
    let port = try freePort()
    let survivor = try machine(0, port), victim = try machine(1, port)
    try waitForCheckpoint(in: "mortal0")
    victim.signal(SIGKILL)
    _ = try victim.wait()
    let outcome = try survivor.wait()
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("lost the others"), "\(outcome.output.suffix(800))")
    let again = try freePort()
    let both = try [machine(0, again), machine(1, again)]
    for child in both {
      let outcome = try child.wait()
      #expect(outcome.status == 0, "\(outcome.output.suffix(800))")
    }
    #expect(try resumedAt("mortal0") > 0)
    let weights = "weights.safetensors"
    #expect(try results("mortal1")[weights] == results("mortal0")[weights])
  }

  private func freePort() throws -> Int { try TrainingCrew.freePort() }

  private func float(_ bytes: [UInt8], _ place: Int) -> Float {
    Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) })
  }

  @Test func aMissingEngineSaysHowToGetIt() throws {
    let outcome = try run("missing", environment: ["PIPELINE_ENGINE": "/nowhere/libpipelinetorch.so"]).wait()
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("the training engine does not load"))
    #expect(outcome.output.contains("Scripts/engine"))
  }
}
