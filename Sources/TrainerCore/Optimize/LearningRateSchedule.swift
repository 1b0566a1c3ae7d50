import Glibc

/// The learning rate over a run: linear warm-up from 0, then decay. `cosine` is that of Loshchilov and Hutter (SGDR, 2017)
/// without restarts.
public struct LearningRateSchedule: Equatable, Sendable {
  public enum Decay: String, CaseIterable, Sendable { case constant, linear, cosine }

  /// The highest rate, which warm-up ends at.
  public var learningRate: Double
  public var schedule: Decay
  public var warmupSteps: Int
  public var steps: Int
  /// The last step's rate as a fraction of the highest: 0.1 for a tenth of it.
  public var finalRateFraction: Double
  /// Steps before its first: of a training that goes on from another's checkpoint with a schedule of its own.
  public var start: Int

  public init(
    learningRate: Double, schedule: Decay, warmupSteps: Int, steps: Int, finalRateFraction: Double = 0, start: Int = 0
  ) {
    self.learningRate = learningRate
    self.schedule = schedule
    self.warmupSteps = warmupSteps
    self.steps = steps
    self.finalRateFraction = finalRateFraction
    self.start = start
  }

  /// The rate of the step that follows `finished` steps: learningRate · finished / warmupSteps while warming up, then down
  /// to learningRate · finalRateFraction at `steps`.
  public func rate(after finished: Int) -> Double {
    let finished = max(0, finished - start), steps = steps - start
    if finished < warmupSteps { return learningRate * Double(finished) / Double(warmupSteps) }
    let progress = min(1, Double(finished - warmupSteps) / Double(max(1, steps - warmupSteps)))
    let decay =
      switch schedule {
      case .constant: 0.0
      case .linear: progress
      case .cosine: (1 - cos(.pi * progress)) / 2
      }
    return learningRate * (1 - (1 - finalRateFraction) * decay)
  }
}
