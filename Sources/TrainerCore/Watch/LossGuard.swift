/// Stops training at a loss or gradient that is not a finite number.
public enum LossGuard {
  /// - Parameters:
  ///   - step: the step that the values are of, from 1.
  ///   - documents: ids of the batch's documents; asked only when training stops.
  ///   - lastGood: the newest durable checkpoint.
  public static func check(
    loss: Double, gradientNorm: Double? = nil, step: Int, lastGood: (step: Int, folder: String)?,
    documents: () -> [String]
  ) throws(TorchError) {
    let wrong: String
    if !loss.isFinite {
      wrong = "the loss is \(word(loss))"
    } else if let gradientNorm, !gradientNorm.isFinite {
      wrong = "the gradient's norm is \(word(gradientNorm)) (the loss is \(loss))"
    } else {
      return
    }
    throw TorchError(
      .diverged, "step \(step)", "\(wrong); \(named(documents()))", hint: hint(lastGood: lastGood))
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

  private static func hint(lastGood: (step: Int, folder: String)?) -> String {
    let start = lastGood.map { "The last good checkpoint is of step \($0.step): \($0.folder)." }
    return "\(start ?? "There is no checkpoint yet.") Try a lower learning rate, a longer warm-up or clipping."
  }
}
