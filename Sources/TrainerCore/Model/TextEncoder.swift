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
  public func encoder(_ parameters: Parameters, recomputeActivations: Bool = false) -> any Encoder {
    switch kind {
    case .mosaicBERT, .ropeBERT:
      var encoder = MosaicBERT(self, parameters)
      encoder.recomputeActivations = recomputeActivations
      return encoder
    case .bert: return StockBERT(self, parameters)
    }
  }
}

/// Tables that depend on the sequence length alone, kept for the lengths that come again: batches are padded to their
/// longest sequence.
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

/// What dropout calls the rows that a layer reads; nothing where nothing is dropped.
struct DropoutNames {
  var tokens: Tensor?
  var sequences: Tensor?

  init(_ input: EncoderInput, _ shape: ModelShape, training: Bool) throws(TorchError) {
    guard training, shape.dropout > 0 || shape.attentionDropout > 0 else { return }
    (tokens, sequences) = try input.names()
  }

  /// Of the rows that the last layer goes on with.
  func only(_ rows: Tensor?) throws(TorchError) -> Tensor? {
    guard let tokens, let rows else { return tokens }
    return try tokens.rows(rows)
  }
}
