import Glibc

/// The learning rate over a run: warm-up from 0, then a fall.
public struct LearningRate: Equatable, Sendable {
  public enum Fall: String, CaseIterable, Sendable { case constant, linear, cosine }

  public var peak: Double
  public var fall: Fall
  public var warmupSteps: Int
  public var steps: Int
  /// Of the peak, at the last step.
  public var final: Double
  /// Steps before its first: of a training that goes on from another's checkpoint with a schedule of its own.
  public var start: Int

  public init(peak: Double, fall: Fall, warmupSteps: Int, steps: Int, final: Double = 0, start: Int = 0) {
    self.peak = peak
    self.fall = fall
    self.warmupSteps = warmupSteps
    self.steps = steps
    self.final = final
    self.start = start
  }

  /// The rate of the step that follows `finished` steps: peak·finished/warm-up, then the fall to `final` at `steps`.
  public func rate(after finished: Int) -> Double {
    let finished = max(0, finished - start), steps = steps - start
    if finished < warmupSteps { return peak * Double(finished) / Double(warmupSteps) }
    let share = min(1, Double(finished - warmupSteps) / Double(max(1, steps - warmupSteps)))
    let fallen =
      switch fall {
      case .constant: 0.0
      case .linear: share
      case .cosine: (1 - cos(.pi * share)) / 2
      }
    return peak * (1 - (1 - final) * fallen)
  }
}
