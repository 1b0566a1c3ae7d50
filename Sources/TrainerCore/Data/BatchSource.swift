public import ShardKit

/// What a run asks of its batches.
public struct BatchOptions: Equatable, Sendable {
  /// Most tokens of a sample.
  public var sequenceLength: Int
  /// Samples of a step, all devices together.
  public var globalBatch: Int
  /// Samples that go through the model together, at most.
  public var microbatch: Int
  /// Of `world` devices, the one that the batches are for.
  public var rank = 0
  public var world = 1
  public var shuffle: ShuffleOrder.Algorithm? = .py1e
  public var shuffleSeed = ShuffleOrder.defaultSeed
  /// nil: streaming's default for one node.
  public var canonicalNodes: Int?
  /// Window of `py1e` and `py1br`; nil: streaming's default.
  public var shuffleBlockSamples: Int?
  public var padding = SequencePadding.longest(multipleOf: 8)
  public var paddingID: Int32 = 0
  /// Microbatches that are made ahead.
  public var prepared = 4

  public init(sequenceLength: Int, globalBatch: Int, microbatch: Int) {
    self.sequenceLength = sequenceLength
    self.globalBatch = globalBatch
    self.microbatch = microbatch
  }

  fileprivate func check() throws(ShardError) {
    func refuse(_ what: String, _ hint: String) -> ShardError {
      ShardError(.unsupported, "batches", what, hint: hint)
    }
    guard sequenceLength > 0, globalBatch > 0, microbatch > 0, prepared > 0, (0..<world).contains(rank) else {
      throw refuse("lengths, batches and ranks must be positive", "Check the options.")
    }
    guard globalBatch >= world else {
      throw refuse(
        "a global batch of \(globalBatch) samples does not reach for \(world) devices",
        "Use a larger batch, or fewer devices.")
    }
    if case .longest(let multiple) = padding, multiple < 1 {
      throw refuse("lengths cannot be multiples of \(multiple)", "Use 1 for no rounding.")
    }
  }
}

/// One device's microbatches, in an order that data, seed and global batch alone decide; a thread makes them ahead.
///
/// The places of an epoch, in streaming's order, are cut into global batches, those into microbatches of consecutive
/// places, as many for each device and as like as can be; rank `r` of `w` takes the microbatches `r`, `r + w`, … whole.
/// Where the batch is a multiple of devices times microbatch, a step has the same microbatches whatever the number of
/// devices; it has the same samples, with the same masks, always. An epoch's last places that fill no global batch are
/// left out.
///
/// `next` is for one thread at a time.
public final class BatchSource: Sendable {
  private let monitor: Monitor<BatchQueue>
  private let thread: BackgroundThread
  public let samples: TokenSamples

  /// Endless batches for training.
  /// - Parameter state: where to go on; its seed and canonical nodes stand above the options', so that the epoch goes on
  ///   as it began.
  public convenience init(
    _ samples: TokenSamples, masking: TokenMasking, _ options: BatchOptions, from state: ResumeState? = nil
  ) throws(ShardError) {
    try options.check()
    var options = options
    if let state {
      options.canonicalNodes = state.canonicalNodes
      options.shuffleSeed = state.shuffleSeed
    }
    let plan = try BatchPlan(samples.shardSamples, options)
    let cursor = try plan.cursor(epoch: state?.epoch ?? 0, sampleInEpoch: state?.sampleInEpoch ?? 0)
    try self.init(samples, masking, options, plan, cursor)
  }

  /// One pass over the samples in their order, with masks that never change; the last microbatch may be smaller.
  public static func evaluation(
    _ samples: TokenSamples, masking: TokenMasking, probability: Double = 0.15, _ options: BatchOptions
  ) throws(ShardError) -> BatchSource {
    var options = options
    options.globalBatch = options.microbatch * options.world
    options.shuffle = nil
    options.canonicalNodes = 1
    try options.check()
    let plan = try BatchPlan(samples.shardSamples, options, isEvaluation: true)
    return try BatchSource(samples, try masking.fixed(probability: probability), options, plan, BatchCursor())
  }

  private init(
    _ samples: TokenSamples, _ masking: TokenMasking, _ options: BatchOptions, _ plan: BatchPlan,
    _ cursor: BatchCursor
  ) throws(ShardError) {
    self.samples = samples
    let monitor = Monitor(BatchQueue(plan: plan, cursor: cursor, limit: options.prepared))
    self.monitor = monitor
    let assembly = BatchAssembly(
      samples, masking: masking, sequenceLength: options.sequenceLength, padding: options.padding,
      paddingID: options.paddingID)
    let thread = BackgroundThread {
      var producer = BatchProducer(plan: plan, assembly: assembly)
      while case .make(let cursor, let round) = monitor.wait(wake: false, { $0.request() }) {
        let result = producer.produce(cursor)
        monitor.with { $0.deliver(result, round: round) }
      }
    }
    guard let thread else {
      throw ShardError(.io, "batches", "the system gives no thread to make them in", hint: "Raise `ulimit -u`.")
    }
    self.thread = thread
  }

  deinit {
    monitor.with { $0.isClosing = true }
    thread.join()
  }

  /// The next microbatch of this device; nil at the end of an evaluation.
  public func next() throws(ShardError) -> Microbatch? { try monitor.wait { $0.take() }.get() }

  /// Steps of a whole epoch.
  public var stepsPerEpoch: Int { monitor.with(wake: false) { $0.plan.stepsPerEpoch } }

  /// Microbatches that this device takes in each step.
  public var microbatchesPerStep: Int { monitor.with(wake: false) { $0.plan.microbatchesPerStep } }

  /// Where the step begins whose first microbatch comes next, or that has been begun.
  public var state: ResumeState { monitor.with(wake: false) { $0.plan.state($0.taken) } }

  /// Goes to the step that begins after `sample` samples from the start of the first epoch: steps × global batch.
  ///
  /// Costs at most the shuffle of one epoch.
  public func seek(sample: Int) throws(ShardError) {
    let plan = monitor.with(wake: false) { $0.plan }
    let cursor = try plan.cursor(sample: sample)
    monitor.with { $0.restart(at: cursor) }
  }

  /// Goes to a place in an epoch: to one that `state` gave, or one of a run with other batches.
  public func seek(epoch: Int, sampleInEpoch: Int) throws(ShardError) {
    let plan = monitor.with(wake: false) { $0.plan }
    let cursor = try plan.cursor(epoch: epoch, sampleInEpoch: sampleInEpoch)
    monitor.with { $0.restart(at: cursor) }
  }

  /// Leaves out the next steps. Call between steps.
  public func skip(steps: Int) { monitor.with { $0.restart(at: $0.plan.after(steps, $0.taken)) } }

  /// The documents that a microbatch's samples come from, each once, in order.
  public func documents(of microbatch: Microbatch) throws(ShardError) -> [String] {
    var seen: Set<ExactText> = []
    var ids: [String] = []
    for sample in microbatch.sampleIDs {
      for part in try samples.documents(of: sample) where seen.insert(ExactText(part.id)).inserted {
        ids.append(part.id)
      }
    }
    return ids
  }
}
