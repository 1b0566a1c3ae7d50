import ShardKit

/// Fine-tuning's objective: the targets of a benchmark's examples, in an order that the seed and the epoch determine.
final class BenchmarkObjective: TrainingObjective {
  /// Features that go through the model together.
  struct Microbatch {
    var features: [BenchmarkFeature]
    /// Their fraction of the step's features.
    var weight: Double
    var dropoutSeed: UInt64
  }

  private let job: FineTuningJob
  private let model: FinetunedModel
  private let features: [BenchmarkFeature]
  private var shuffle: SeededShuffle
  private var order: [Int] = []

  /// - Parameter features: at least one.
  init(_ job: FineTuningJob, _ model: FinetunedModel, _ features: [BenchmarkFeature]) {
    self.job = job
    self.model = model
    self.features = features
    shuffle = SeededShuffle(seed: job.seed, epoch: 0)
  }

  /// The last step of an epoch may have fewer features.
  var stepsPerEpoch: Int { (features.count + job.batchSize - 1) / job.batchSize }
  var steps: Int { stepsPerEpoch * job.epochs }

  func forEachMicrobatch(after step: Int, _ body: (Microbatch, Bool) throws -> Void) throws {
    let (epoch, place) = step.quotientAndRemainder(dividingBy: stepsPerEpoch)
    if place == 0 {
      shuffle = SeededShuffle(seed: job.seed, epoch: epoch)
      order = shuffle.order(features.count)
    }
    let batch = order.dropFirst(place * job.batchSize).prefix(job.batchSize)
    let seed = shuffle.next() ^ UInt64(step)
    let size = job.microbatchSize > 0 ? job.microbatchSize : batch.count
    for (number, start) in stride(from: batch.startIndex, to: batch.endIndex, by: size).enumerated() {
      let part = batch[start..<min(start + size, batch.endIndex)]
      try body(
        Microbatch(
          features: part.map { features[$0] }, weight: Double(part.count) / Double(batch.count),
          dropoutSeed: seed ^ UInt64(number) << 32), start + size >= batch.endIndex)
    }
  }

  func loss(of microbatch: Microbatch, after step: Int) throws -> Tensor? {
    let engine = model.parameters.engine
    try engine.seed(microbatch.dropoutSeed)
    let input = try EncoderInput(
      microbatch.features.flatMap(\.inputs), padding: model.encoder.shape.padding, engine: engine,
      device: model.parameters.device)
    let loss = try model.loss(input, targets: targets(microbatch.features), training: true)
    return microbatch.weight == 1 ? loss : try loss.scaled(microbatch.weight)
  }

  func size(of microbatch: Microbatch) -> MicrobatchSize {
    let tokens = microbatch.features.reduce(0) { $0 + $1.inputs.reduce(0) { $0 + $1.ids.count } }
    return MicrobatchSize(targets: nil, tokens: tokens)
  }

  /// For spans all first tokens, then all last ones.
  private func targets(_ features: [BenchmarkFeature]) -> [Double] {
    job.task == .benchmark(.jsquad)
      ? features.map { $0.targets[0] } + features.map { $0.targets[1] } : features.flatMap(\.targets)
  }
}
