public import ShardKit

/// Stops training at a loss or gradient that is not a finite number.
public enum LossGuard {
  /// The process that checks, and those whose loss is not finite.
  public struct ReportingProcess: Sendable {
    public var rank: Int
    /// The number of processes.
    public var size: Int
    /// Ranks of the processes whose own loss is not finite.
    public var culprits: [Int]

    public init(rank: Int = 0, size: Int = 1, culprits: [Int] = []) {
      self.rank = rank
      self.size = size
      self.culprits = culprits
    }

    var isInnocent: Bool { !culprits.isEmpty && !culprits.contains(rank) }
    var whose: String {
      let named = culprits.map(String.init).joined(separator: ", ")
      return culprits.count == 1 ? "process \(named)" : "processes \(named)"
    }
  }

  /// - Parameters:
  ///   - step: the step of the values, from 1.
  ///   - documents: ids of the batch's documents; called only if training stops.
  ///   - lastGood: the newest durable checkpoint; its folder if that is on this machine.
  /// - Throws: `TorchError` (`diverged`) if loss or gradient norm are not finite; (`group`) if only those of others
  ///   are.
  public static func check(
    loss: Double, gradientNorm: Double? = nil, step: Int, lastGood: (step: Int, folder: String?)?,
    process: ReportingProcess = ReportingProcess(), documents: () -> [String]
  ) throws(TorchError) {
    guard let fault = fault(loss: loss, gradientNorm: gradientNorm) else { return }
    if process.isInnocent {
      // Its own documents are not the cause; the process that has them names them.
      throw TorchError(
        .group, "process \(process.rank) of \(process.size)",
        "stops at step \(step): the loss of \(process.whose) is not a number", hint: "See the message of that process.")
    }
    throw TorchError(
      .diverged, "step \(step)", "\(fault); \(named(documents()))", hint: hint(lastGood: lastGood))
  }

  /// What is not finite, as a clause; nil if both are.
  static func fault(loss: Double, gradientNorm: Double? = nil) -> String? {
    if !loss.isFinite { return "the loss is \(word(loss))" }
    guard let gradientNorm, !gradientNorm.isFinite else { return nil }
    return "the gradient norm is \(word(gradientNorm)) (the loss is \(loss))"
  }

  private static func word(_ value: Double) -> String {
    value.isNaN ? "not a number" : value < 0 ? "minus infinity" : "infinite"
  }

  private static func named(_ documents: [String]) -> String {
    guard !documents.isEmpty else { return "the batch's documents are unknown" }
    let first = documents.prefix(5).joined(separator: ", ")
    return documents.count <= 5
      ? "its batch has the documents \(first)" : "its batch has the documents \(first) and \(documents.count - 5) more"
  }

  private static func hint(lastGood: (step: Int, folder: String?)?) -> String {
    let start = lastGood.map { good in
      "The last good checkpoint is of step \(good.step)\(good.folder.map { ": \($0)" } ?? "")."
    }
    return
      "\(start ?? "There is no checkpoint yet.") Pass over these steps with \"skipSteps\", set a lower rate from an"
      + " earlier step on with \"laterRates\", or tolerate some such steps with \"skipNonFinite\": the next run resumes"
      + " at the last checkpoint before that."
  }
}
