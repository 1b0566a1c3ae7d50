import ShardKit

/// Departures from a training's plan: steps that are passed over, and other learning rates from a step on.
///
/// The course identifies a training, like its seed. But the steps before a departure are the same without it. So a
/// checkpoint can be resumed if the steps up to it agree with the course: a run that diverged at step 310 resumes at
/// its checkpoint of step 300 when the course says to pass over 301 to 330.
public struct TrainingCourse: Codable, Equatable, Sendable {
  public struct LaterRate: Codable, Equatable, Sendable {
    /// The schedule's peak for the steps that follow `after` steps.
    public var learningRate: Double
    public var after: Int

    public init(_ learningRate: Double, after: Int) {
      self.learningRate = learningRate
      self.after = after
    }
  }

  /// Steps that are passed over, from 1: ascending, not adjacent.
  public private(set) var skipSteps: [ClosedRange<Int>]
  /// Ascending by step.
  public private(set) var laterRates: [LaterRate]

  public init(skipSteps: [ClosedRange<Int>] = [], laterRates: [LaterRate] = []) {
    var merged: [ClosedRange<Int>] = []
    for window in skipSteps.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
      if let last = merged.last, window.lowerBound - 1 <= last.upperBound {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, window.upperBound)
      } else {
        merged.append(window)
      }
    }
    self.skipSteps = merged
    self.laterRates = laterRates.sorted { $0.after < $1.after }
  }

  /// The last step of the window that contains a step; nil for a step that is taken.
  public func endOfWindow(at step: Int) -> Int? { skipSteps.first { $0.contains(step) }?.upperBound }

  /// The schedule's peak for the step that follows `finished` steps; nil: as planned.
  public func learningRate(after finished: Int) -> Double? {
    laterRates.last { $0.after <= finished }?.learningRate
  }

  /// The part of the course that concerns the first `step` steps, as text: equal texts, equal steps.
  public func text(until step: Int = .max) -> String {
    let windows = skipSteps.filter { $0.lowerBound <= step }
      .map { "passes over \($0.lowerBound)-\(min($0.upperBound, step))" }
    let changes = laterRates.filter { $0.after < step }.map { "rate \($0.learningRate) after \($0.after)" }
    return (windows + changes).joined(separator: "; ")
  }

  /// The number of steps after `start`, up to `last`, that are taken.
  public func steps(after start: Int, until last: Int) -> Int {
    let skipped = skipSteps.reduce(0) { $0 + max(0, min($1.upperBound, last) - max($1.lowerBound, start + 1) + 1) }
    return max(0, last - start) - skipped
  }

  // MARK: JSON

  private enum CodingKeys: String, CodingKey { case skipSteps, laterRates }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let skipSteps = try container.decode([ClosedRange<Int>].self, forKey: .skipSteps)
    guard skipSteps.allSatisfy({ $0.lowerBound >= 1 }) else {
      throw DecodingError.dataCorruptedError(forKey: .skipSteps, in: container, debugDescription: "steps count from 1")
    }
    self.init(skipSteps: skipSteps, laterRates: try container.decode([LaterRate].self, forKey: .laterRates))
  }
}
