import Glibc

/// The learning rate over a run: linear warm-up from 0, then decay. Its members have the names of the options.
public struct LearningRateSchedule: Codable, Equatable, Sendable {
  /// `cosine` is that of Loshchilov and Hutter (SGDR, 2017) without restarts; `sqrt` falls with the square root of the
  /// steps, as Hägele et al. (2024) do after a constant rate.
  public enum Decay: String, CaseIterable, Codable, Sendable { case constant, linear, cosine, sqrt }

  /// The peak, reached at the end of warm-up.
  public var learningRate: Double
  public var schedule: Decay
  /// Steps over which the rate rises from 0.
  public var warmupSteps: Int
  /// The step at which decay ends.
  public var steps: Int
  /// The final rate as a fraction of the peak: 0…1.
  public var finalRateFraction: Double
  /// The number of steps before its first one: for a training that continues another one's checkpoint with a schedule
  /// of its own.
  public var start: Int
  /// The number of steps at the end over which the rate decays; it is constant before. nil: all after warm-up.
  public var decaySteps: Int?

  public init(
    learningRate: Double, schedule: Decay, warmupSteps: Int, steps: Int, finalRateFraction: Double = 0, start: Int = 0,
    decaySteps: Int? = nil
  ) {
    self.learningRate = learningRate
    self.schedule = schedule
    self.warmupSteps = warmupSteps
    self.steps = steps
    self.finalRateFraction = finalRateFraction
    self.start = start
    self.decaySteps = decaySteps
  }

  private enum CodingKeys: String, CodingKey {
    case learningRate, schedule, warmupSteps, steps, finalRateFraction, start, decaySteps
  }

  /// `decaySteps` is left out if it is nil, as before there were any: older checkpoints are of the same training.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(learningRate, forKey: .learningRate)
    try container.encode(schedule, forKey: .schedule)
    try container.encode(warmupSteps, forKey: .warmupSteps)
    try container.encode(steps, forKey: .steps)
    try container.encode(finalRateFraction, forKey: .finalRateFraction)
    try container.encode(start, forKey: .start)
    if let decaySteps { try container.encode(decaySteps, forKey: .decaySteps) }
  }

  /// The rate of the step that follows `finished` steps: learningRate · finished / warmupSteps during warm-up, then
  /// constant up to the last `decaySteps`, in which it decays to learningRate · finalRateFraction at `steps`.
  public func learningRate(after finished: Int) -> Double {
    let finished = max(0, finished - start), steps = steps - start
    if finished < warmupSteps { return learningRate * Double(finished) / Double(warmupSteps) }
    let constant = max(warmupSteps, decaySteps.map { steps - $0 } ?? warmupSteps)
    let progress = min(1, Double(max(0, finished - constant)) / Double(max(1, steps - constant)))
    let decay =
      switch schedule {
      case .constant: 0.0
      case .linear: progress
      case .cosine: (1 - cos(.pi * progress)) / 2
      case .sqrt: progress.squareRoot()
      }
    return learningRate * (1 - (1 - finalRateFraction) * decay)
  }
}
