import ShardKit

/// A device's position in a run: the step that begins at `sampleInEpoch`, and the next one of its microbatches.
struct BatchCursor: Equatable, Sendable {
  var epoch = 0
  var sampleInEpoch = 0
  /// Counted among this device's microbatches of the step.
  var microbatch = 0
}

/// Which samples each microbatch of each step has. A value: its readers compute the order of an epoch.
struct BatchPlan: Sendable {
  let options: BatchOptions
  let isEvaluation: Bool
  let canonicalNodes: Int
  let shardSamples: [Int]
  private let partition: EpochPartition

  init(_ shardSamples: [Int], _ options: BatchOptions, isEvaluation: Bool = false) throws(ShardError) {
    self.options = options
    self.isEvaluation = isEvaluation
    self.shardSamples = shardSamples
    canonicalNodes =
      options.canonicalNodes
      ?? ShuffleOrder.defaultCanonicalNodes(options.shuffle ?? .py1e, physicalNodes: 1)
    let samples = shardSamples.reduce(0, +)
    partition = try EpochPartition(samples: samples, canonicalNodes: canonicalNodes, batchSize: options.batchSize)
    guard isEvaluation || partition.places >= options.batchSize else {
      throw ShardError(
        .unsupported, "batches", "\(samples) samples do not fill a batch of \(options.batchSize)",
        hint: "Use a smaller batch size, or more data.")
    }
  }

  var stepsPerEpoch: Int {
    (partition.places + (isEvaluation ? options.batchSize - 1 : 0)) / options.batchSize
  }

  /// Of this device: as many as each device needs for its part of the batch, at most `microbatchSize` samples each.
  var microbatchesPerStep: Int {
    let each = options.microbatchSize * options.world
    return (options.batchSize + each - 1) / each
  }

  /// Of all devices.
  private var pieces: Int { microbatchesPerStep * options.world }

  // MARK: Order

  /// Samples in the order of an epoch; nil: no shuffle.
  func order(epoch: Int) throws(ShardError) -> [UInt32]? {
    guard let algorithm = options.shuffle else { return nil }
    let shuffle = ShuffleOrder(
      algorithm, seed: options.shuffleSeed, canonicalNodes: canonicalNodes,
      blockSamples: options.shuffleBlockSamples)
    return try shuffle.order(shardSamples: shardSamples, epoch: epoch)
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
    let first = cursor.sampleInEpoch + options.batchSize * number / pieces
    let end = cursor.sampleInEpoch + options.batchSize * (number + 1) / pieces
    return min(first, partition.places)..<min(end, partition.places)
  }

  // MARK: Positions

  /// A number of steps later, from a cursor at the beginning of a step.
  func after(_ steps: Int, _ cursor: BatchCursor) -> BatchCursor {
    let inEpoch = isEvaluation ? .max : (partition.places - cursor.sampleInEpoch) / options.batchSize
    guard steps >= inEpoch else {
      return BatchCursor(
        epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch + steps * options.batchSize)
    }
    let (epochs, rest) = (steps - inEpoch).quotientAndRemainder(dividingBy: stepsPerEpoch)
    return BatchCursor(epoch: cursor.epoch + 1 + epochs, sampleInEpoch: rest * options.batchSize)
  }

  func next(_ cursor: BatchCursor) -> BatchCursor {
    var next = cursor
    next.microbatch += 1
    guard next.microbatch == microbatchesPerStep else { return next }
    return normal(BatchCursor(epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch + options.batchSize))
  }

  /// If no complete step is left in the epoch, the next epoch.
  private func normal(_ cursor: BatchCursor) -> BatchCursor {
    guard !isEvaluation, partition.places - cursor.sampleInEpoch < options.batchSize else { return cursor }
    return BatchCursor(epoch: cursor.epoch + 1)
  }

  func cursor(epoch: Int, sampleInEpoch: Int) throws(ShardError) -> BatchCursor {
    guard sampleInEpoch <= partition.places else {
      throw ShardError(
        .unsupported, "batches", "sample \(sampleInEpoch) is beyond the \(partition.places) of an epoch",
        hint: "Resume with the data set that the state belongs to.")
    }
    return normal(BatchCursor(epoch: epoch, sampleInEpoch: sampleInEpoch))
  }

  /// After a number of samples from the start of the first epoch.
  func cursor(sample: Int) throws(ShardError) -> BatchCursor {
    let perEpoch = stepsPerEpoch * options.batchSize
    guard sample >= 0, isEvaluation ? sample <= perEpoch : true, sample % options.batchSize == 0 else {
      throw ShardError(
        .unsupported, "batches", "no step begins after \(sample) samples",
        hint: "Use multiples of the batch size, \(options.batchSize).")
    }
    if isEvaluation { return BatchCursor(sampleInEpoch: sample) }
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
  private var epoch: (number: Int, order: [UInt32]?)?
  private var prefetchedStep: BatchCursor?
  /// Steps whose shards are opened in advance.
  private static let lookahead = 4

  init(plan: BatchPlan, assembly: BatchAssembly) {
    self.plan = plan
    self.assembly = assembly
  }

  /// nil in the result: the end of an evaluation.
  mutating func produce(_ cursor: BatchCursor) -> Result<Microbatch?, ShardError> {
    Result { () throws(ShardError) in
      let order = try order(cursor.epoch)
      let places = plan.places(cursor)
      // In training a device may have no samples in a microbatch, which is then empty.
      guard !places.isEmpty || !plan.isEvaluation else { return nil }
      prefetch(cursor, order)
      return try assembly.assemble(
        places.map { plan.sample(at: $0, order) }, epoch: cursor.epoch, number: plan.number(cursor),
        firstInBatch: plan.isEvaluation ? 0 : places.lowerBound - cursor.sampleInEpoch)
    }
  }

  private mutating func order(_ number: Int) throws(ShardError) -> [UInt32]? {
    if let epoch, epoch.number == number { return epoch.order }
    // The old order is freed before the new one is computed.
    epoch = nil
    let order = try plan.order(epoch: number)
    epoch = (number, order)
    return order
  }

  private mutating func prefetch(_ cursor: BatchCursor, _ order: [UInt32]?) {
    var step = cursor
    step.microbatch = 0
    guard step != prefetchedStep else { return }
    prefetchedStep = step
    var ahead: [Int] = []
    for _ in 0..<Self.lookahead * plan.microbatchesPerStep where step.epoch == cursor.epoch {
      ahead += plan.places(step).map { plan.sample(at: $0, order) }
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
