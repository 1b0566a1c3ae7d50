import Synchronization

/// A transformer that turns tokens into vectors, for any head.
public protocol TextEncoder: Sendable {
  var shape: ModelShape { get }
  /// - Parameters:
  ///   - training: whether values are dropped out.
  ///   - rows: those of the batch's tokens that the caller reads; nil: all.
  /// - Returns: [tokens, hidden], or [rows, hidden].
  /// - Throws: `TorchError` (`operation`) if the sequences are too long for the model, or memory runs out.
  func encode(_ input: EncoderInput, training: Bool, only rows: Tensor?) throws(TorchError) -> Tensor
}

extension ModelShape {
  /// The encoder of this kind with parameters on a device.
  public func encoder(_ parameters: Parameters, recomputeActivations: Bool = false) -> any TextEncoder {
    switch kind {
    case .mosaicBERT, .ropeBERT:
      var encoder = MosaicBERT(self, parameters)
      encoder.recomputeActivations = recomputeActivations
      return encoder
    case .bert: return StockBERT(self, parameters)
    case .modernBERT:
      var encoder = ModernBERT(self, parameters)
      encoder.recomputeActivations = recomputeActivations
      return encoder
    }
  }
}

/// Tables that depend only on the sequence length, cached by length: batches are padded to their longest sequence.
final class PositionCache: Sendable {
  typealias Tables = [Tensor]

  private struct Kept {
    var tables: [Int: Tables] = [:]
    var bytes = 0
  }
  private let kept = Mutex(Kept())
  private static let limitBytes = 128 << 20

  func tables(_ length: Int, _ make: () throws(TorchError) -> Tables) throws(TorchError) -> Tables {
    if let known = kept.withLock({ $0.tables[length] }) { return known }
    let tables = try make()
    let bytes = tables.reduce(0) { $0 + $1.count * $1.dtype.bytes }
    kept.withLock {
      if $0.bytes + bytes > Self.limitBytes { $0 = Kept() }
      $0.tables[length] = tables
      $0.bytes += bytes
    }
    return tables
  }
}

/// Names for dropout of the rows that a layer reads; nil if nothing is dropped.
struct DropoutNames {
  var tokens: Tensor?
  var sequences: Tensor?

  init(_ input: EncoderInput, _ shape: ModelShape, training: Bool) throws(TorchError) {
    guard training, shape.dropout > 0 || shape.attentionDropout > 0 else { return }
    (tokens, sequences) = try input.names()
  }

  /// The names of the rows that the last layer keeps.
  func only(_ rows: Tensor?) throws(TorchError) -> Tensor? {
    guard let tokens, let rows else { return tokens }
    return try tokens.rows(rows)
  }
}
