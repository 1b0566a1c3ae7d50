import Glibc
import ShardKit

/// How well a model predicts masked tokens of a data set: every sample once, with masks that never change.
public struct MaskedEvaluation: Equatable, Sendable {
  /// Mean cross-entropy over all masked tokens, in nats.
  public var loss = 0.0
  /// The fraction of masked tokens that are the model's first prediction: 0…1.
  public var accuracy = 0.0
  public var masked = 0
  public var samples = 0
  public var tokens = 0
  /// Mean cross-entropy of predicting by the frequencies of these data, in nats: a baseline that any model must beat.
  public var unigramLoss = 0.0

  public var perplexity: Double { exp(loss) }
  public var unigramPerplexity: Double { exp(unigramLoss) }

  public init() {}

  /// - Parameters:
  ///   - job: `initial` holds the weights, `data` the samples; `maskFraction` and `seed` decide the masks.
  ///   - limit: samples at most; nil: all.
  ///   - progress: called with the fraction that is done.
  /// - Throws: `TorchError` if the weights do not fit the model, or no token is masked; `ShardError` if the data cannot
  ///   be read.
  public init(
    _ job: TrainingJob, engine: Engine, limit: Int? = nil, progress: (Double) -> Void = { _ in }
  ) throws {
    let device: Device = job.device == "cuda" ? .cuda(0) : .cpu
    if device.isCPU { try engine.setThreads(job.threads) }
    let parameters = try Parameters(
      job.shape.parameters, engine: engine, device: device, precision: job.precision, padding: nil)
    guard let folder = job.initial else { throw TorchError(.file, "", "no weights are given") }
    try parameters.load(folder: folder)
    let model = MaskedLanguageModel(job.shape.encoder(parameters), parameters)
    let source = try Self.batches(job)
    let all = min(limit ?? .max, source.samples.samples)
    var sums = Sums(vocabulary: job.shape.vocabularySize)
    while samples < all, let batch = try source.next() {
      try engine.withoutGradient { () throws(TorchError) in try sums.add(batch, model, engine, device) }
      samples += batch.sampleCount
      tokens += batch.tokens
      progress(Double(samples) / Double(all))
    }
    masked = sums.masked
    guard masked > 0 else {
      throw TorchError(.operation, job.data, "no token is masked", hint: "Evaluate more text or raise maskFraction.")
    }
    loss = sums.loss / Double(masked)
    accuracy = Double(sums.right) / Double(masked)
    unigramLoss = sums.unigramLoss
  }

  private static func batches(_ job: TrainingJob) throws -> BatchSource {
    let samples = try TokenSamples([MDSDataset(folder: job.data)])
    let masking = try TokenMasking(
      maskFraction: job.maskFraction, seed: UInt64(job.seed), maskID: Int32(job.maskToken),
      vocabulary: job.vocabularySize, specialIDs: job.specialTokens.map(Int32.init))
    var options = BatchOptions(
      sequenceLength: job.sequenceLength, batchSize: job.microbatchSize, microbatchSize: job.microbatchSize)
    options.paddingID = Int32(job.shape.padding)
    return try .evaluation(samples, masking: masking, maskFraction: job.maskFraction, options)
  }
}

private struct Sums {
  var loss = 0.0
  var right = 0
  var masked = 0
  /// Of masked tokens' true ids.
  var counts: [Int]

  init(vocabulary: Int) { counts = [Int](repeating: 0, count: vocabulary) }

  mutating func add(
    _ batch: Microbatch, _ model: MaskedLanguageModel, _ engine: Engine, _ device: Device
  ) throws(TorchError) {
    guard !batch.positions.isEmpty else { return }
    let input = try EncoderInput(
      ids: batch.ids, lengths: batch.lengths, length: batch.length, engine: engine, device: device)
    let logits = try model.logits(input, at: batch.positions, training: false)
    let labels = try engine.tensor(batch.labels, on: device)
    loss += try logits.crossEntropy(labels, sum: true).item()
    let guesses = try logits.argmax(1).integers()
    for (guess, label) in zip(guesses, batch.labels) {
      if guess == label { right += 1 }
      counts[Int(label)] += 1
    }
    masked += batch.labels.count
  }

  var unigramLoss: Double {
    let total = Double(masked)
    return counts.reduce(0) { $1 == 0 ? $0 : $0 - Double($1) / total * log(Double($1) / total) }
  }
}
