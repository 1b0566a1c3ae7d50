import ShardKit

/// Pretraining's objective: predict masked tokens.
///
/// A microbatch's loss is the sum over its masked tokens. Divided by all masked tokens of the step, gradient and loss
/// are those of the step, however it is split into microbatches.
struct MaskedTokens: TrainingObjective {
  let job: TrainingJob
  let model: MaskedLanguageModel
  let batches: BatchSource

  func forEachMicrobatch(after step: Int, _ body: (Microbatch, Bool) throws -> Void) throws {
    let count = batches.microbatchesPerStep
    for number in 1...count {
      guard let microbatch = try batches.next() else { return }
      try body(microbatch, number == count)
    }
  }

  func loss(of microbatch: Microbatch, after step: Int) throws -> Tensor? {
    guard !microbatch.positions.isEmpty else { return nil }
    let engine = model.parameters.engine, device = model.parameters.device
    // Dropout is determined by the step and the samples' numbers in the batch, in whatever process. cuDNN's attention
    // is the exception: it knows sequences by their place in the microbatch.
    let number = device.isCPU || job.shape.attentionDropout == 0 ? 0 : microbatch.number
    try engine.seed(Self.dropoutSeed(job.seed, step: step, microbatch: number))
    let first = Int64(microbatch.firstInBatch)
    let input = try EncoderInput(
      microbatch, samples: (0..<Int64(microbatch.sampleCount)).map { first + $0 }, engine, device)
    return try model.loss(input, at: microbatch.positions, labels: microbatch.labels, training: true, sum: true)
  }

  func size(of microbatch: Microbatch) -> MicrobatchSize {
    MicrobatchSize(
      targets: microbatch.positions.count, tokens: microbatch.tokens, sources: microbatch.sources)
  }

  static func dropoutSeed(_ seed: Int, step: Int, microbatch: Int) -> UInt64 {
    let words = Philox(key: UInt64(seed)).words(
      SIMD4(UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: microbatch), 0x6472_6f70, 0))
    return UInt64(words[0]) << 32 | UInt64(words[1])
  }
}
