/// The loss of a step: each anchor is to be closer to its positive than to all other documents of the step (InfoNCE, van
/// den Oord et al. 2018, arXiv:1807.03748; with negatives of its own, MultipleNegativesRankingLoss of
/// sentence-transformers).
struct ContrastLoss {
  /// What cosines are divided by.
  let temperature: Double

  /// Far below every score, so that a document does not count.
  private static let ignored: Float = -1e9

  /// The mean cross-entropy over the anchors, one number.
  /// - Parameter vectors: of the batch's texts, in their order, [texts, hidden].
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  func callAsFunction(_ vectors: Tensor, _ batch: ContrastBatch, on device: Device) throws(TorchError) -> Tensor {
    let engine = vectors.engine, count = batch.examples
    let units = try vectors.unitRows()
    let anchors = try units.narrow(0, from: 0, count: count)
    let documents = try units.narrow(0, from: count, count: batch.documents)
    var scores = try anchors.linear(documents).scaled(1 / temperature)
    if !batch.ignored.isEmpty {
      var mask = [Float](repeating: 0, count: count * batch.documents)
      for pair in batch.ignored { mask[pair.anchor * batch.documents + pair.document] = Self.ignored }
      scores = try scores.plus(try engine.tensor(mask, on: device, shape: [count, batch.documents]))
    }
    return try scores.crossEntropy(try engine.tensor((0..<count).map(Int64.init), on: device))
  }
}
