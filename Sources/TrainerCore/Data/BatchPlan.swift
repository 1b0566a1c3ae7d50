import ShardKit

/// A device's place in a run: the step that begins at `sampleInEpoch`, and which of its microbatches comes next.
struct BatchCursor: Equatable, Sendable {
  var epoch = 0
  var sampleInEpoch = 0
  /// Counted among this device's microbatches of the step.
  var microbatch = 0
}

/// Which samples each microbatch of each step has. A value: the order of an epoch is made by whoever reads it.
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
    partition = try EpochPartition(samples: samples, canonicalNodes: canonicalNodes, batchSize: options.globalBatch)
    guard isEvaluation || partition.places >= options.globalBatch else {
      throw ShardError(
        .unsupported, "batches", "\(samples) samples do not fill a global batch of \(options.globalBatch)",
        hint: "Use a smaller global batch, or more data.")
    }
  }

  var stepsPerEpoch: Int {
    (partition.places + (isEvaluation ? options.globalBatch - 1 : 0)) / options.globalBatch
  }

  /// Of this device: as many as each device needs for its share, at most `microbatch` samples each.
  var microbatchesPerStep: Int {
    let each = options.microbatch * options.world
    return (options.globalBatch + each - 1) / each
  }

  /// Of all devices together.
  private var pieces: Int { microbatchesPerStep * options.world }

  // MARK: Order

  /// Samples in the order of an epoch; nil without a shuffle.
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
    cursor.microbatch * options.world + options.rank + (isEvaluation ? cursor.sampleInEpoch / options.microbatch : 0)
  }

  /// Places of the epoch that a microbatch has; empty at the end of an evaluation.
  func places(_ cursor: BatchCursor) -> Range<Int> {
    let number = cursor.microbatch * options.world + options.rank
    let first = cursor.sampleInEpoch + options.globalBatch * number / pieces
    let end = cursor.sampleInEpoch + options.globalBatch * (number + 1) / pieces
    return min(first, partition.places)..<min(end, partition.places)
  }

  // MARK: Positions

  /// So many steps on, from a cursor at the beginning of a step.
  func after(_ steps: Int, _ cursor: BatchCursor) -> BatchCursor {
    var next = BatchCursor(epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch)
    for _ in 0..<steps {
      next = normal(BatchCursor(epoch: next.epoch, sampleInEpoch: next.sampleInEpoch + options.globalBatch))
    }
    return next
  }

  func next(_ cursor: BatchCursor) -> BatchCursor {
    var next = cursor
    next.microbatch += 1
    guard next.microbatch == microbatchesPerStep else { return next }
    return normal(BatchCursor(epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch + options.globalBatch))
  }

  /// Where no whole step is left in the epoch, the next one.
  private func normal(_ cursor: BatchCursor) -> BatchCursor {
    guard !isEvaluation, partition.places - cursor.sampleInEpoch < options.globalBatch else { return cursor }
    return BatchCursor(epoch: cursor.epoch + 1)
  }

  func cursor(epoch: Int, sampleInEpoch: Int) throws(ShardError) -> BatchCursor {
    guard sampleInEpoch <= partition.places else {
      throw ShardError(
        .unsupported, "batches", "sample \(sampleInEpoch) lies behind the \(partition.places) of an epoch",
        hint: "Resume with the data set that the state belongs to.")
    }
    return normal(BatchCursor(epoch: epoch, sampleInEpoch: sampleInEpoch))
  }

  /// After so many samples from the start of the first epoch.
  func cursor(sample: Int) throws(ShardError) -> BatchCursor {
    let perEpoch = stepsPerEpoch * options.globalBatch
    guard sample >= 0, isEvaluation ? sample <= perEpoch : true, sample % options.globalBatch == 0 else {
      throw ShardError(
        .unsupported, "batches", "no step begins after \(sample) samples",
        hint: "Use multiples of the global batch, \(options.globalBatch).")
    }
    if isEvaluation { return BatchCursor(sampleInEpoch: sample) }
    return BatchCursor(epoch: sample / perEpoch, sampleInEpoch: sample % perEpoch)
  }

  func state(_ cursor: BatchCursor) -> ResumeState {
    ResumeState(
      epoch: cursor.epoch, sampleInEpoch: cursor.sampleInEpoch, canonicalNodes: canonicalNodes,
      shuffleSeed: options.shuffleSeed)
  }
}

/// Makes microbatches, in the thread of a `BatchSource`.
struct BatchProducer {
  private let plan: BatchPlan
  private var assembly: BatchAssembly
  private var epoch: (number: Int, order: [UInt32]?)?
  private var prefetchedStep: BatchCursor?
  /// Steps whose shards are opened ahead.
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
      // In training a device may have nothing to do in a microbatch: it is empty.
      guard !places.isEmpty || !plan.isEvaluation else { return nil }
      prefetch(cursor, order)
      return try assembly.assemble(
        places.map { plan.sample(at: $0, order) }, epoch: cursor.epoch, number: plan.number(cursor),
        firstInBatch: plan.isEvaluation ? 0 : places.lowerBound - cursor.sampleInEpoch)
    }
  }

  private mutating func order(_ number: Int) throws(ShardError) -> [UInt32]? {
    if let epoch, epoch.number == number { return epoch.order }
    // The old order goes before the new one comes.
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

/// Microbatches made and not yet taken, between the thread that makes them and the one that takes them.
struct BatchQueue {
  let plan: BatchPlan
  let limit: Int
  var isClosing = false
  /// Where the taker stands.
  private(set) var taken: BatchCursor
  /// What the maker makes next.
  private var made: BatchCursor
  private var ready: [Result<Microbatch?, ShardError>] = []
  /// An end or an error has been delivered: nothing follows it.
  private var isFinished = false
  /// Counts restarts; what was asked for before the last one is thrown away.
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

  /// For the maker: nil to wait.
  func request() -> Request? {
    if isClosing { return .end }
    return isFinished || ready.count >= limit ? nil : .make(made, round: round)
  }

  mutating func deliver(_ result: Result<Microbatch?, ShardError>, round: Int) {
    guard round == self.round else { return }
    ready.append(result)
    if case .success(.some) = result { made = plan.next(made) } else { isFinished = true }
  }

  /// For the taker: nil to wait. An end or an error stays, and is given again.
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
