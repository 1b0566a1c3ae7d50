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

  /// For decompressed shards, which are read in their order.
  public static let memoryBytes = 256 << 20

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
      try engine.withoutGradient { () throws(TorchError) in try sums.add(batch, model) }
      samples += batch.sampleCount
      tokens += batch.tokens
      progress(Double(samples) / Double(all))
    }
    masked = sums.model.masked
    guard masked > 0 else {
      throw TorchError(.operation, job.data, "no token is masked", hint: "Evaluate more text or raise maskFraction.")
    }
    loss = sums.model.loss / Double(masked)
    accuracy = Double(sums.model.right) / Double(masked)
    unigramLoss = sums.unigramLoss
  }

  private static func batches(_ job: TrainingJob) throws -> BatchSource {
    let samples = try TokenSamples([MDSDataset(folder: job.data, memoryBytes: memoryBytes)])
    return try .evaluation(
      samples, masking: try job.masking(), maskFraction: job.maskFraction, job.evaluationBatches())
  }
}

private struct Sums {
  var model = MaskedSums()
  /// Of masked tokens' true ids.
  var counts: [Int]

  init(vocabulary: Int) { counts = [Int](repeating: 0, count: vocabulary) }

  mutating func add(_ batch: Microbatch, _ model: MaskedLanguageModel) throws(TorchError) {
    for label in try self.model.add(batch, model) { counts[Int(label)] += 1 }
  }

  var unigramLoss: Double {
    let total = Double(model.masked)
    return counts.reduce(0) { $1 == 0 ? $0 : $0 - Double($1) / total * log(Double($1) / total) }
  }
}
