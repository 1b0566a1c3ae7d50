import ShardKit

/// Contrastive training's objective: examples in an order that the seed and the epoch determine.
///
/// The negatives of an anchor are the documents of the whole step. A step that goes through the model at once has its
/// gradient directly. Otherwise gradients are cached (GradCache, Gao et al. 2021, arXiv:2101.06983): all texts are encoded
/// without gradient, processes exchange the vectors, the loss's gradient with respect to the vectors is computed, and each
/// part of the texts is encoded again, with the same dropout, to pass its share on to the weights. So the parts are a
/// matter of memory alone, except for attention's dropout on a GPU.
final class ContrastObjective: TrainingObjective {
  /// Texts that go through the model together.
  struct Microbatch {
    /// By number in the step's batch.
    var texts: [Int]
    /// This process's part of the step's loss; nil: it is computed from the vectors.
    var cached: Cached?
    var tokens: Int
    var dropoutSeed: UInt64

    struct Cached {
      /// Of the loss with respect to the texts' vectors, [texts, hidden].
      var gradient: Tensor
      /// What the microbatches of a process add up to the loss.
      var loss: Tensor
    }
  }

  private let job: ContrastJob
  private let model: SentenceEncoder
  let examples: [ContrastExample]
  private let positives: ContrastPositives
  private let sequences: SequenceEncoder
  private let group: ProcessGroup?
  private var shuffle: SeededShuffle
  private var order: [Int] = []
  private var epoch = -1
  private var batch: ContrastBatch?

  private var engine: Engine { model.parameters.engine }
  private var device: Device { model.parameters.device }
  private var loss: ContrastLoss { ContrastLoss(temperature: job.temperature) }

  /// - Parameter examples: at least one per process.
  init(
    _ job: ContrastJob, _ model: SentenceEncoder, _ examples: [ContrastExample], _ sequences: SequenceEncoder,
    group: ProcessGroup?
  ) {
    self.job = job
    self.model = model
    self.examples = examples
    positives = ContrastPositives(examples)
    self.sequences = sequences
    self.group = group
    shuffle = SeededShuffle(seed: job.seed, epoch: 0)
  }

  var steps: Int { job.steps(examples: examples.count) }

  // MARK: A step

  func forEachMicrobatch(after step: Int, _ body: (Microbatch, Bool) throws -> Void) throws {
    let batch = try batch(after: step)
    self.batch = batch
    let parts = batch.parts(atMost: job.microbatchSize, processes: group?.size ?? 1)
    var own = parts.enumerated().filter { $0.offset % (group?.size ?? 1) == group?.rank ?? 0 }.map {
      part($0.element, number: $0.offset, of: parts.count, after: step)
    }
    if parts.count > 1 || group != nil {
      let cached = try cached(own, batch)
      for place in own.indices {
        let numbers = try engine.tensor(own[place].texts.map(Int64.init), on: device)
        own[place].cached = try .init(
          gradient: cached.gradient.rows(numbers), loss: cached.loss.scaled(1 / Double(own.count)))
      }
    }
    for (place, part) in own.enumerated() { try body(part, place == own.count - 1) }
  }

  /// The texts of a step, which follow from its number.
  func batch(after step: Int) throws -> ContrastBatch {
    let (epoch, place) = step.quotientAndRemainder(dividingBy: job.stepsPerEpoch(examples: examples.count))
    if epoch != self.epoch {
      shuffle = SeededShuffle(seed: job.seed, epoch: epoch)
      order = shuffle.order(examples.count)
      self.epoch = epoch
    }
    let chosen = order.dropFirst(place * job.batchSize).prefix(job.batchSize)
    return try ContrastBatch(chosen.map { examples[$0] }, positives) { text, isQuery in
      try sequences.text((isQuery ? job.queryPrefix : job.documentPrefix) + text)
    }
  }

  private func part(_ texts: [Int], number: Int, of count: Int, after step: Int) -> Microbatch {
    var seeds = SeededShuffle(seed: job.seed &+ 1, epoch: step)
    let seed = seeds.next()
    // Attention on a GPU drops by place in the microbatch: two of them must not drop the same.
    let isByPlace = !device.isCPU && model.encoder.shape.attentionDropout > 0
    return Microbatch(
      texts: texts, cached: nil, tokens: texts.reduce(0) { $0 + (batch?.texts[$1].ids.count ?? 0) },
      dropoutSeed: isByPlace ? seed ^ UInt64(number) << 32 : seed)
  }

  /// The step's loss and its gradient with respect to all vectors.
  private func cached(_ own: [Microbatch], _ batch: ContrastBatch) throws -> (gradient: Tensor, loss: Tensor) {
    let total = batch.texts.count
    let all = try engine.withoutGradient { () throws(TorchError) -> Tensor in
      var all = try engine.full(0, shape: [total, model.encoder.shape.hiddenSize], on: device)
      for part in own {
        let numbers = try engine.tensor(part.texts.map(Int64.init), on: device)
        all = try all.plus(vectors(part, of: batch).scattered(to: numbers, of: total))
      }
      // Each vector is one process's: a sum with zeros has its bits.
      if let group { try group.sum(TensorList([all])) }
      return all
    }
    try all.requireGradient()
    let loss = try loss(all, batch, on: device)
    try loss.backward()
    guard let gradient = try all.gradient() else {
      throw TorchError(.operation, "contrast", "the loss does not depend on the vectors")
    }
    return (gradient, try loss.detached())
  }

  func vectors(_ part: Microbatch, of batch: ContrastBatch) throws(TorchError) -> Tensor {
    try engine.seed(part.dropoutSeed)
    let texts = part.texts.map { batch.texts[$0] }
    let input = try EncoderInput(
      texts, padding: model.encoder.shape.padding, engine: engine, device: device, samples: part.texts.map(Int64.init))
    return try model.vectors(input, lengths: texts.map(\.ids.count), training: true)
  }

  // MARK: TrainingObjective

  func loss(of microbatch: Microbatch, after step: Int) throws -> Tensor? {
    guard let batch else { return nil }
    let vectors = try vectors(microbatch, of: batch)
    guard let cached = microbatch.cached else { return try loss(vectors, batch, on: device) }
    // Its gradient is the loss's; its value is taken away, and the process's part of the loss put in its place.
    let carrier = try vectors.times(cached.gradient).sum()
    return try carrier.plus(carrier.detached(), scale: -1).plus(cached.loss)
  }

  func size(of microbatch: Microbatch) -> MicrobatchSize { MicrobatchSize(targets: nil, tokens: microbatch.tokens) }
}
