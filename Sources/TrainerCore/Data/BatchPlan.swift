import ShardKit

/// A device's position in a run: the step that begins at `sampleInEpoch`, and the next one of its microbatches.
struct BatchCursor: Equatable, Sendable {
  /// Always 0 in a mixture, whose sources have epochs of their own.
  var epoch = 0
  /// In a mixture: the samples of all steps before, from the first step of all.
  var sampleInEpoch = 0
  /// Counted among this device's microbatches of the step.
  var microbatch = 0
  /// Steps before this one, from the first one of all: decides its size in a ramp.
  var step = 0
}

/// Which samples each microbatch of each step has. A value: its readers compute the order of an epoch.
struct BatchPlan: Sendable {
  let options: BatchOptions
  let sizes: StepSizes
  let isEvaluation: Bool
  let canonicalNodes: Int
  /// The sources of the mixture; without one, a single set.
  let sets: [SampleSet]
  private let partition: EpochPartition

  /// Samples that have epochs of their own.
  struct SampleSet: Equatable, Sendable {
    var shardSamples: [Int]
    var samples: Int
    /// The number of its first sample.
    var first: Int
  }

  init(_ shardSamples: [Int], _ options: BatchOptions, isEvaluation: Bool = false) throws(ShardError) {
    self.options = options
    sizes = StepSizes(batchSize: options.batchSize, ramp: options.ramp)
    self.isEvaluation = isEvaluation
    sets = try Self.sets(shardSamples, options.mixture)
    // A mixture takes each sample of a source once in an epoch, without filling.
    canonicalNodes =
      options.mixture != nil
      ? 1
      : options.canonicalNodes ?? ShuffleOrder.defaultCanonicalNodes(options.shuffle ?? .py1e, physicalNodes: 1)
    let samples = shardSamples.reduce(0, +)
    partition = try EpochPartition(samples: samples, canonicalNodes: canonicalNodes, batchSize: options.batchSize)
    guard isEvaluation || options.mixture != nil || partition.places >= options.batchSize else {
      throw ShardError(
        .unsupported, "batches", "\(samples) samples do not fill a batch of \(options.batchSize)",
        hint: "Use a smaller batch size, or more data.")
    }
  }

  private static func sets(_ shardSamples: [Int], _ mixture: TokenMixture?) throws(ShardError) -> [SampleSet] {
    guard let mixture else {
      return [SampleSet(shardSamples: shardSamples, samples: shardSamples.reduce(0, +), first: 0)]
    }
    var sets: [SampleSet] = []
    var shards = shardSamples[...], first = 0
    for source in mixture.sources {
      let own = Array(shards.prefix(source.shards))
      shards = shards.dropFirst(source.shards)
      let samples = own.reduce(0, +)
      guard samples == source.samples, samples > 0 else {
        throw ShardError(
          .unsupported, source.name, "has \(samples) samples, and was planned with \(source.samples)",
          hint: "Run again: its data set has changed.")
      }
      sets.append(SampleSet(shardSamples: own, samples: samples, first: first))
      first += samples
    }
    return sets
  }

  var mixture: TokenMixture? { options.mixture }

  /// Samples of all steps of a mixture.
  private var samplesOfMixture: Int { sizes.samples(of: mixture?.phases.last?.until ?? 0) }

  /// Whether the mixture's last step is before the cursor. Other data have no end in training.
  func isPastEnd(_ cursor: BatchCursor) -> Bool { mixture != nil && cursor.sampleInEpoch >= samplesOfMixture }

  /// Of steps that have their full size.
  var stepsPerEpoch: Int {
    (partition.places + (isEvaluation ? options.batchSize - 1 : 0)) / options.batchSize
  }

  /// Of this device: as many as each device needs for its part of the batch, at most `microbatchSize` samples each.
  /// - Parameter step: the number of steps before it.
  func microbatches(after step: Int) -> Int {
    let each = options.microbatchSize * options.world
    return (sizes.size(after: step) + each - 1) / each
  }

  // MARK: Order

  /// The samples of a set in the order of an epoch, counted from its first one; nil: no shuffle.
  func order(of set: Int, epoch: Int) throws(ShardError) -> [UInt32]? {
    guard let algorithm = options.shuffle, algorithm != .off else { return nil }
    let shuffle = ShuffleOrder(
      algorithm, seed: options.shuffleSeed, canonicalNodes: canonicalNodes,
      blockSamples: options.shuffleBlockSamples)
    return try shuffle.order(shardSamples: sets[set].shardSamples, epoch: epoch)
  }

  /// What is told of a microbatch as its epoch: in a mixture, how often each source that is read was read at least.
  func epoch(_ cursor: BatchCursor) -> Int {
    guard let mixture else { return cursor.epoch }
    let positions = mixture.positions(at: cursor.sampleInEpoch, sizes)
    return sets.indices.filter { mixture.isRead($0) }.map { positions[$0] / sets[$0].samples }.min() ?? 0
  }

  func sample(at place: Int, _ order: [UInt32]?) -> Int {
    let place = partition[place: place]
    return order.map { Int($0[place]) } ?? place
  }

  /// The microbatch's number among all devices' of the step, of the whole pass in an evaluation.
  func number(_ cursor: BatchCursor) -> Int {
    cursor.microbatch * options.world + options.rank
      + (isEvaluation ? cursor.sampleInEpoch / options.microbatchSize : 0)
  }

  /// Places of the epoch that a microbatch has; empty at the end of an evaluation.
  func places(_ cursor: BatchCursor) -> Range<Int> {
    let number = cursor.microbatch * options.world + options.rank
    let size = sizes.size(after: cursor.step), pieces = microbatches(after: cursor.step) * options.world
    let first = cursor.sampleInEpoch + size * number / pieces
    let end = cursor.sampleInEpoch + size * (number + 1) / pieces
    guard mixture == nil else { return first..<end }
    return min(first, partition.places)..<min(end, partition.places)
  }

  // MARK: Positions

  /// A number of steps later, from a cursor at the beginning of a step.
  func after(_ steps: Int, _ cursor: BatchCursor) -> BatchCursor {
    var cursor = cursor, steps = steps
    while steps > 0, cursor.step < sizes.rampSteps {
      cursor = nextStep(cursor)
      steps -= 1
    }
    let inEpoch =
      isEvaluation || mixture != nil ? .max : (partition.places - cursor.sampleInEpoch) / options.batchSize
    guard steps >= inEpoch else {
      return BatchCursor(
        epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch + steps * options.batchSize, step: cursor.step + steps)
    }
    let (epochs, rest) = (steps - inEpoch).quotientAndRemainder(dividingBy: stepsPerEpoch)
    return BatchCursor(
      epoch: cursor.epoch + 1 + epochs, sampleInEpoch: rest * options.batchSize, step: cursor.step + steps)
  }

  func next(_ cursor: BatchCursor) -> BatchCursor {
    var next = cursor
    next.microbatch += 1
    return next.microbatch == microbatches(after: cursor.step) ? nextStep(cursor) : next
  }

  private func nextStep(_ cursor: BatchCursor) -> BatchCursor {
    let sample = cursor.sampleInEpoch + sizes.size(after: cursor.step)
    return normal(BatchCursor(epoch: cursor.epoch, sampleInEpoch: sample, step: cursor.step + 1))
  }

  /// If the epoch has not enough samples left for the step, the next epoch.
  private func normal(_ cursor: BatchCursor) -> BatchCursor {
    let size = sizes.size(after: cursor.step)
    guard !isEvaluation, mixture == nil, partition.places - cursor.sampleInEpoch < size else { return cursor }
    return BatchCursor(epoch: cursor.epoch + 1, step: cursor.step)
  }

  func cursor(epoch: Int, sampleInEpoch: Int, step: Int) throws(ShardError) -> BatchCursor {
    guard mixture != nil ? sampleInEpoch <= samplesOfMixture : sampleInEpoch <= partition.places else {
      throw ShardError(
        .unsupported, "batches", "sample \(sampleInEpoch) is beyond the \(partition.places) of an epoch",
        hint: "Resume with the data set that the state belongs to.")
    }
    return normal(BatchCursor(epoch: epoch, sampleInEpoch: sampleInEpoch, step: step))
  }

  /// After a number of samples from the start of the first epoch, without a ramp.
  func cursor(sample: Int) throws(ShardError) -> BatchCursor {
    let perEpoch = stepsPerEpoch * options.batchSize
    guard sample >= 0, isEvaluation ? sample <= perEpoch : true, sample % options.batchSize == 0 else {
      throw ShardError(
        .unsupported, "batches", "no step begins after \(sample) samples",
        hint: "Use multiples of the batch size, \(options.batchSize).")
    }
    if isEvaluation || mixture != nil { return BatchCursor(sampleInEpoch: sample) }
    return BatchCursor(epoch: sample / perEpoch, sampleInEpoch: sample % perEpoch)
  }

  func state(_ cursor: BatchCursor) -> DataPosition {
    DataPosition(
      epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch, canonicalNodes: canonicalNodes,
      shuffleSeed: options.shuffleSeed)
  }
}

/// Builds microbatches, in the thread of a `BatchSource`.
struct BatchProducer {
  private let plan: BatchPlan
  private var assembly: BatchAssembly
  private var reading: SampleReading
  private var prefetchedStep: BatchCursor?
  /// Steps whose shards are opened in advance.
  private static let lookahead = 4

  init(plan: BatchPlan, assembly: BatchAssembly) {
    self.plan = plan
    self.assembly = assembly
    reading = SampleReading(plan)
  }

  /// nil in the result: the end of an evaluation, or of a mixture.
  mutating func produce(_ cursor: BatchCursor) -> Result<Microbatch?, ShardError> {
    Result { () throws(ShardError) in
      let places = plan.places(cursor)
      // In training a device may have no samples in a microbatch, which is then empty.
      guard !places.isEmpty || !plan.isEvaluation, !plan.isPastEnd(cursor) else { return nil }
      let samples = try reading.samples(places, cursor)
      prefetch(cursor)
      return try assembly.assemble(
        samples, epoch: plan.epoch(cursor), number: plan.number(cursor),
        firstInBatch: plan.isEvaluation ? 0 : places.lowerBound - cursor.sampleInEpoch)
    }
  }

  private mutating func prefetch(_ cursor: BatchCursor) {
    var step = cursor
    step.microbatch = 0
    guard step != prefetchedStep else { return }
    prefetchedStep = step
    var ahead: [Int] = []
    let last = cursor.step + Self.lookahead
    while step.epoch == cursor.epoch, step.step < last {
      ahead += reading.announced(plan.places(step), step)
      step = plan.next(step)
    }
    assembly.samples.prefetch(ahead)
  }
}

/// Microbatches that one thread has built and the other has not yet taken.
struct BatchQueue {
  let plan: BatchPlan
  let limit: Int
  var isClosing = false
  /// The position of the consumer.
  private(set) var taken: BatchCursor
  /// What the producer builds next.
  private var made: BatchCursor
  private var ready: [Result<Microbatch?, ShardError>] = []
  /// The end or an error was delivered: nothing follows.
  private var isFinished = false
  /// Counts restarts; what was requested before the last one is discarded.
  private var round = 0

  init(plan: BatchPlan, cursor: BatchCursor, limit: Int) {
    self.plan = plan
    self.limit = limit
    taken = cursor
    made = cursor
  }

  enum Request {
    case make(BatchCursor, round: Int)
    case end
  }

  /// For the producer; nil: wait.
  func request() -> Request? {
    if isClosing { return .end }
    return isFinished || ready.count >= limit ? nil : .make(made, round: round)
  }

  mutating func deliver(_ result: Result<Microbatch?, ShardError>, round: Int) {
    guard round == self.round else { return }
    ready.append(result)
    if case .success(.some) = result { made = plan.next(made) } else { isFinished = true }
  }

  /// For the consumer; nil: wait. The end or an error is returned again at each call.
  mutating func take() -> Result<Microbatch?, ShardError>? {
    guard let first = ready.first else { return nil }
    if case .success(.some) = first {
      ready.removeFirst()
      taken = plan.next(taken)
    }
    return first
  }

  mutating func restart(at cursor: BatchCursor) {
    round += 1
    ready = []
    isFinished = false
    taken = cursor
    made = cursor
  }
}
