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
  /// - Parameter peakFLOPs: per second, of all devices (`DevicePeak`).
  public func modelFLOPsUtilization(flopsPerToken: Double, peakFLOPs: Double?) -> Double? {
    guard let peakFLOPs, peakFLOPs > 0, let tokensPerSecond else { return nil }
    return tokensPerSecond * flopsPerToken / peakFLOPs
  }
}

/// Dense bfloat16 operations per second, by the vendor's data sheets.
public enum DevicePeak {
  /// nil for devices whose peak is not listed here: their utilization is unknown.
  public static func bfloat16FLOPs(ofDevice name: String) -> Double? {
    // PCI Express cards are slower than the modules of the same name.
    let isCard = name.contains("PCIe") || name.contains("NVL")
    if name.contains("H100") || name.contains("H200") { return isCard ? nil : 989e12 }
    return name.contains("A100") ? 312e12 : nil
  }
}

extension ModelShape {
  /// Floating point operations of training per token, forward and backward.
  ///
  /// 6 per weight of a layer's matrices, 12·s·d per layer for attention's scores and sums, and 6·(d² + d·V) for the
  /// head, which sees only the masked tokens. Embeddings, norms and recomputation do not count.
  public func trainingFLOPsPerToken(sequenceLength: Int, maskFraction: Double) -> Double {
    let matrices = parameters(ofLayer: 0).filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
    let attention = 12 * Double(sequenceLength) * Double(hiddenSize)
    let head = Double(hiddenSize * hiddenSize + hiddenSize * vocabularySize)
    return Double(layers) * (6 * Double(matrices) + attention) + 6 * maskFraction * head
  }
}
