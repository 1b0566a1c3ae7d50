import Glibc
import ShardKit
import Synchronization
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// Two ranks as two threads of this process, over gloo.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) final class ProcessesTests {
    private let engine = TinyModel.engine

    /// What each rank comes to.
    /// - Parameter machines: whether each is the first process of a machine, and keeps files.
    private func together(_ jobs: [TrainingJob], machines: Bool = false) throws -> [Result<
      TrainingRun.Outcome, TorchError
    >] {
      let port = try freePort()
      let engine = try #require(engine)
      let outcomes = Outcomes()
      let threads = jobs.indices.map { rank in
        var place = ProcessRank()
        place.rank = rank
        place.localRank = machines ? 0 : rank
        place.size = jobs.count
        place.port = port
        let job = jobs[rank], here = place
        return BackgroundThread {
          let outcome: Result<TrainingRun.Outcome, TorchError>
          do {
            let run = try TrainingRun(job, engine: engine, place: here)
            outcome = .success(try run.run())
            outcomes.early.withLock { $0[rank] = run.optimizer.exchange?.early }
            outcomes.lastGood.withLock { $0[rank] = run.lastGood?.step }
          } catch {
            outcome = .failure(error as? TorchError ?? TorchError(.file, "", "\(error)"))
          }
          outcomes.all.withLock { $0[rank] = outcome }
        }
      }
      for thread in threads { thread?.join() }
      let all = outcomes.all.withLock { $0 }
      lastGood.withLock { $0 = outcomes.lastGood.withLock { $0 } }
      early.withLock { $0 = outcomes.early.withLock { $0 } }
      return try jobs.indices.map { try #require(all[$0]) }
    }

    /// By rank, the checkpoint that it would name in an error at the end of the training before.
    private let lastGood = Mutex<[Int: Int]>([:])

    /// By rank, the buckets of the last step that left while it computed.
    private let early = Mutex<[Int: Int]>([:])

    private final class Outcomes: Sendable {
      let early = Mutex<[Int: Int]>([:])
      let lastGood = Mutex<[Int: Int]>([:])
      let all = Mutex<[Int: Result<TrainingRun.Outcome, TorchError>]>([:])
    }

    private func job(_ data: String, _ kind: ModelShape.Kind = .mosaicBERT) -> TrainingJob {
      var job = TrainingJobs.tiny(data: data, kind, steps: 3)
      job.state = temporaryDirectory()
      return job
    }

    /// A document that was edited on one machine alone.
    @Test func machinesCompareTheirJobsBeforeTheFirstStep() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var other = job(data)
      other.learningRateSchedule.learningRate = 2e-3
      other.microbatchSize = 2
      let outcomes = try together([job(data), other])
      for (rank, outcome) in outcomes.enumerated() {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "rank \(rank) trains") }
        #expect(
          error.description.hasPrefix(
            "process \(rank) of 2: trains something else than process \(1 - rank): they differ in 'learningRateSchedule', "
              + "'microbatchSize'."), "\(error)")
      }
      #expect(try together([job(data), job(data)]).allSatisfy { (try? $0.get()) == .done })
    }

    /// A folder with weights to begin from: ranks in one process would draw theirs from one generator at once.
    private func initialWeights(_ shape: ModelShape) throws -> String {
      let parameters = try Parameters(shape.parameters, engine: try #require(engine), device: .cpu, seed: 1)
      let folder = temporaryDirectory()
      try Safetensors.write(try parameters.sources(), to: "\(folder)/weights.safetensors")
      return folder
    }

    /// Gradients that are sent in buckets while others are computed: two numbers have one sum, so weights are equal to
    /// the bit, with one microbatch and several, in both precisions, also where one process has fewer microbatches.
    @Test(arguments: Parameters.Precision.allCases, [1, 3, 4])
    func overlappedExchangesGiveTheSameWeights(_ precision: Parameters.Precision, _ microbatch: Int) throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      let initial = try initialWeights(job(data).shape)
      func weights(_ bucketBytes: Int, recompute: Bool = false) throws -> [Float] {
        let jobs = (0..<2).map { _ in
          var job = job(data)
          job.initial = initial
          job.precision = precision
          job.microbatchSize = microbatch
          job.bucketBytes = bucketBytes
          job.recomputeActivations = recompute
          job.steps = 6
          return job
        }
        let outcomes = try together(jobs, machines: true)
        #expect(outcomes.allSatisfy { (try? $0.get()) == .done }, "\(outcomes)")
        let all = try jobs.map { try state(of: $0) }
        #expect(all[0] == all[1])
        return all[0]
      }
      let plain = try weights(0)
      #expect(early.withLock { $0 } == [:])
      let count = job(data).shape.parameters.count
      for (bytes, buckets) in [(1, count), (25 << 20, 1), (1 << 14, nil)] {
        #expect(try weights(bytes) == plain, "\(bytes)")
        // All of them: the last one leaves when the last gradient is complete.
        if let buckets { #expect(early.withLock { $0 } == [0: buckets, 1: buckets]) }
      }
      #expect(try weights(1 << 14, recompute: true) == plain)
      var whole = job(data)
      whole.initial = initial
      whole.precision = precision
      whole.microbatchSize = microbatch
      whole.steps = 6
      #expect(try TrainingRun(whole, engine: try #require(engine)).run() == .done)
      let one = try state(of: whole)
      // One process sums the same microbatches, in another order where there are more than two.
      if microbatch == 4 { #expect(one == plain) }
      let error = TinyModel.relativeError(plain, one)
      #expect(error < (precision == .float32 ? 1e-5 : 1e-2))
    }

    /// Muon's matrices need whole gradients; small steps at the beginning, and documents that do not see each other, are
    /// shared out like others.
    @Test(
      arguments: Parameters.Precision.allCases,
      [(1 << 14, ModelShape.Kind.mosaicBERT), (0, .mosaicBERT), (1 << 14, .modernBERT)])
    func twoProcessesWithEveryOptionAreOne(
      _ precision: Parameters.Precision, _ form: (bucketBytes: Int, kind: ModelShape.Kind)
    ) throws {
      let data = try SampleData.packed(samples: 100, perShard: 30), bucketBytes = form.bucketBytes
      let initial = try initialWeights(job(data, form.kind).shape)
      func trained(_ optimizer: AdamW) -> TrainingJob {
        var job = job(data, form.kind)
        job.initial = initial
        job.precision = precision
        job.steps = 6
        job.bucketBytes = bucketBytes
        job.optimizer = optimizer
        job.batchRamp = BatchRamp(steps: 4, first: 3)
        job.isolatesDocuments = true
        return job
      }
      for optimizer in [
        AdamW(weightDecay: 0.1, decaysNormsAndBiases: false, muon: Muon()),
        AdamW(weightDecay: 0.1, decaysNormsAndBiases: false),
      ] {
        let whole = trained(optimizer), parts = [trained(optimizer), trained(optimizer)]
        #expect(try TrainingRun(whole, engine: try #require(engine)).run() == .done)
        let outcomes = try together(parts, machines: true)
        #expect(outcomes.allSatisfy { (try? $0.get()) == .done }, "\(outcomes)")
        let ends = try (parts + [whole]).map { job in
          let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
          return try job.shape.parameters.flatMap { try end.weights.floats(of: $0.name) }
        }
        #expect(ends[0] == ends[1])
        let error = TinyModel.relativeError(ends[0], ends[2])
        #expect(error < (precision == .float32 ? 1e-4 : 2e-2), "\(optimizer)")
        // Each process has stored the averages of all matrices, also of those that the other has taken.
        let averages = try (parts + [whole]).map { job in
          let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
          let moments = try SafetensorsFile("\(end.folder)/\(TrainingCheckpoint.optimizerName)")
          return try moments.entries.map(\.name).sorted().flatMap { try moments.floats(of: $0) }
        }
        #expect(averages[0] == averages[1])
        #expect(
          TinyModel.relativeError(averages[0], averages[2]) < (precision == .float32 ? 1e-3 : 5e-2), "\(optimizer)")
      }
    }

    /// Losses on held-out tokens, and with them the best checkpoint, are those of one process.
    @Test(arguments: Parameters.Precision.allCases)
    func twoProcessesMeasureTheLossesOfOne(_ precision: Parameters.Precision) throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30),
        other = try SampleData.tokens(samples: 23, perShard: 9)
      let initial = try initialWeights(job(data).shape)
      func measured() -> TrainingJob {
        var job = job(data)
        job.initial = initial
        job.precision = precision
        job.steps = 6
        job.bucketBytes = 1 << 14
        job.checkpointSteps = 4
        job.heldOut = HeldOutTokens(sources: [.init(name: "eval", folders: [other], digest: "a")], everySteps: 2)
        return job
      }
      let whole = measured(), parts = [measured(), measured()]
      #expect(try TrainingRun(whole, engine: try #require(engine)).run() == .done)
      #expect(try together(parts, machines: true).allSatisfy { (try? $0.get()) == .done })
      func records(_ job: TrainingJob) throws -> [HeldOutRecord] {
        try HeldOutLog.records("\(job.state)/watch/heldout.jsonl")
      }
      let one = try records(whole), two = try records(parts[0])
      #expect(try records(parts[1]) == two)
      #expect(one.map(\.step) == [2, 4, 6] && two.map(\.step) == [2, 4, 6])
      for (a, b) in zip(one, two) {
        #expect(abs(a.loss - b.loss) < (precision == .float32 ? 1e-5 : 1e-2))
        #expect(a.scores[0].masked == b.scores[0].masked && a.isBest == b.isBest)
      }
      // A process that trains otherwise would wait for the others.
      var rare = parts
      rare[1].heldOut?.everySteps = 3
      for outcome in try together(rare) {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "they train") }
        #expect(error.message.hasSuffix("they differ in the held-out tokens"), "\(error)")
      }
    }

    /// Weights and moments of a training's last checkpoint.
    private func state(of job: TrainingJob) throws -> [Float] {
      let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
      return try job.shape.parameters.flatMap {
        try end.weights.floats(of: $0.name) + end.optimizer.floats(of: "first/\($0.name)")
          + end.optimizer.floats(of: "second/\($0.name)")
      }
    }

    /// Two processes, with two microbatches between them: the weights and counts of one.
    @Test func aMixtureIsSharedOutToTheSameBits() throws {
      var one = TrainingJobs.mixture(steps: 6)
      one.initial = try initialWeights(one.shape)
      let two = (0..<2).map { _ in
        var job = one
        job.state = temporaryDirectory()
        return job
      }
      one.state = temporaryDirectory()
      #expect(try TrainingRun(one, engine: try #require(engine)).run() == .done)
      #expect(try together(two, machines: true).allSatisfy { (try? $0.get()) == .done })
      for job in two {
        let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
        #expect(end.state == (try TrainingCheckpoint.latest(in: "\(one.state)/checkpoints").found?.state))
        #expect(end.state.sources?.map(\.learned.samples) == [32, 16])
        #expect(try state(of: job) == state(of: one))
      }
    }

    /// Three processes sum in an order that the message decides: to rounding, and the same on all of them.
    @Test func threeProcessesAgree() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      let initial = try initialWeights(job(data).shape)
      func weights(_ bucketBytes: Int) throws -> [Float] {
        let jobs = (0..<3).map { _ in
          var job = job(data)
          job.initial = initial
          job.batchSize = 9
          job.bucketBytes = bucketBytes
          return job
        }
        #expect(try together(jobs, machines: true).allSatisfy { (try? $0.get()) == .done })
        let all = try jobs.map { job in
          let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
          return try job.shape.parameters.flatMap { try end.weights.floats(of: $0.name) }
        }
        #expect(all.allSatisfy { $0 == all[0] })
        return all[0]
      }
      let error = try TinyModel.relativeError(weights(1 << 14), weights(0))
      #expect(error < 1e-5)
    }

    /// A machine whose files another one writes.
    @Test func aFollowerTrainsAndWritesNothing() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var follower = job(data)
      let first = job(data)
      follower.isFollower = true
      #expect(try together([first, follower], machines: true).allSatisfy { (try? $0.get()) == .done })
      #expect(try TrainingCheckpoint.latest(in: "\(first.state)/checkpoints").found?.state.step == 3)
      #expect(try FileSystem.list(follower.state) == [])
      // It goes on with what the first one has kept.
      #expect(try together([first, follower], machines: true).allSatisfy { (try? $0.get()) == .done })
      #expect(lastGood.withLock { $0 } == [0: 3, 1: 3])
    }

    /// Other inputs, whose weights would come from the first process without a word.
    @Test func machinesCompareTheirInputs() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var other = job(data)
      (other.inputsDigest, other.dataDigest) = ("b", "c")
      for (rank, outcome) in try together([job(data), other]).enumerated() {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "they train") }
        #expect(
          error.message
            == "trains something else than process \(1 - rank): they differ in 'dataDigest', the input files",
          "\(error)")
      }
    }

    /// Programs of other versions, with the same options.
    @Test func machinesCompareTheirVersions() throws {
      let engine = try #require(engine)
      let port = try freePort()
      let same = job("/data")
      let messages = Mutex<[Int: String]>([:])
      let threads = (0..<2).map { rank in
        BackgroundThread {
          do {
            let group = try ProcessGroup(
              engine, host: "127.0.0.1", port: port, rank: rank, size: 2, device: .cpu, timeoutSeconds: 60)
            try JobAgreement(job: same, engine: engine, device: .cpu, program: "0.\(rank)").check(group)
          } catch { messages.withLock { $0[rank] = "\(error)" } }
        }
      }
      for thread in threads { thread?.join() }
      for rank in 0..<2 {
        let message = messages.withLock { $0[rank] } ?? ""
        let expected = "trains something else than process \(1 - rank): they differ in the version of pipeline."
        #expect(message.contains(expected), "\(message)")
      }
    }

    /// What NCCL does not notice: a process that is there and says nothing. The watch names it and ends this one.
    @Test func aProcessThatFallsSilentIsNamed() throws {
      let engine = try #require(engine)
      var first = ProcessRank()
      (first.size, first.port) = (2, try freePort())
      var second = first
      second.rank = 1
      let silent = second, isOver = Atomic(false), told = Mutex<TorchError?>(nil)
      let other = BackgroundThread {
        let group = try? ProcessGroup(
          engine, host: silent.host, port: silent.port, rank: 1, size: 2, device: .cpu, timeoutSeconds: 60)
        while !isOver.load(ordering: .relaxed) { usleep(10_000) }
        withExtendedLifetime(group) {}
      }
      let group = try ProcessGroup(
        engine, host: first.host, port: first.port, rank: 0, size: 2, device: .cpu, timeoutSeconds: 60)
      var timing = GroupWatch.Timing()
      (timing.beatSeconds, timing.silenceSeconds, timing.graceSeconds) = (0.05, 0.5, 0.1)
      let watch = try GroupWatch(engine, first, timing: timing) { error in told.withLock { $0 = error } }
      var waited = 0
      while told.withLock({ $0 }) == nil, waited < 3000 {
        usleep(10_000)
        waited += 1
      }
      watch.end()
      isOver.store(true, ordering: .relaxed)
      other?.join()
      withExtendedLifetime(group) {}
      let error = try #require(told.withLock { $0 })
      #expect(error.code == .group)
      #expect(
        error.description.hasPrefix("process 0 of 2: lost the others: process 1 of 2 has ended or cannot be reached"),
        "\(error)")
      #expect(watch.explain(TorchError(.group, "", "gloo")).message == error.message)
    }

    /// A process that fails says why to the others, who wait for it.
    @Test func theOthersAreToldWhyAProcessFailed() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var bad = job(data)
      bad.initial = "/nowhere"
      let outcomes = try together([job(data), bad])
      guard case .failure(let own) = outcomes[1], case .failure(let told) = outcomes[0] else {
        return #expect(Bool(false), "they train")
      }
      #expect(own.description.contains("/nowhere"), "\(own)")
      #expect(told.code == .group)
      #expect(
        told.message.contains("lost the others: process 1 of 2 ended: ") && told.message.contains("/nowhere"), "\(told)"
      )
    }

    /// At a checkpoint figures are read that are else read a step later: processes that disagree there would wait for
    /// one another when one is to stop.
    @Test func machinesCompareWhenTheyWriteCheckpoints() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var other = job(data)
      other.checkpointSteps = 2
      other.keep = KeepRule(keepCheckpoints: 1, keepEverySteps: 3)
      for outcome in try together([job(data), other]) {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "they train") }
        #expect(error.message.hasSuffix("they differ in 'checkpointSteps', 'keepEverySteps'"), "\(error)")
      }
    }

    /// A rank without checkpoints of its own knows those of the first one, also of a run before.
    @Test func everyRankNamesTheLastCheckpoint() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var jobs = [job(data), job(data)]
      for rank in 0..<2 { jobs[rank].checkpointSteps = 2 }
      #expect(try together(jobs).allSatisfy { (try? $0.get()) == .done })
      #expect(lastGood.withLock { $0 } == [0: 3, 1: 2], "the last one may still be on its way")
      #expect(try together(jobs).allSatisfy { (try? $0.get()) == .done })
      #expect(lastGood.withLock { $0 } == [0: 3, 1: 3])
    }

    /// What an operator does on GPUs: after a stop half the microbatch and two processes. Without dropout, since these two
    /// ranks share a generator.
    @Test func moreProcessesGoOnAtTheLastCheckpoint() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      func weights(_ job: TrainingJob) throws -> [Float] {
        let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
        #expect(end.state.step == 12)
        return try job.shape.parameters.flatMap { try end.weights.floats(of: $0.name) }
      }
      var whole = TrainingJobs.tiny(data: data)
      whole.state = temporaryDirectory()
      #expect(try TrainingRun(whole, engine: try #require(engine)).run() == .done)
      var part = whole
      part.state = temporaryDirectory()
      var asked = 0
      let stopped = try TrainingRun(
        part, engine: try #require(engine),
        shouldStop: {
          asked += 1
          return asked > 6
        })
      #expect(try stopped.run() == .stopped)
      part.microbatchSize = 2
      var second = part
      second.state = temporaryDirectory()
      #expect(try together([part, second]).allSatisfy { (try? $0.get()) == .done })
      #expect(try MetricsLog.curve("\(part.state)/curve.jsonl").map(\.step) == Array(1...12))
      let error = try TinyModel.relativeError(weights(part), weights(whole))
      #expect(error < 1e-4)
    }

    /// A model whose last position is no number, and a step whose one long sample is on one rank.
    @Test func theRankWithTheBadSampleNamesItsDocuments() throws {
      let data = try SampleData.tokens(samples: 100, perShard: 30)
      var job = job(data, .bert)
      // Two samples of each rank, so that all of their documents are named.
      job.batchSize = 4
      job.microbatchSize = 1
      let engine = try #require(engine)
      // The first step's samples by rank, and a length that only one rank has.
      let lengths = try (0..<2).map { rank in
        var place = ProcessRank()
        (place.rank, place.size) = (rank, 2)
        let batches = try TrainingRun.batches(job, place)
        return try (0..<batches.microbatchesPerStep).compactMap { _ in try batches.next() }
      }
      let longest = lengths.map { $0.map { Int($0.lengths[0]) }.max()! }
      let culprit = longest[0] > longest[1] ? 0 : 1
      try #require(longest[0] != longest[1])
      let bad = longest[culprit] - 1
      let parameters = try Parameters(job.shape.parameters, engine: engine, device: .cpu, seed: 1)
      var sources = try parameters.sources()
      let name = "bert.embeddings.position_embeddings.weight"
      let place = try #require(sources.firstIndex { $0.name == name })
      var table = [Float](repeating: 0.01, count: 32 * 48)
      for i in 0..<48 { table[bad * 48 + i] = .nan }
      sources[place] = TensorSource(name, shape: [32, 48], floats: table)
      let folder = temporaryDirectory()
      try Safetensors.write(sources, to: "\(folder)/weights.safetensors")
      job.initial = folder
      var second = job
      second.state = temporaryDirectory()
      let outcomes = try together([job, second])
      for (rank, outcome) in outcomes.enumerated() {
        guard case .failure(let error) = outcome else { return #expect(Bool(false), "rank \(rank) trains") }
        if rank == culprit {
          let sample = lengths[rank].first { Int($0.lengths[0]) == longest[rank] }!.sampleIDs[0]
          #expect(error.code == .diverged && error.message.contains("doc \(sample)"), "\(error)")
        } else {
          #expect(
            error.code == .group && error.message.contains("the loss of process \(culprit) is not a number"), "\(error)"
          )
        }
      }
    }
  }
}
