import ShardKit

/// Measures a model's loss on held-out tokens while it is trained.
///
/// Samples, masks and microbatches are the same at every measurement and for every number of processes, which share the
/// microbatches. Losses are added up in double precision.
struct HeldOutLoss {
  let tokens: HeldOutTokens
  private let job: TrainingJob
  private let place: ProcessRank
  private let samples: [TokenSamples]
  /// nil if the job has no held-out tokens.
  /// - Throws: `ShardError` if a set cannot be read, or its first samples do not fit the model.
  init?(_ job: TrainingJob, _ place: ProcessRank) throws {
    guard let tokens = job.heldOut else { return nil }
    self.tokens = tokens
    self.job = job
    self.place = place
    samples = try tokens.sources.map { source in
      try TokenSamples(
        try source.folders.map {
          try MDSDataset(
            folder: $0, MDSIndex(path: $0 + "/index.json"), memoryBytes: MaskedEvaluation.memoryBytes)
        })
    }
    for set in samples where set.samples > 0 {
      var ids: [Int32] = []
      for sample in [0, set.samples - 1] {
        try set.append(sample, to: &ids, limit: job.sequenceLength, vocabulary: job.vocabularySize)
      }
    }
  }

  /// The score of each set; the same in all processes of the group, which all call this.
  /// - Throws: `ShardError` if samples cannot be read; `TorchError` (`operation`) if no token of a set is masked,
  ///   (`group`) if processes are lost.
  func measure(_ model: MaskedLanguageModel, _ group: ProcessGroup?) throws -> [HeldOutScore] {
    let sums = try samples.map { try self.sums(over: $0, model) }
    let all = try shared(sums.flatMap { [$0.loss, Double($0.right), Double($0.masked)] }, model, group)
    return try tokens.sources.enumerated().map { number, source in
      let (loss, right, masked) = (all[3 * number], all[3 * number + 1], all[3 * number + 2])
      guard masked > 0 else {
        throw TorchError(
          .operation, source.name, "no token of this held-out set is masked",
          hint: "Hold out more text, or raise 'validationMaskFraction'.")
      }
      return HeldOutScore(name: source.name, loss: loss / masked, accuracy: right / masked, masked: Int(masked))
    }
  }

  private func sums(over samples: TokenSamples, _ model: MaskedLanguageModel) throws -> MaskedSums {
    var sums = MaskedSums()
    let batches = try BatchSource.evaluation(
      samples, masking: try job.masking(), maskFraction: tokens.maskFraction,
      limit: tokens.samples > 0 ? tokens.samples : nil, job.evaluationBatches(place))
    while let batch = try batches.next() {
      try model.parameters.engine.withoutGradient { () throws(TorchError) in _ = try sums.add(batch, model) }
    }
    return sums
  }

  /// The sums over all processes.
  private func shared(
    _ own: [Double], _ model: MaskedLanguageModel, _ group: ProcessGroup?
  ) throws(TorchError) -> [Double] {
    guard let group else { return own }
    let engine = model.parameters.engine, device = model.parameters.device
    let parts = try own.torchMap { value throws(TorchError) in
      try engine.full(value, .float64, shape: [1], on: device)
    }
    let list = TensorList(parts)
    try group.sum(list)
    // Whatever the order of additions in each process: all decide by the same numbers.
    try group.broadcast(list)
    return try parts.torchMap { part throws(TorchError) in try part.item() }
  }
}

/// Sums over the masked tokens of an evaluation.
struct MaskedSums {
  /// Cross-entropy in nats.
  var loss = 0.0
  /// Tokens that are the model's first prediction.
  var right = 0
  var masked = 0

  /// Call without gradients.
  /// - Returns: the labels of the batch's masked tokens.
  mutating func add(_ batch: Microbatch, _ model: MaskedLanguageModel) throws(TorchError) -> [Int64] {
    guard !batch.positions.isEmpty else { return [] }
    let engine = model.parameters.engine, device = model.parameters.device
    let logits = try model.logits(try EncoderInput(batch, engine, device), at: batch.positions, training: false)
    loss += try logits.crossEntropy(try engine.tensor(batch.labels, on: device), sum: true).item()
    for (guess, label) in zip(try logits.argmax(1).integers(), batch.labels) where guess == label { right += 1 }
    masked += batch.labels.count
    return batch.labels
  }
}

extension EncoderInput {
  /// - Parameter samples: as in the general initializer.
  init(_ batch: Microbatch, samples: [Int64]? = nil, _ engine: Engine, _ device: Device) throws(TorchError) {
    try self.init(
      ids: batch.ids, lengths: batch.lengths, length: batch.length, samples: samples, segments: batch.segments,
      engine: engine, device: device)
  }
}

extension TrainingJob {
  /// The choice of masked tokens.
  func masking() throws(ShardError) -> TokenMasking {
    try TokenMasking(
      maskFraction: maskFraction, seed: UInt64(seed), maskID: Int32(maskToken), vocabulary: vocabularySize,
      specialIDs: specialTokens.map(Int32.init))
  }

  /// How samples become batches of a process in an evaluation.
  func evaluationBatches(_ place: ProcessRank = ProcessRank()) -> BatchOptions {
    var options = BatchOptions(
      sequenceLength: sequenceLength, batchSize: microbatchSize, microbatchSize: microbatchSize)
    options.rank = place.rank
    options.world = place.size
    options.paddingID = Int32(shape.padding)
    options.isolatesDocuments = isolatesDocuments
    return options
  }
}
