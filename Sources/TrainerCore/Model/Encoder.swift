import Synchronization

/// A transformer that turns tokens into vectors, under whatever head.
public protocol Encoder: Sendable {
  var shape: ModelShape { get }
  /// - Parameter only: rows among the batch's tokens that the caller reads; nil for all.
  /// - Returns: [tokens, hidden], or [rows, hidden].
  func encode(_ input: EncoderInput, training: Bool, only rows: Tensor?) throws(TorchError) -> Tensor
}

extension ModelShape {
  /// The encoder of this kind over parameters that lie on a device.
  public func encoder(_ parameters: Parameters, recomputesActivations: Bool = false) -> any Encoder {
    switch kind {
    case .mosaicBERT, .ropeBERT:
      var encoder = MosaicBERT(self, parameters)
      encoder.recomputesActivations = recomputesActivations
      return encoder
    case .bert: return StockBERT(self, parameters)
    }
  }
}

/// Tables that depend on the sequence length alone, kept for the length last used.
final class PositionCache: Sendable {
  private struct Kept {
    var length = -1
    var bias: Tensor?
    var rotary: (cosine: Tensor, sine: Tensor)?
  }
  private let kept = Mutex(Kept())

  func bias(_ length: Int, _ make: () throws(TorchError) -> Tensor) throws(TorchError) -> Tensor {
    if let bias = kept.withLock({ $0.length == length ? $0.bias : nil }) { return bias }
    let bias = try make()
    kept.withLock { $0 = Kept(length: length, bias: bias) }
    return bias
  }

  func rotary(
    _ length: Int, _ make: () throws(TorchError) -> (cosine: Tensor, sine: Tensor)
  ) throws(TorchError) -> (cosine: Tensor, sine: Tensor) {
    if let rotary = kept.withLock({ $0.length == length ? $0.rotary : nil }) { return rotary }
    let rotary = try make()
    kept.withLock { $0 = Kept(length: length, rotary: rotary) }
    return rotary
  }
}
