public import ShardKit

/// The samples of a step's batch, over all devices, in order. They follow from the data, the seed and the step; how many
/// devices or processes share a step does not matter.
public struct StepSamples: Equatable, Sendable {
  /// From 0; in a mixture, how often each source that is read was read at least.
  public let epoch: Int
  /// Numbers in the data set.
  public let samples: [Int]
  /// Of each sample: how often its data, or its source in a mixture, were read before.
  public let epochs: [Int]

  /// The samples of a step of a job, also of one that its course passes over: those are left out.
  /// - Parameters:
  ///   - step: counts from 1 at the first step of all.
  ///   - shardSamples: samples of each shard of the job's data.
  ///   - start: the checkpoint of another training that this one continues.
  /// - Throws: `ShardError` if the job has no such step, or the data do not fill a batch.
  public init(
    ofStep step: Int, _ job: TrainingJob, shardSamples: [Int], continuing start: CheckpointState? = nil
  ) throws(ShardError) {
    let first = (start?.step ?? 0) + 1
    guard (first...max(first, job.steps)).contains(step) else {
      throw ShardError(
        .unsupported, "step \(step)", "the training has the steps \(first) to \(job.steps)", hint: "Name one of them.")
    }
    let plan = try BatchPlan(shardSamples, job.batches(ProcessRank()))
    let place = start.map { job.dataStart(continuing: $0, samples: shardSamples.reduce(0, +)) }
    let begin = try plan.cursor(
      epoch: place?.epoch ?? 0, sampleInEpoch: place?.sampleInEpoch ?? 0, step: first - 1)
    let cursor = plan.after(step - first, begin)
    var reading = SampleReading(plan)
    epoch = plan.epoch(cursor)
    let placed = try reading.samples(
      cursor.sampleInEpoch..<cursor.sampleInEpoch + plan.sizes.size(after: step - 1), cursor)
    samples = placed.map(\.number)
    epochs = placed.map(\.epoch)
  }
}

extension TrainingJob {
  /// How the samples of this job become batches of a process.
  func batches(_ place: ProcessRank) -> BatchOptions {
    var options = BatchOptions(
      sequenceLength: sequenceLength, batchSize: batchSize, microbatchSize: microbatchSize)
    options.rank = place.rank
    options.world = place.size
    options.shuffle = shuffle
    options.shuffleBlockSamples = shuffleWindow > 0 ? shuffleWindow : nil
    options.ramp = batchRamp
    options.isolatesDocuments = isolatesDocuments
    options.mixture = mixture
    options.shuffleSeed = seed
    options.paddingID = Int32(shape.padding)
    return options
  }
}
