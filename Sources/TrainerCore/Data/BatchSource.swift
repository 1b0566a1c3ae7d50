public import ShardKit

/// Settings of a run's batches.
public struct BatchOptions: Equatable, Sendable {
  /// Tokens of a sample, at most.
  public var sequenceLength: Int
  /// Samples of a step, over all devices.
  public var batchSize: Int
  /// Smaller steps at the beginning; nil: all have the same size.
  public var ramp: BatchRamp?
  /// Samples that go through the model together, at most.
  public var microbatchSize: Int
  /// The device that the batches are for, of `world` devices.
  public var rank = 0
  public var world = 1
  public var shuffle: ShuffleOrder.Algorithm? = .py1e
  public var shuffleSeed = ShuffleOrder.defaultSeed
  /// nil: streaming's default for one node.
  public var canonicalNodes: Int?
  /// Window of `py1e` and `py1br`, and of `window`; nil: streaming's default.
  public var shuffleBlockSamples: Int?
  /// Named sets of the data; nil: they are one set.
  public var mixture: TokenMixture?
  public var padding = SequencePadding.longest(multipleOf: 8)
  public var paddingID: Int32 = 0
  /// Whether documents of a sample are told apart.
  public var isolatesDocuments = false
  /// Microbatches that are built in advance.
  public var prepared = 4

  public init(sequenceLength: Int, batchSize: Int, microbatchSize: Int) {
    self.sequenceLength = sequenceLength
    self.batchSize = batchSize
    self.microbatchSize = microbatchSize
  }

  fileprivate func check() throws(ShardError) {
    func refuse(_ what: String, _ hint: String) -> ShardError {
      ShardError(.unsupported, "batches", what, hint: hint)
    }
    guard sequenceLength > 0, batchSize > 0, microbatchSize > 0, prepared > 0, (0..<world).contains(rank) else {
      throw refuse("lengths, batches and ranks must be positive", "Check the options.")
    }
    let smallest = min(batchSize, ramp?.first ?? batchSize)
    guard smallest >= world else {
      throw refuse(
        "a batch of \(smallest) samples is too small for \(world) devices",
        "Use a larger batch, or fewer devices.")
    }
    if case .longest(let multiple) = padding, multiple < 1 {
      throw refuse("lengths cannot be multiples of \(multiple)", "Use 1 for no rounding.")
    }
  }
}

/// One device's microbatches, in an order that only data, seed and batch size determine. A thread builds them in
/// advance.
///
/// The positions of an epoch, in streaming's order, are split into batches, and those into microbatches of consecutive
/// positions, equally many for each device and of sizes as equal as possible; rank `r` of `w` takes the microbatches
/// `r`, `r + w`, … If the batch is a multiple of devices times microbatch size, a step has the same microbatches
/// whatever the number of devices; it always has the same samples, with the same masks. The last positions of an epoch
/// that do not fill a batch are left out.
///
/// Only one thread at a time may call `next`.
public final class BatchSource: Sendable {
  private let monitor: Monitor<BatchQueue>
  private let thread: BackgroundThread
  public let samples: TokenSamples

  /// Endless batches for training.
  /// - Parameter state: where to resume; its seed and canonical nodes take precedence over those of the options, so
  ///   that the epoch continues as it began.
  /// - Throws: `ShardError` if the options do not fit one another or the data, or no thread can be started.
  public convenience init(
    _ samples: TokenSamples, masking: TokenMasking, _ options: BatchOptions, from state: DataPosition? = nil
  ) throws(ShardError) {
    try options.check()
    var options = options
    if let state {
      options.canonicalNodes = state.canonicalNodes
      options.shuffleSeed = state.shuffleSeed
    }
    let plan = try BatchPlan(samples.shardSamples, options)
    let cursor = try plan.cursor(epoch: state?.epoch ?? 0, sampleInEpoch: state?.sampleInEpoch ?? 0, step: 0)
    try self.init(samples, masking, options, plan, cursor)
  }

  /// One pass over the samples in their order, with masks that never change; the last microbatch may be smaller.
  /// - Parameter limit: the first samples that are read; nil: all.
  /// - Throws: `ShardError` if the options do not fit one another or the data, or no thread can be started.
  public static func evaluation(
    _ samples: TokenSamples, masking: TokenMasking, maskFraction: Double = 0.15, limit: Int? = nil,
    _ options: BatchOptions
  ) throws(ShardError) -> BatchSource {
    var options = options
    options.batchSize = options.microbatchSize * options.world
    options.shuffle = nil
    options.canonicalNodes = 1
    try options.check()
    var left = limit ?? .max
    let read = samples.shardSamples.map { count in
      defer { left -= min(left, count) }
      return min(left, count)
    }
    let plan = try BatchPlan(read, options, isEvaluation: true)
    return try BatchSource(samples, try masking.fixed(maskFraction: maskFraction), options, plan, BatchCursor())
  }

  private init(
    _ samples: TokenSamples, _ masking: TokenMasking, _ options: BatchOptions, _ plan: BatchPlan,
    _ cursor: BatchCursor
  ) throws(ShardError) {
    self.samples = samples
    if options.isolatesDocuments, let bad = samples.withoutDocuments.first {
      throw ShardError(
        .unsupported, bad.name, "does not say which documents its samples have, so they cannot be isolated",
        hint:
          "Tokenize with 'tokenizer.encode', which writes the column 'documents', or set \"isolateDocuments\": false.")
    }
    let monitor = Monitor(BatchQueue(plan: plan, cursor: cursor, limit: options.prepared))
    self.monitor = monitor
    let assembly = BatchAssembly(
      samples, masking: masking, sequenceLength: options.sequenceLength, padding: options.padding,
      paddingID: options.paddingID, sources: options.mixture?.sources.count ?? 0,
      isolatesDocuments: options.isolatesDocuments)
    let thread = BackgroundThread {
      var producer = BatchProducer(plan: plan, assembly: assembly)
      while case .make(let cursor, let round) = monitor.wait(wake: false, { $0.request() }) {
        let result = producer.produce(cursor)
        monitor.with { $0.deliver(result, round: round) }
      }
    }
    guard let thread else {
      throw ShardError(.io, "batches", "no thread can be started to build them", hint: "Raise `ulimit -u`.")
    }
    self.thread = thread
  }

  deinit {
    monitor.with { $0.isClosing = true }
    thread.join()
  }

  /// The next microbatch of this device; nil at the end of an evaluation, or after the last step of a mixture.
  /// - Throws: `ShardError` if a shard cannot be fetched or read, or a sample does not fit; the same again at each
  ///   call.
  public func next() throws(ShardError) -> Microbatch? { try monitor.wait { $0.take() }.get() }

  /// Steps of a complete epoch; of a mixture, as many as all its sets' samples fill.
  public var stepsPerEpoch: Int { monitor.with(wake: false) { $0.plan.stepsPerEpoch } }

  /// Microbatches that this device takes in the current step, or the next one if its last microbatch was taken.
  public var microbatchesPerStep: Int { monitor.with(wake: false) { $0.plan.microbatches(after: $0.taken.step) } }

  /// Where the current step begins, or the next one if its last microbatch was taken.
  public var state: DataPosition { monitor.with(wake: false) { $0.plan.state($0.taken) } }

  /// Goes to the step that begins after `sample` samples from the start of the first epoch: steps × batch size. Takes
  /// at most the time to shuffle one epoch.
  /// - Throws: `ShardError` if no step begins there.
  public func seek(sample: Int) throws(ShardError) {
    let plan = monitor.with(wake: false) { $0.plan }
    let cursor = try plan.cursor(sample: sample)
    monitor.with { $0.restart(at: cursor) }
  }

  /// Goes to a position in an epoch: to one that `state` gave, or to one of a run with other batches.
  /// - Parameter step: the number of steps before it, from the first one of all: decides its size in a ramp.
  /// - Throws: `ShardError` if the epoch has no such position.
  public func seek(epoch: Int, sampleInEpoch: Int, step: Int = 0) throws(ShardError) {
    let plan = monitor.with(wake: false) { $0.plan }
    let cursor = try plan.cursor(epoch: epoch, sampleInEpoch: sampleInEpoch, step: step)
    monitor.with { $0.restart(at: cursor) }
  }

  /// Skips the next steps. Call between steps.
  public func skip(steps: Int) { monitor.with { $0.restart(at: $0.plan.after(steps, $0.taken)) } }

  /// The ids of the documents that a microbatch's samples come from, each once, in order.
  /// - Throws: `ShardError` if a shard cannot be fetched or read.
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
