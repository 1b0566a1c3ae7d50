import ShardKit

/// What a training learns: the microbatches of its steps, and their loss.
protocol TrainingObjective {
  associatedtype Microbatch

  /// Hands this process's microbatches of one step to `body`, in order.
  /// - Parameters:
  ///   - step: the number of steps taken before it.
  ///   - body: also told whether the microbatch is the last one.
  func forEachMicrobatch(after step: Int, _ body: (Microbatch, Bool) throws -> Void) throws

  /// Seeds dropout and runs the forward pass.
  /// - Returns: the microbatch's part of the step's loss, one number; nil if it has nothing to predict.
  func loss(of microbatch: Microbatch, after step: Int) throws -> Tensor?

  /// What a microbatch counts for.
  func size(of microbatch: Microbatch) -> MicrobatchSize
}

/// What a microbatch counts for in its step.
struct MicrobatchSize {
  /// Predicted tokens, if the microbatch's loss is a sum over them: gradient and loss of a step are divided by their
  /// number in all microbatches of all processes. nil if the losses of a step's microbatches add up to its mean loss.
  var targets: Int?
  /// Tokens read, without padding.
  var tokens: Int
  /// The same by source of a mixture, equally many in every microbatch; empty without one.
  var sources: [SourceCount] = []
}

/// A step that was taken, once the device has computed it.
struct TakenStep<Microbatch> {
  /// Counts from 1.
  var step: Int
  var learningRate: Double
  /// The mean over the step, in nats.
  var loss: Double
  /// Before clipping.
  var gradientNorm: Double
  /// Of all processes, without padding.
  var tokens: Int
  /// Of all processes, by source of a mixture.
  var sources: [SourceCount]
  /// Whether any process was asked to stop.
  var isToStop: Bool
  /// Ranks whose own loss is not finite; empty if there is one process.
  var culprits: [Int]
  /// Of this process.
  var microbatches: [Microbatch]

  /// Otherwise the optimizer has left weights and moments unchanged.
  var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
}

/// The steps of a training: forward and backward passes over microbatches, the gradient's sum over processes, clipping,
/// and the optimizer at the schedule's rate. Pretraining and fine-tuning differ in their `TrainingObjective` alone.
///
/// The figures of a step are read while the next one is on the device.
final class TrainingLoop<Objective: TrainingObjective> {
  typealias Step = TakenStep<Objective.Microbatch>

  let objective: Objective
  let optimizer: Optimizer
  private let group: ProcessGroup?
  private let maximumGradientNorm: Double
  /// The learning rate of the step that follows as many.
  private let learningRate: (Int) -> Double
  private var pending: PendingStep<Objective.Microbatch>?

  /// - Parameters:
  ///   - maximumGradientNorm: larger gradients are scaled down to this norm; 0: no clipping.
  ///   - learningRate: the rate of the step that follows this number of steps.
  init(
    _ objective: Objective, _ optimizer: Optimizer, maximumGradientNorm: Double, group: ProcessGroup? = nil,
    learningRate: @escaping (Int) -> Double
  ) {
    self.objective = objective
    self.optimizer = optimizer
    self.maximumGradientNorm = maximumGradientNorm
    self.group = group
    self.learningRate = learningRate
  }

  /// Starts the next step.
  /// - Parameter shouldStop: called once; the step's figures tell every process whether it was true for any.
  /// - Returns: the step before, if it was not yet returned.
  func advance(shouldStop: () -> Bool) throws -> Step? {
    let started = try start(shouldStop)
    let last = try settle()
    pending = started
    return last
  }

  /// Waits until the device has computed the last step.
  /// - Returns: the last step, if it was not yet returned.
  func settle() throws -> Step? {
    guard let last = pending else { return nil }
    pending = nil
    let figures = try last.figures.read()
    return Step(
      step: last.step, learningRate: last.learningRate, loss: figures.loss, gradientNorm: figures.gradientNorm,
      tokens: figures.tokens, sources: figures.sources, isToStop: figures.isToStop, culprits: figures.culprits,
      microbatches: last.microbatches)
  }

  /// The gradient of the whole batch, one step of the optimizer, and what is to be read of them later.
  private func start(_ shouldStop: () -> Bool) throws -> PendingStep<Objective.Microbatch> {
    let finished = optimizer.step
    let learningRate = learningRate(finished)
    var loss: Tensor?
    var microbatches: [Objective.Microbatch] = []
    try objective.forEachMicrobatch(after: finished) { microbatch, isLast in
      microbatches.append(microbatch)
      guard let part = try backward(microbatch, after: finished, isLast: isLast) else { return }
      loss = if let sum = loss { try sum.plus(part) } else { part }
    }
    try optimizer.send()
    let report = try StepReport(
      parameters.engine, parameters.device, group, loss: loss, microbatches.map(objective.size),
      isToStop: shouldStop())
    let norm = try optimizer.step(
      learningRate: learningRate, maximumGradientNorm: maximumGradientNorm,
      dividedBy: try report.divisor(on: parameters.device),
      loss: report.loss, group: group)
    return PendingStep(
      step: optimizer.step, learningRate: learningRate, figures: try report.fetch(norm: norm),
      microbatches: microbatches)
  }

  private var parameters: Parameters { optimizer.parameters }

  /// Adds the gradient of a microbatch's loss to the step's.
  private func backward(_ microbatch: Objective.Microbatch, after step: Int, isLast: Bool) throws -> Tensor? {
    guard let loss = try objective.loss(of: microbatch, after: step) else { return nil }
    if isLast { try optimizer.expectLast() }
    try loss.backward()
    try optimizer.accumulate()
    return try loss.detached().reshape(1)
  }
}

/// A step that may still be on the device.
private struct PendingStep<Microbatch> {
  var step: Int
  var learningRate: Double
  var figures: StepFigures
  var microbatches: [Microbatch]
}
