import ShardKit

/// Where a training resumes, and what it saves for the next time.
extension TrainingRun {
  private struct Start {
    var step = 0
    var counts = TrainingCounts()
    var epoch = 0
    var sampleInEpoch = 0
    /// Its measure is not sent.
    var best: BestCheckpoint?

    init() {}

    init(_ state: CheckpointState) {
      step = state.step
      counts = TrainingCounts(
        samples: state.samples, tokens: state.tokens, sources: (state.sources ?? []).map(\.learned),
        badSteps: state.badSteps)
      epoch = state.epoch
      sampleInEpoch = state.sampleInEpoch
      best = state.best
    }

    var numbers: [Int64] {
      [Int64(best?.step ?? -1), Int64(bitPattern: (best?.loss ?? 0).bitPattern)]
        + ([step, counts.samples, counts.tokens, counts.badSteps, epoch, sampleInEpoch]
        + counts.sources.flatMap { [$0.samples, $0.tokens] }).map(Int64.init)
    }

    init(numbers: [Int64], measure: String) {
      if numbers[0] >= 0 {
        let loss = Double(bitPattern: UInt64(bitPattern: numbers[1]))
        best = BestCheckpoint(step: Int(numbers[0]), loss: loss, measure: measure)
      }
      let values = numbers.dropFirst(2).map { Int($0) }
      step = values[0]
      counts = TrainingCounts(samples: values[1], tokens: values[2], badSteps: values[3])
      epoch = values[4]
      sampleInEpoch = values[5]
      counts.sources = stride(from: 6, to: values.count, by: 2).map {
        SourceCount(samples: values[$0], tokens: values[$0 + 1])
      }
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
    if start.counts.sources.isEmpty {
      start.counts.sources = (job.mixture?.sources ?? []).map { _ in SourceCount() }
    }
    if let group {
      let state = try engine.tensor(start.numbers, on: device)
      try group.broadcast(TensorList([state]))
      start = Start(numbers: try state.integers(), measure: job.heldOut?.identity ?? "")
      for list in [parameters.masterWeights, optimizer.first, optimizer.second] { try group.broadcast(list) }
      try parameters.refresh()
    }
    optimizer.resume(step: start.step)
    saved = (start.step, start.step)
    counts = start.counts
    best = start.best
    try batches.seek(epoch: start.epoch, sampleInEpoch: start.sampleInEpoch, step: start.step)
    try journal?.begin(
      parameters: job.shape.parameterCount, microbatches: fullMicrobatches, step: start.step)
  }

  /// Of this process, in a step of full size.
  private var fullMicrobatches: Int {
    let each = job.microbatchSize * place.size
    return (job.batchSize + each - 1) / each
  }

  private func checkpoint() throws -> (checkpoint: TrainingCheckpoint, start: Start)? {
    if let own = try journal?.newest() {
      try own.check(fingerprint: job.fingerprint)
      var start = Start(own.state)
      start.best = best(of: own.state)
      return (own, start)
    }
    guard let folder = job.resume else { return nil }
    let other = try TrainingCheckpoint(folder: folder)
    guard other.state.step < job.steps else {
      throw TorchError(
        .file, folder, "is of step \(other.state.step), and training ends at step \(job.steps)",
        hint: "Raise \"steps\", which count from the very first step, or resume from an earlier checkpoint.")
    }
    var start = Start(other.state)
    // What another training tolerated does not count here, nor what it learned from sets of other names.
    start.counts.badSteps = 0
    start.best = nil
    start.counts.sources = (job.mixture?.sources ?? []).map { source in
      other.state.sources?.first { $0.name == source.name && $0.data == source.digest }?.learned ?? SourceCount()
    }
    let place = job.dataStart(continuing: other.state, samples: batches.samples.shardSamples.reduce(0, +))
    (start.epoch, start.sampleInEpoch) = (place.epoch, place.sampleInEpoch)
    for warning in job.warnings(of: place, continuing: other.state) { journal?.warn(warning) }
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
      order: job.order, sources: sourceStates(at: place), best: best)
    try journal.save(try optimizer.contents(state))
  }
}

extension TrainingRun {
  /// The best checkpoint up to one of this training, if its loss was measured as this job says, and it is still there.
  private func best(of state: CheckpointState) -> BestCheckpoint? {
    guard let tokens = job.heldOut, let best = state.best else { return nil }
    guard best.measure == tokens.identity else {
      journal?.warn(
        "the best checkpoint so far, of step \(best.step), was measured on other tokens or at other steps: the best one"
          + " is looked for from step \(state.step) on")
      return nil
    }
    guard journal?.holds(best.step) ?? true else {
      journal?.warn("the best checkpoint so far, of step \(best.step), is missing or damaged: it is forgotten")
      return nil
    }
    return best
  }

  /// nil without a mixture.
  private func sourceStates(at place: DataPosition) -> [SourceState]? {
    guard let mixture = job.mixture else { return nil }
    let positions = mixture.positions(at: place.sampleInEpoch, job.stepSizes)
    return mixture.sources.indices.map { number in
      let source = mixture.sources[number]
      return SourceState(
        name: source.name, data: source.digest, order: job.setOrder, position: positions[number],
        learned: counts.sources[number])
    }
  }
}

extension TrainingJob {
  /// Samples of a source that another training, which this one continues, has taken: as many as it took of the same data.
  /// Data that it took in another order are taken from their next epoch on.
  public func start(of source: TokenMixture.Source, continuing state: CheckpointState) -> Int {
    setStart(of: source, continuing: state).position
  }

  private func setStart(
    of source: TokenMixture.Source, continuing state: CheckpointState
  ) -> (position: Int, isOtherOrder: Bool) {
    let samples = source.samples
    let same = (state.sources ?? []).filter { $0.data == source.digest }
    if let earlier = same.first(where: { $0.name == source.name }) ?? same.first {
      guard earlier.order != setOrder else { return (earlier.position, false) }
      // What begins an epoch anyway loses nothing.
      let next = (earlier.position + samples - 1) / samples * samples
      return (next, next != earlier.position)
    }
    guard state.sources == nil, state.data == source.digest else { return (0, false) }
    // It was the only set of that training. The samples of an epoch that filled no batch count as taken.
    let isSame = state.order.hasPrefix(setOrder + ", batches") && !shuffle.hasCanonicalNodes
    return isSame ? (state.epoch * samples + state.sampleInEpoch, false) : ((state.epoch + 1) * samples, true)
  }

  /// Where this training begins in its data when it continues another one: where that one stopped, if it took the same
  /// data in the same order, also as a source of a mixture. A mixture's place is that of the step; its sources have
  /// places of their own.
  /// - Parameter samples: of the data, without a mixture.
  public func dataStart(
    continuing state: CheckpointState, samples: Int
  ) -> (epoch: Int, sampleInEpoch: Int, isOtherOrder: Bool) {
    if mixture != nil { return (0, stepSizes.samples(of: state.step), false) }
    if let sources = state.sources {
      guard samples > 0, let earlier = sources.first(where: { $0.data == dataDigest }) else { return (0, 0, false) }
      let (epoch, rest) = earlier.position.quotientAndRemainder(dividingBy: samples)
      if rest == 0 { return (epoch, 0, false) }
      return earlier.order == setOrder && !shuffle.hasCanonicalNodes ? (epoch, rest, false) : (epoch + 1, 0, true)
    }
    if state.data != dataDigest { return (0, 0, false) }
    return state.order == order ? (state.epoch, state.sampleInEpoch, false) : (state.epoch + 1, 0, true)
  }

  /// What is not as a reader would expect of a training that continues another one.
  func warnings(
    of place: (epoch: Int, sampleInEpoch: Int, isOtherOrder: Bool), continuing state: CheckpointState
  ) -> [String] {
    let begin = "the checkpoint of step \(state.step) "
    if let mixture {
      return mixture.sources.filter { setStart(of: $0, continuing: state).isOtherOrder }.map {
        "\(begin)took the set '\($0.name)' in another order (shuffle, seed): it is read from the beginning of its next"
          + " epoch, \($0.start / $0.samples)"
      }
    }
    if place.isOtherOrder {
      return [
        "\(begin)took the data in another order (batch size, shuffle, seed): training resumes with the next epoch,"
          + " \(place.epoch)"
      ]
    }
    guard let sources = state.sources, !sources.contains(where: { $0.data == dataDigest }) else { return [] }
    return [
      "\(begin)is of a mixture without these tokens (it read \(sources.map { "'\($0.name)'" }.joined(separator: ", "))):"
        + " they are read from their beginning"
    ]
  }

  /// Whether a checkpoint of this step is published.
  public func publishes(_ step: Int) -> Bool { step == steps || keep.isKept(step) }

  /// Whether a checkpoint is written after this step.
  func isCheckpoint(_ step: Int) -> Bool {
    step % checkpointSteps == 0 || publishes(step)
  }
}
