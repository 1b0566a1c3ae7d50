import ShardKit
import TestKit
import Testing

@testable import TrainerCore

/// Steps whose samples grow: what each has, and that a training goes on in the middle of them.
@Suite struct BatchRampTests {
  @Test func sizesGrowInMultiplesOfTheFirst() {
    let sizes = StepSizes(batchSize: 20, ramp: BatchRamp(steps: 8, first: 4))
    #expect((0..<12).map(sizes.size(after:)) == [4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 20, 20])
    for steps in 0..<15 {
      let sum = (0..<steps).map(sizes.size(after:)).reduce(0, +)
      #expect(sizes.samples(of: steps) == sum)
    }
    #expect(sizes.samples(of: 3..<10) == sizes.samples(of: 10) - sizes.samples(of: 3) && sizes.rangeText == "4 to 20")
    #expect(sizes.steps(after: 0, filledBy: 15.9) == 2 && sizes.steps(after: 6, filledBy: 52) == 3)
    #expect(sizes.steps(after: 10, filledBy: 59) == 2)
    let odd = StepSizes(batchSize: 100, ramp: BatchRamp(steps: 5, first: 30))
    #expect((0..<6).map(odd.size(after:)) == [30, 30, 30, 60, 60, 100])
    let plain = StepSizes(batchSize: 7)
    #expect(plain.size(after: 0) == 7 && plain.samples(of: 5) == 35 && plain.rangeText == "7")
  }

  private func masking() throws -> TokenMasking {
    try TokenMasking(seed: 5, maskID: 4, vocabulary: 100, specialIDs: [0, 1, 2, 3, 4])
  }

  private func take(_ sources: [BatchSource]) throws -> [Int] {
    var parts: [Microbatch] = []
    for source in sources {
      for _ in 0..<source.microbatchesPerStep { parts.append(try #require(try source.next())) }
    }
    return parts.sorted { $0.number < $1.number }.flatMap(\.sampleIDs)
  }

  /// 53 samples fill no more than four steps of an epoch: the ramp goes on over several.
  @Test(arguments: [1, 2, 3]) func everyStepIsTheSameForAnyProcesses(_ processes: Int) throws {
    let data = try TokenSamples([MDSDataset(folder: SampleData.tokens(samples: 53, perShard: 20))])
    var job = TrainingJob()
    (job.sequenceLength, job.batchSize, job.microbatchSize, job.steps) = (32, 16, 3, 30)
    job.batchRamp = BatchRamp(steps: 12, first: 3)
    func sources() throws -> [BatchSource] {
      try (0..<processes).map { rank in
        var place = ProcessRank()
        (place.rank, place.size) = (rank, processes)
        return try BatchSource(data, masking: masking(), job.batches(place))
      }
    }
    let whole = try sources()
    var states: [DataPosition] = [whole[0].state], steps: [[Int]] = []
    for step in 1...job.steps {
      let taken = try take(whole)
      #expect(taken.count == job.stepSizes.size(after: step - 1))
      #expect(try StepSamples(ofStep: step, job, shardSamples: data.shardSamples).samples == taken, "\(step)")
      steps.append(taken)
      states.append(whole[0].state)
    }
    // No sample comes twice in an epoch.
    let early = steps[0..<5].flatMap { $0 }
    #expect(Set(early).count == early.count)
    for step in [1, 5, 11, 12, 20] {
      let again = try sources()
      for source in again {
        try source.seek(epoch: states[step].epoch, sampleInEpoch: states[step].sampleInEpoch, step: step)
      }
      #expect(try take(again) == steps[step])
      let skipped = try sources()
      for source in skipped { source.skip(steps: step) }
      #expect(try take(skipped) == steps[step])
    }
  }

  @Test func aMixtureHasItsSharesInSmallStepsToo() throws {
    var job = TrainingJobs.mixture(steps: 10)
    job.batchRamp = BatchRamp(steps: 6, first: 2)
    let sizes = job.stepSizes
    let whole = sizes.samples(of: 10), first = sizes.samples(of: 4)
    job.mixture?.phases = [
      .init(until: 4, amounts: [first - 3, 3]), .init(until: 10, amounts: [20, whole - first - 20]),
    ]
    #expect(
      job.mixture?.fits(steps: 10, sizes) == true && job.mixture?.fits(steps: 10, StepSizes(batchSize: 8)) == false)
    let data = try TokenSamples(job.mixture!.folders.map { try MDSDataset(folder: $0) })
    let source = try BatchSource(data, masking: masking(), job.batches(ProcessRank()))
    var counts = [0, 0]
    for step in 1...10 {
      let taken = try take([source])
      #expect(taken.count == sizes.size(after: step - 1))
      #expect(try StepSamples(ofStep: step, job, shardSamples: data.shardSamples).samples == taken)
      for sample in taken { counts[sample < 60 ? 0 : 1] += 1 }
      if step == 4 { #expect(counts == [first - 3, 3]) }
    }
    let wanted: [Int] = [first + 17, whole - first - 17]
    #expect(counts == wanted)
    #expect(job.mixture?.positions(at: whole, sizes) == wanted)
  }
}

extension EngineTests {
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct RampedTrainingTests {
    /// Stopped in the middle of the ramp, and gone on with another microbatch.
    @Test(arguments: [false, true]) func aStoppedTrainingComesToTheSameBits(_ mixed: Bool) throws {
      var job =
        mixed
        ? TrainingJobs.mixture(steps: 12)
        : TrainingJobs.tiny(
          data: try SampleData.tokens(samples: 50, perShard: 30))
      job.batchRamp = BatchRamp(steps: 10, first: 2)
      job.shape.dropout = 0.1
      job.course = TrainingCourse(skipSteps: [5...5])
      if mixed {
        let sizes = job.stepSizes
        job.mixture?.phases = [
          .init(until: 6, amounts: [sizes.samples(of: 6) - 5, 5]),
          .init(until: 12, amounts: [9, sizes.samples(of: 6..<12) - 9]),
        ]
      }
      var parts = job
      (job.state, parts.state) = (temporaryDirectory(), temporaryDirectory())
      let path = temporaryDirectory() + "/job.json"
      try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
      #expect(try TrainingJob(path: path) == job)
      #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
      try TrainingJobs.runInParts(parts)
      let ends = try [job, parts].map {
        try #require(try TrainingCheckpoint.latest(in: "\($0.state)/checkpoints").found)
      }
      #expect(ends[0].state == ends[1].state)
      let sizes = job.stepSizes
      #expect(ends[0].state.samples == sizes.samples(of: 12) - sizes.size(after: 4))
      #expect(
        try FileSystem.read("\(ends[0].folder)/weights.safetensors")
          == FileSystem.read("\(ends[1].folder)/weights.safetensors"))
      var plain = job
      plain.batchRamp = nil
      #expect(plain.fingerprint != job.fingerprint)
    }
  }
}
