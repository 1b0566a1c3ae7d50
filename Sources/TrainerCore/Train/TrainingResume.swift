import ShardKit

/// Where a training resumes, and what it saves for the next time.
extension TrainingRun {
  private struct Start {
    var step = 0
    var counts = TrainingCounts()
    var epoch = 0
    var sampleInEpoch = 0

    init() {}

    init(_ state: CheckpointState) {
      step = state.step
      counts = TrainingCounts(samples: state.samples, tokens: state.tokens, badSteps: state.badSteps)
      epoch = state.epoch
      sampleInEpoch = state.sampleInEpoch
    }

    var numbers: [Int64] {
      [step, counts.samples, counts.tokens, counts.badSteps, epoch, sampleInEpoch].map(Int64.init)
    }

    init(numbers: [Int64]) {
      let values = numbers.map { Int($0) }
      step = values[0]
      counts = TrainingCounts(samples: values[1], tokens: values[2], badSteps: values[3])
      epoch = values[4]
      sampleInEpoch = values[5]
    }
  }

  /// Resumes from the newest complete checkpoint that follows the job's course, else from the one that the job names.
  /// The first process reads it and sends it to the others, on all machines.
  func resume() throws {
    var start = Start()
    if isFirst, let found = try checkpoint() {
      try parameters.load(found.checkpoint, optimizer)
      start = found.start
    }
    if let group {
      let state = try engine.tensor(start.numbers, on: device)
      try group.broadcast(TensorList([state]))
      start = Start(numbers: try state.integers())
      for list in [parameters.masterWeights, optimizer.first, optimizer.second] { try group.broadcast(list) }
      try parameters.refresh()
    }
    optimizer.resume(step: start.step)
    saved = (start.step, start.step)
    counts = start.counts
    try batches.seek(epoch: start.epoch, sampleInEpoch: start.sampleInEpoch)
    try journal?.begin(
      parameters: job.shape.parameterCount, microbatches: batches.microbatchesPerStep, step: start.step)
  }

  private func checkpoint() throws -> (checkpoint: TrainingCheckpoint, start: Start)? {
    if let own = try journal?.newest() {
      try own.check(fingerprint: job.fingerprint)
      return (own, Start(own.state))
    }
    guard let folder = job.resume else { return nil }
    let other = try TrainingCheckpoint(folder: folder)
    guard other.state.step < job.steps else {
      throw TorchError(
        .file, folder, "is of step \(other.state.step), and training ends at step \(job.steps)",
        hint: "Raise \"steps\", which count from the very first step, or resume from an earlier checkpoint.")
    }
    var start = Start(other.state)
    // What another training tolerated does not count here.
    start.counts.badSteps = 0
    let place = job.dataStart(continuing: other.state)
    (start.epoch, start.sampleInEpoch) = (place.epoch, place.sampleInEpoch)
    if place.isOtherOrder {
      journal?.warn(
        "the checkpoint of step \(start.step) took the data in another order (batch size, shuffle, seed): training resumes"
          + " with the next epoch, \(start.epoch)")
    }
    return (other, start)
  }

  func save() throws {
    saved = (saved.begun, step)
    try optimizer.gather()
    guard let journal, journal.writesCheckpoints else { return }
    let place = batches.state
    let state = CheckpointState(
      step: step, epoch: place.epoch, sampleInEpoch: place.sampleInEpoch, samples: counts.samples,
      tokens: counts.tokens, seed: UInt64(job.seed), fingerprint: job.fingerprint,
      course: job.course.text(until: step), badSteps: counts.badSteps, data: job.dataDigest,
      order: job.order)
    try journal.save(try optimizer.contents(state))
  }
}

extension TrainingJob {
  /// Where this training begins in its data when it continues another one: where that one stopped, if it took the same
  /// data in the same order.
  public func dataStart(continuing state: CheckpointState) -> (epoch: Int, sampleInEpoch: Int, isOtherOrder: Bool) {
    if state.data != dataDigest { return (0, 0, false) }
    return state.order == order ? (state.epoch, state.sampleInEpoch, false) : (state.epoch + 1, 0, true)
  }

  /// Whether a checkpoint of this step is published.
  public func publishes(_ step: Int) -> Bool { step == steps || keep.isKept(step) }

  /// Whether a checkpoint is written after this step.
  func isCheckpoint(_ step: Int) -> Bool {
    step % checkpointSteps == 0 || publishes(step)
  }
}
