/// Samples per step that grow over the first steps of a training.
public struct BatchRamp: Codable, Equatable, Sendable {
  /// Steps before the batch has its full size.
  public var steps: Int
  /// Samples of the first step. All sizes before the full one are multiples of it.
  public var first: Int

  public init(steps: Int, first: Int) {
    self.steps = steps
    self.first = first
  }
}

/// The samples of each step of a training.
///
/// During a ramp of n steps from the size a to the size b, the step that follows s others has a + (b − a) · s / n
/// samples, rounded down to a multiple of a.
public struct StepSizes: Equatable, Sendable {
  /// Of every step after the ramp.
  public let batchSize: Int
  /// Samples of all steps before each step of the ramp, and before the one after it; one number without a ramp.
  private let before: [Int]

  public init(batchSize: Int, ramp: BatchRamp? = nil) {
    self.batchSize = batchSize
    var before = [0]
    if let ramp, ramp.steps > 0, ramp.first > 0 {
      before.reserveCapacity(ramp.steps + 1)
      for step in 0..<ramp.steps {
        let size = ramp.first + (batchSize - ramp.first) * step / ramp.steps
        before.append(before[step] + size / ramp.first * ramp.first)
      }
    }
    self.before = before
  }

  /// Steps that have other sizes than the full one.
  var rampSteps: Int { before.count - 1 }

  /// "2048", or "256 to 2048" with a ramp; for messages.
  public var rangeText: String { rampSteps > 0 ? "\(size(after: 0)) to \(batchSize)" : "\(batchSize)" }

  /// Samples of the step that follows `finished` steps.
  public func size(after finished: Int) -> Int {
    finished < rampSteps ? before[finished + 1] - before[finished] : batchSize
  }

  /// Samples of the first `steps` steps.
  public func samples(of steps: Int) -> Int {
    steps <= rampSteps ? before[max(0, steps)] : before[rampSteps] + (steps - rampSteps) * batchSize
  }

  /// Samples of the steps that follow the first of the range, up to its end.
  public func samples(of steps: Range<Int>) -> Int { samples(of: steps.upperBound) - samples(of: steps.lowerBound) }

  /// The number of steps after `finished` that samples fill completely.
  public func steps(after finished: Int, filledBy samples: Double) -> Double {
    var left = samples, step = finished
    while step < rampSteps {
      let size = Double(size(after: step))
      guard left >= size else { return Double(step - finished) }
      left -= size
      step += 1
    }
    return Double(step - finished) + (left / Double(batchSize)).rounded(.down)
  }
}
