import ShardKit
import TestKit
import Testing

@testable import TrainerCore

/// `StepSamples` names the samples that `BatchSource` hands to the training.
@Suite struct StepSamplesTests {
  /// 203 samples in 11 shards: 12 steps of an epoch.
  private let data: TokenSamples

  init() throws {
    let folder = try SampleData.tokens(samples: 203, perShard: 20)
    defer { try? FileSystem.removeTree(folder) }
    data = try TokenSamples([MDSDataset(folder: folder)])
    // Shards are mapped when they are read.
    for sample in 0..<203 { _ = try data.documents(of: sample) }
  }

  private func job(steps: Int = 40) -> TrainingJob {
    var job = TrainingJob()
    job.sequenceLength = 32
    job.batchSize = 16
    job.microbatchSize = 3
    job.steps = steps
    job.seed = 29
    job.dataDigest = "data"
    return job
  }

  private func masking() throws -> TokenMasking {
    try TokenMasking(seed: 5, maskID: 4, vocabulary: 100, specialIDs: [0, 1, 2, 3, 4])
  }

  @Test(arguments: [(1, ShuffleOrder.Algorithm.py1e), (2, .py1s), (3, .py1e), (5, .py1br), (16, .py2s)])
  func everyStepIsThatOfTheTraining(_ processes: Int, _ shuffle: ShuffleOrder.Algorithm) throws {
    var job = job()
    job.shuffle = shuffle
    job.course = TrainingCourse(skipSteps: [7...19])
    var place = ProcessRank()
    place.size = processes
    let sources = try (0..<processes).map { rank in
      place.rank = rank
      return try BatchSource(data, masking: masking(), job.batches(place))
    }
    var step = 0
    while step < job.steps {
      step += 1
      if let last = job.course.endOfWindow(at: step) {
        for source in sources { source.skip(steps: last + 1 - step) }
        step = last
        continue
      }
      var parts: [Microbatch] = []
      for source in sources {
        for _ in 0..<source.microbatchesPerStep { parts.append(try #require(try source.next())) }
      }
      let taken = parts.sorted { $0.number < $1.number }
      let traced = try StepSamples(ofStep: step, job, shardSamples: data.shardSamples)
      #expect(traced.samples == taken.flatMap(\.sampleIDs))
      #expect(taken.allSatisfy { $0.epoch == traced.epoch })
    }
  }

  @Test func aContinuedTrainingGoesOnInItsData() throws {
    let first = job(steps: 17)
    let source = try BatchSource(data, masking: masking(), first.batches(ProcessRank()))
    source.skip(steps: 17)
    let place = source.state
    func state(data: String, order: String) -> CheckpointState {
      CheckpointState(step: 17, epoch: place.epoch, sampleInEpoch: place.sampleInEpoch, data: data, order: order)
    }
    let second = job(steps: 100)
    func samples(_ step: Int, _ state: CheckpointState?) throws -> StepSamples {
      try StepSamples(ofStep: step, second, shardSamples: data.shardSamples, continuing: state)
    }
    for step in [18, 24, 25, 60] {
      #expect(try samples(step, state(data: "data", order: first.order)) == samples(step, nil), "as if never stopped")
      let other = try samples(step, state(data: "data", order: "another"))
      #expect(try other == samples(step - 17 + 12 * (place.epoch + 1), nil), "from the next epoch on")
      #expect(
        try samples(step, state(data: "others", order: "")) == samples(step - 17, nil), "other data, from the start")
    }
    #expect(throws: ShardError.self) { try samples(17, state(data: "data", order: first.order)) }
    #expect(throws: ShardError.self) { try samples(101, nil) }
    #expect(throws: ShardError.self) { try samples(0, nil) }
  }
}
