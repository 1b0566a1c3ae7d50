import ShardKit

/// Tokens per second over the last steps, and the remaining time.
public struct Throughput: Sendable {
  private struct Mark {
    var seconds: Double
    var step: Int
    var tokens: Int
  }

  /// The number of steps that rates are averaged over.
  public let window: Int
  private var marks: [Mark] = []
  private var next = 0

  public init(window: Int = 100) { self.window = max(1, window) }

  /// Records the end of a step.
  ///
  /// The first one only starts the clock: its time includes warm-up.
  /// - Parameters:
  ///   - tokens: without padding, since any fixed moment.
  ///   - seconds: of a monotonic clock.
  public mutating func record(step: Int, tokens: Int, seconds: Double? = nil) {
    let mark = Mark(seconds: seconds ?? monotonicSeconds(), step: step, tokens: tokens)
    if marks.count <= window {
      marks.append(mark)
    } else {
      marks[next] = mark
      next = (next + 1) % marks.count
    }
  }

  /// Discards what was measured: after a pause, such as an evaluation.
  public mutating func restart() {
    marks = []
    next = 0
  }

  private var span: (first: Mark, last: Mark)? {
    guard marks.count > 1 else { return nil }
    let first = marks[next % marks.count]
    let last = marks[(next + marks.count - 1) % marks.count]
    return last.seconds > first.seconds ? (first, last) : nil
  }

  /// nil before the second step.
  public var tokensPerSecond: Double? {
    span.map { Double($0.last.tokens - $0.first.tokens) / ($0.last.seconds - $0.first.seconds) }
  }

  public var secondsPerStep: Double? {
    guard let span, span.last.step > span.first.step else { return nil }
    return (span.last.seconds - span.first.seconds) / Double(span.last.step - span.first.step)
  }

  public func secondsRemaining(until totalSteps: Int) -> Double? {
    guard let secondsPerStep, let last = span?.last else { return nil }
    return Double(max(0, totalSteps - last.step)) * secondsPerStep
  }

  /// The fraction of the peak that the model's own operations take: 0…1.
  ///
  /// - Parameter peakFLOPs: per second, of all devices (`DeviceKind`).
  public func modelFLOPsUtilization(flopsPerToken: Double, peakFLOPs: Double?) -> Double? {
    guard let peakFLOPs, peakFLOPs > 0, let tokensPerSecond else { return nil }
    return tokensPerSecond * flopsPerToken / peakFLOPs
  }
}
