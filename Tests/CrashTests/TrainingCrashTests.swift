import Glibc
import PipelineKit
import ShardKit
@testable import Stages
import TestKit
import Testing

/// The engine of `Scripts/engine`.
private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// Runs if Python has torch, and torchrun with it.
private let torch = PeerScript("reference_model.py")

/// Training as a stage: killed, stopped and shared out, it must come to the weights of a run that nobody disturbed.
@Suite(.serialized, .needs(hasEngine, "needs Scripts/engine")) final class TrainingCrashTests {
  let folder = temporaryDirectory()
  var document: String { folder + "/train.json" }

  deinit { try? FileSystem.removeTree(folder) }

  init() throws { try write(steps: 40) }

  /// A tokenizer, tokens and a tiny model of the texts of Fixtures.
  func write(
    steps: Int, rate: Double = 0.003, processes: Int = 1, microbatch: Int = 4, threads: Int = 1,
    more: String = "", after: String = ""
  ) throws {
    let text = """
      { "format": 1, "name": "train", "stages": {
        "text": { "use": "cc100.read", "options": { "files": "\(packagePath("Fixtures/cc100"))" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" }, "options": { "vocabularySize": 600 } },
        "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 32 } },
        "train": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" }, "retries": 0,
          "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
            "batchSize": 8, "microbatchSize": \(microbatch), "steps": \(steps), "learningRate": \(rate), "dropout": 0.1,
            "processes": \(processes), "threads": \(threads), "device": "cpu", "checkpointSteps": 4, "logSteps": 1\(more) } }\(after)
      } }
      """
    try FileSystem.write(Array(text.utf8), to: document)
  }

  func run(_ store: String, environment: [String: String] = [:]) throws -> ChildProcess {
    try ChildProcess(["run", document, "--store", "\(folder)/\(store)", "--json"], environment: environment)
  }

  func artifact(_ store: String, _ port: String) throws -> String {
    let found = try ChildProcess.run("artifact", document, "train.\(port)", "--store", "\(folder)/\(store)")
    #expect(found.status == 0, "\(found.errors)")
    return String(found.output.split(separator: "\n").first ?? "")
  }

  /// Weights and curve; not the report, in which times stand.
  func results(_ store: String) throws -> [String: String] {
    var out: [String: String] = [:]
    for port in ["checkpoint", "metrics"] {
      let place = try artifact(store, port)
      for name in try FileSystem.list(place) { out[name] = try Digester.digest(file: "\(place)/\(name)").hex }
    }
    return out
  }

  func resumedAt(_ store: String) throws -> Int {
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
    let random = try run("random", environment: fault(step: 8...40))
    try waitForCheckpoint(of: random, in: "random")
    usleep(UInt32.random(in: 0...50_000))
    random.signal(SIGKILL)
    #expect(try random.wait().status == 128 + SIGKILL)
    #expect(try run("random").wait().status == 0)
    #expect(try results("random") == expected)
    #expect(try resumedAt("random") > 0)
  }

  private var gate: String { folder + "/gate" }

  /// The training goes no further than the beginning of one of these steps.
  private func fault(step: ClosedRange<Int>) -> [String: String] {
    ["PIPELINE_FAULT": "training.step:\(Int.random(in: step)):\(gate)"]
  }

  private func waitForCheckpoint(of child: ChildProcess, in store: String) throws {
    try child.works(until: "a checkpoint in \(store)") {
      // Hidden folders, which `walk` passes by.
      let node = "\(folder)/\(store)/artifacts/train"
      guard let fingerprint = (try? FileSystem.list(node))?.first,
        let task = (try? FileSystem.list("\(node)/\(fingerprint)/.state"))?.first
      else { return false }
      return FileSystem.exists("\(node)/\(fingerprint)/.state/\(task)/checkpoints/latest")
    }
  }

  @Test func controlCStopsAtACheckpoint() throws {
    // Minutes of steps.
    try write(steps: 40_000)
    let child = try run("stopped")
    try waitForCheckpoint(of: child, in: "stopped")
    child.signal(SIGINT)
    let stopped = try child.wait()
    #expect(stopped.status == 130, "\(stopped.errors)")
    #expect(!stopped.output.contains("taskFailed"))
  }

  /// Two processes share the batches of one, and dropout knows samples; sums are taken in another order, so weights agree to
  /// rounding. Here with other microbatches too.
  @Test func twoProcessesComeToTheWeightsOfOne() throws {
    try write(steps: 20)
    #expect(try run("one").wait().status == 0)
    let one = try artifact("one", "checkpoint")
    try write(steps: 20, processes: 2, microbatch: 3)
    let outcome = try run("two").wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try difference(artifact("two", "checkpoint"), one) < 1e-4)
  }

  /// ‖a − b‖ / ‖b‖ of two models' weights.
  func difference(_ first: String, _ second: String) throws -> Double {
    let one = try FileSystem.read(second + "/weights.safetensors")
    let two = try FileSystem.read(first + "/weights.safetensors")
    #expect(one.count == two.count)
    let header = one.prefix(8).enumerated().reduce(8) { $0 + Int($1.element) << (8 * $1.offset) }
    var difference = 0.0, size = 0.0
    for place in stride(from: header, to: one.count, by: 4) {
      let a = float(one, place), b = float(two, place)
      difference += Double((a - b) * (a - b))
      size += Double(a * a)
    }
    return (difference / size).squareRoot()
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

  /// As srun starts a task on each of two nodes.
  private func slurm(_ node: Int, port: Int) -> [String: String] {
    [
      "PIPELINE_LAUNCHER": "slurm", "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_NNODES": "2",
      "SLURM_PROCID": "\(node)", "SLURM_NODEID": "\(node)", "SLURM_LOCALID": "0", "SLURM_STEP_NODELIST": "localhost,n2",
      "MASTER_PORT": "\(port)", "MASTER_ADDR": "127.0.0.1",
    ]
  }

  /// The document was edited on one machine alone.
  @Test func machinesWithOtherDocumentsSaySo() throws {
    let port = try freePort()
    let first = try run("here", environment: slurm(0, port: port))
    try first.works(until: "its training has started") { try first.outputSoFar().contains("tokens") }
    try first.works(until: "it waits for the other") {
      FileSystem.exists("\(folder)/here/artifacts/train")
    }
    try write(steps: 40, rate: 0.002, more: ", \"bucketMiB\": 0")
    let second = try run("there", environment: slurm(1, port: port))
    for (rank, child) in [first, second].enumerated() {
      let outcome = try child.wait()
      #expect(outcome.status == 1)
      #expect(
        outcome.output.contains(
          "process \(rank) of 2: trains something else than process \(1 - rank): they differ in "
            + "'learningRateSchedule', 'bucketMiB'"), "\(outcome.output.suffix(800))")
    }
  }

  /// Only one of two machines is told to stop: both stop after the same step, with a checkpoint.
  @Test func oneSignalStopsAllMachinesAtOneStep() throws {
    try write(steps: 40_000)
    let port = try freePort()
    let machines = try (0..<2).map { try run("signalled\($0)", environment: slurm($0, port: port)) }
    try waitForCheckpoint(of: machines[0], in: "signalled0")
    machines[1].signal(SIGTERM)
    let outcomes = try machines.map { try $0.wait() }
    #expect(outcomes[1].status == 143 || outcomes[1].status == 130, "\(outcomes[1].errors)")
    // The one that was not told to stop has a task that did not end.
    let text = outcomes[0].output
    #expect(outcomes[0].status == 1, "\(text.suffix(800))")
    let steps = try (0..<2).map { try lastCheckpoint("signalled\($0)") }
    #expect(steps[0] == steps[1] && steps[0] > 0)
    #expect(text.contains("training stopped at step \(steps[0]), with a checkpoint"), "\(text.suffix(800))")
  }

  /// The files of an artifact, as a stage that is wired to it reads them.
  private func wired(_ store: String, _ stage: String, _ port: String) throws -> [WiredArtifact] {
    let found = try ChildProcess.run("artifact", document, "\(stage).\(port)", "--store", "\(folder)/\(store)")
    let place = String(found.output.split(separator: "\n").first ?? "")
    let files = try FileSystem.walk(place).map { name in
      let path = "\(place)/\(name)"
      return ArtifactFile(
        path: path, name: name, bytes: FileSystem.status(path)?.bytes ?? 0, digest: try Digester.digest(file: path))
    }
    return [WiredArtifact(stage: stage, port: port, files: files)]
  }

  /// Two machines with one store: the second one takes part, and leaves checkpoints and model to the first.
  @Test func aFollowerLeavesEverythingToTheFirstMachine() throws {
    try write(steps: 20)
    #expect(try run("one").wait().status == 0)
    let port = try freePort()
    let first = try run("shared", environment: slurm(0, port: port))
    var options = ModelPretrain.Options()
    (options.hiddenSize, options.layers, options.heads, options.intermediateSize) = (32, 2, 4, 48)
    (options.sequenceLength, options.batchSize, options.microbatchSize, options.steps) = (32, 8, 4, 20)
    (options.learningRate, options.processes, options.threads, options.device) = (0.003, 1, 1, .cpu)
    (options.checkpointSteps, options.logSteps, options.nodes) = (4, 1, 2)
    var stage = ModelPretrain(options: options)
    let variables = slurm(1, port: port)
    stage.environment = { variables[$0] }
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline])
    let inputs = [
      "tokens": try wired("one", "tokens", "tokens"), "tokenizer": try wired("one", "tokenizer", "tokenizer"),
    ]
    let task = try stage.tasks(of: .train, in: NodeContext(inputs: inputs, base: folder))[0]
    #expect(task.resources.nodes == 2)
    let control = TaskControl()
    let manifest = try TaskRun(
      directory: "\(folder)/follower/node", keptState: "\(folder)/follower/kept", phase: "train", task: task,
      fingerprint: Digester.digest([]), memoryBytes: 1 << 28, control: control, staging: "follower-1", publishes: false
    ).run(stage)
    #expect(manifest.files.isEmpty)
    let outcome = try first.wait()
    #expect(outcome.status == 0, "\(outcome.output.suffix(800))")
    #expect(try difference(artifact("shared", "checkpoint"), artifact("one", "checkpoint")) < 1e-4)
    #expect(try FileSystem.walk("\(folder)/follower") == [])
    #expect(control.status?.fraction == 1)
  }

  /// The step of the checkpoint that an unfinished training would go on from.
  private func lastCheckpoint(_ store: String) throws -> Int {
    let node = "\(folder)/\(store)/artifacts/train"
    let fingerprint = try #require(try FileSystem.list(node).first)
    let task = try #require(try FileSystem.list("\(node)/\(fingerprint)/.state").first)
    let text = try FileSystem.read("\(node)/\(fingerprint)/.state/\(task)/checkpoints/latest")
    return Int(String(decoding: text, as: UTF8.self).filter { $0.isNumber }) ?? -1
  }

  /// The training processes that a run has started.
  private func workers(of run: ChildProcess) throws -> [pid_t] {
    try FileSystem.list("/proc", others: .passedOver).compactMap { name -> pid_t? in
      guard let process = pid_t(name), let line = try? FileSystem.read("/proc/\(name)/stat", limit: 4096),
        let words = try? FileSystem.read("/proc/\(name)/cmdline", limit: 4096)
      else { return nil }
      // "PID (name) state parent …"
      let parent = String(decoding: line, as: UTF8.self).split(separator: ")").last?.split(separator: " ").dropFirst()
        .first
      let isWorker = String(decoding: words, as: UTF8.self).contains("worker\0train")
      return isWorker && parent.flatMap({ pid_t($0) }) == run.identifier ? process : nil
    }
  }

  /// One process on the second machine dies: all others end within seconds and name it; together they go on at the
  /// checkpoint to the weights of one machine.
  @Test func aDeadRankEndsAllMachinesAndBothGoOn() throws {
    try write(steps: 40, processes: 2)
    let port = try freePort()
    let gated = fault(step: 8...40)
    let machines = try (0..<2).map { node in
      // The second machine waits in an exchange, the first one outside of it.
      try run("mortal\(node)", environment: slurm(node, port: port).merging(node == 0 ? gated : [:]) { $1 })
    }
    try waitForCheckpoint(of: machines[0], in: "mortal0")
    let victim = try #require(try workers(of: machines[1]).max())
    let killedAt = monotonicSeconds()
    kill(victim, SIGKILL)
    let outcomes = try machines.map { try $0.wait() }
    #expect(monotonicSeconds() - killedAt < 500, "not the ten minutes of gloo's and NCCL's own timeouts")
    #expect(outcomes.allSatisfy { $0.status == 1 })
    #expect(outcomes[1].output.contains(" of 4 was killed by signal 9"), "\(outcomes[1].output.suffix(800))")
    let told = outcomes[0].output
    #expect(
      told.contains("lost the others: process 2 of 4, on ") || told.contains("lost the others: process 3 of 4, on "))
    #expect(told.contains("has ended or cannot be reached"), "\(told.suffix(800))")
    let again = try freePort()
    for child in try (0..<2).map({ try run("mortal\($0)", environment: slurm($0, port: again)) }) {
      let outcome = try child.wait()
      #expect(outcome.status == 0, "\(outcome.output.suffix(800))")
    }
    #expect(try resumedAt("mortal0") > 0)
    let weights = "weights.safetensors"
    #expect(try results("mortal1")[weights] == results("mortal0")[weights])
    try write(steps: 40)
    #expect(try run("one").wait().status == 0)
    #expect(try difference(artifact("mortal0", "checkpoint"), artifact("one", "checkpoint")) < 1e-4)
  }

  /// One of two processes on one machine dies, whichever it is: the run ends and names it; the next one goes on.
  @Test(arguments: [0, 1]) func aDeadProcessIsNamed(_ rank: Int) throws {
    try write(steps: 40, processes: 2)
    let store = "dead\(rank)"
    let child = try run(store, environment: fault(step: 8...40))
    try waitForCheckpoint(of: child, in: store)
    kill(try #require(try workers(of: child).sorted().dropFirst(rank).first), SIGKILL)
    let outcome = try child.wait()
    #expect(outcome.status == 1)
    #expect(
      outcome.output.contains("training: process \(rank) of 2 was killed by signal 9"), "\(outcome.output.suffix(800))")
    #expect(try run(store).wait().status == 0)
    #expect(try resumedAt(store) > 0)
  }

  /// The machine that serves the others' meeting place dies as a whole.
  @Test func theFirstMachineIsNamedToo() throws {
    let port = try freePort()
    let first = try run("lost0", environment: slurm(0, port: port).merging(fault(step: 8...40)) { $1 })
    let second = try run("lost1", environment: slurm(1, port: port))
    try waitForCheckpoint(of: first, in: "lost0")
    first.signal(SIGKILL)
    _ = try first.wait()
    let outcome = try second.wait()
    #expect(outcome.status == 1)
    #expect(
      outcome.output.contains("lost the others: process 0 of 2, on 127.0.0.1, has ended or cannot be reached"),
      "\(outcome.output.suffix(800))")
  }

  /// The real torchrun starts the pipeline on each of two machines; its own store stays at its port.
  @Test(.needs(torch.isUsable, "needs PyTorch")) func torchrunStartsTwoMachines() throws {
    try write(steps: 12)
    let port = try freePort()
    let machines = try (0..<2).map { node in
      try ChildProcess(
        [
          "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", "\(node)", "--nproc-per-node", "1",
          "--master-addr", "127.0.0.1", "--master-port", "\(port)", "--no-python", ChildProcess.pipeline, "run",
          document,
          "--store", "\(folder)/torchrun\(node)", "--json",
        ], program: PeerScript.interpreter)
    }
    for machine in machines {
      let outcome = try machine.wait()
      #expect(outcome.status == 0, "\(outcome.errors.suffix(800)) \(outcome.output.suffix(800))")
    }
    let published = try results("torchrun0")
    #expect(try published.count >= 4 && results("torchrun1") == published)
  }

  private func float(_ bytes: [UInt8], _ place: Int) -> Float {
    Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) })
  }

  func curve(_ folder: String) throws -> [(step: Int, loss: Double)] {
    let text = String(decoding: try FileSystem.read(folder + "/curve.csv"), as: UTF8.self)
    return text.split(separator: "\n").dropFirst().map { line in
      let fields = line.split(separator: ",")
      return (Int(fields[0]) ?? -1, Double(fields[1]) ?? .nan)
    }
  }

  private func killed(_ store: String, at checkpoint: Int) throws {
    let broken = try run(store, environment: ["PIPELINE_FAULT": "checkpoint.latest:\(checkpoint)"]).wait()
    #expect(broken.status == 1, "checkpoint \(checkpoint) was not reached: \(broken.output.suffix(500))")
  }

  /// What an operator does: after a kill half the microbatch, after another one two processes. With dropout. It is one
  /// training: its curve has every step once, and weights and losses are those of a run that nobody disturbed.
  @Test func aTrainingIsRescuedWithLessMemoryAndMoreProcesses() throws {
    try write(steps: 40)
    #expect(try run("whole").wait().status == 0)
    try killed("rescued", at: 3)
    try write(steps: 40, microbatch: 2)
    try killed("rescued", at: 3)
    try write(steps: 40, processes: 2, microbatch: 3)
    let last = try run("rescued").wait()
    try #require(last.status == 0, "\(last.output.suffix(800))")
    #expect(try resumedAt("rescued") == 24, "three checkpoints, and three more")
    #expect(try difference(artifact("rescued", "checkpoint"), artifact("whole", "checkpoint")) < 1e-4)
    let one = try curve(artifact("whole", "metrics")), other = try curve(artifact("rescued", "metrics"))
    #expect(other.map(\.step) == Array(1...40))
    for (a, b) in zip(one, other) { #expect(abs(a.loss - b.loss) < 1e-3, "step \(a.step)") }
  }

  /// Killed at step 24, told to leave out 20 to 39, killed again before older checkpoints went: what the first course left
  /// at 24 is no part of the second.
  @Test func whatAnotherCourseLeftIsNotPublished() throws {
    let keeps = ", \"keepEverySteps\": 8"
    try write(steps: 40, more: keeps)
    try killed("departed", at: 6)
    try write(steps: 40, more: keeps + ", \"skipSteps\": [\"20-39\"]")
    try killed("departed", at: 1)
    let rescued = try run("departed").wait()
    try #require(rescued.status == 0, "\(rescued.output.suffix(800))")
    #expect(try resumedAt("departed") == 40)
    #expect(try run("straight").wait().status == 0)
    let kept = try FileSystem.list(try artifact("departed", "checkpoints"))
    #expect(kept == ["model.json", "step-00000008", "step-00000016", "step-00000040"])
    #expect(try FileSystem.list(try artifact("straight", "checkpoints")) == kept)
    #expect(try results("departed") == results("straight"))
  }

  /// A lower rate from an earlier checkpoint: told to the unfinished training itself, and as another stage that goes on
  /// from a kept checkpoint of the finished one. Both take the same steps, to the bit.
  @Test func aTrainingGoesOnFromAnEarlierCheckpointWithALowerRate() throws {
    let keeps = ", \"keepEverySteps\": 8"
    try write(steps: 40, more: keeps)
    try killed("diverged", at: 6)
    try write(steps: 40, more: keeps + ", \"laterRates\": [\"16: 0.0005\"]")
    let rescued = try run("diverged").wait()
    try #require(rescued.status == 0, "\(rescued.output.suffix(800))")
    #expect(try resumedAt("diverged") == 16)
    #expect(rescued.output.contains("training resumes from step 16"), "the step back is told")
    let lower = try results("diverged")

    let stage = """
      , "lower": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer", "resume": "train" },
          "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
            "batchSize": 8, "microbatchSize": 4, "steps": 40, "learningRate": 0.0005, "dropout": 0.1, "threads": 1,
            "device": "cpu", "checkpointSteps": 4, "resumeStep": 16 } }
      """
    try write(steps: 40, more: keeps, after: stage)
    let outcome = try run("kept").wait()
    try #require(outcome.status == 0, "\(outcome.output.suffix(800))")
    let kept = try FileSystem.list(try artifact("kept", "checkpoints"))
    #expect(kept == ["model.json"] + [8, 16, 24, 32, 40].map { $0 < 10 ? "step-0000000\($0)" : "step-000000\($0)" })
    let found = try ChildProcess.run("artifact", document, "lower.checkpoint", "--store", "\(folder)/kept")
    let place = String(found.output.split(separator: "\n").first ?? "")
    #expect(try Digester.digest(file: place + "/weights.safetensors").hex == lower["weights.safetensors"])
    let metrics = try ChildProcess.run("artifact", document, "lower.metrics", "--store", "\(folder)/kept")
    #expect(try curve(String(metrics.output.split(separator: "\n").first ?? "")).map(\.step) == Array(17...40))
  }

  /// Either the bytes are equal or the fingerprint differs.
  @Test func equalFingerprintsAreEqualBytes() throws {
    func outcome(_ store: String) throws -> (fingerprint: String, bytes: [String: String]) {
      let outcome = try run(store).wait()
      #expect(outcome.status == 0, "\(outcome.output.suffix(500))")
      let parts = try artifact(store, "checkpoint").split(separator: "/")
      return (String(parts[parts.count - 2]), try results(store))
    }
    try write(steps: 12)
    let usual = try outcome("usual")
    try write(steps: 12, threads: 3)
    let threads = try outcome("threads")
    #expect(threads.fingerprint == usual.fingerprint && threads.bytes == usual.bytes)
    try write(steps: 12, more: ", \"keepCheckpoints\": 1, \"recomputeActivations\": true")
    let free = try outcome("free")
    #expect(free.fingerprint == usual.fingerprint && free.bytes == usual.bytes)
    try write(steps: 12, microbatch: 2)
    #expect(try outcome("microbatch").fingerprint != usual.fingerprint)
    try write(steps: 12, processes: 2)
    #expect(try outcome("processes").fingerprint != usual.fingerprint)
  }

  /// Ten points of progress or a hundred: the published curve is the same.
  @Test func whatIsLoggedDoesNotChangeTheCurve() throws {
    try write(steps: 12)
    #expect(try run("often").wait().status == 0)
    let text = String(decoding: try FileSystem.read(document), as: UTF8.self)
    try FileSystem.write(Array(text.replacing("\"logSteps\": 1", with: "\"logSteps\": 7").utf8), to: document)
    #expect(try run("rarely").wait().status == 0)
    #expect(try results("rarely") == results("often"))
  }

  @Test func aMissingEngineSaysHowToGetIt() throws {
    let outcome = try run("missing", environment: ["PIPELINE_ENGINE": "/nowhere/libpipelinetorch.so"]).wait()
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("the training engine does not load"))
    #expect(outcome.output.contains("Scripts/engine"))
  }
}
