import CTorch

/// The operations of a transformer, each one call of the engine, which may fuse it.
extension Tensor {
  private var table: pt_engine { @inline(__always) _read { yield engine.table.pointee } }

  /// Rows of a table: self [vocabulary, d], ids [n] → [n, d]. The padding row gets no gradient; −1: none.
  /// - Throws: `TorchError` (`operation`) if an id is not a row of the table.
  public func embedding(_ ids: Tensor, padding: Int = -1) throws(TorchError) -> Tensor {
    try engine.make("embedding") { table.embedding(handle, ids.handle, Int64(padding), $0) }
  }

  /// x·Wᵀ + b: [n, in], [out, in], [out] → [n, out].
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit.
  public func linear(_ weight: Tensor, _ bias: Tensor? = nil) throws(TorchError) -> Tensor {
    try engine.make("linear") { table.linear(handle, weight.handle, bias?.handle, $0) }
  }

  /// Normalizes the last dimension: [n, d] → [n, d].
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit.
  public func layerNorm(_ norm: LayerNorm) throws(TorchError) -> Tensor {
    try engine.make("layer_norm") {
      table.layer_norm(handle, norm.weight.handle, norm.bias?.handle, norm.epsilon, $0)
    }
  }

  /// - Parameter names: the rows' names, which determine the dropped values; nil: their numbers (see
  ///   `EncoderInput.names`).
  /// - Throws: `TorchError` (`operation`) if there are not as many names as rows.
  public func dropout(_ probability: Double, training: Bool, names: Tensor? = nil) throws(TorchError) -> Tensor {
    guard training, probability > 0 else { return self }
    return try engine.make("dropout") { table.dropout(handle, names?.handle, probability, true, $0) }
  }

  /// layerNorm(dropout(self) + residual).
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit.
  public func dropoutAddNorm(
    _ residual: Tensor, _ norm: LayerNorm, dropout: Double, training: Bool, names: Tensor? = nil
  ) throws(TorchError) -> Tensor {
    try engine.make("dropout_add_norm") {
      table.dropout_add_norm(
        handle, residual.handle, names?.handle, norm.weight.handle, norm.bias?.handle, dropout, training, norm.epsilon,
        $0)
    }
  }

  /// self + residual, and its layerNorm.
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit.
  public func addNorm(
    _ residual: Tensor, _ norm: LayerNorm
  ) throws(TorchError) -> (sum: Tensor, normed: Tensor) {
    var normed: OpaquePointer?
    let sum = try engine.make("add_norm") {
      table.add_norm(
        handle, residual.handle, norm.weight.handle, norm.bias?.handle, norm.epsilon, $0, &normed)
    }
    return (sum, Tensor(engine, normed!))
  }

  /// Rotary positions: turns the queries and keys of [tokens, 3·heads·d], ordered (q, k, v) × head × d. On a GPU, self is
  /// changed.
  /// - Parameters:
  ///   - cosine: float32 [positions, d/2], and `sine` alike; the halves of a head are pairs.
  ///   - positions: int64 [tokens].
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit.
  public func rotary(heads: Int, cosine: Tensor, sine: Tensor, positions: Tensor) throws(TorchError) -> Tensor {
    try engine.make("rotary") {
      table.rotary(handle, Int64(heads), cosine.handle, sine.handle, positions.handle, $0)
    }
  }

  /// dropout(gelu(first half) · second half): [n, 2h] → [n, h].
  /// - Throws: `TorchError` (`operation`) if the last dimension is odd.
  public func geglu(dropout: Double, training: Bool, names: Tensor? = nil) throws(TorchError) -> Tensor {
    try engine.make("geglu") { table.geglu(handle, names?.handle, dropout, training, $0) }
  }

  /// Attention over sequences of one length, self being query, key and value: [batch·length, 3·heads·d], ordered
  /// (q, k, v) × head × d.
  ///
  /// - Parameters:
  ///   - bias: added to q·k/√d; broadcast to [batch, heads, length, length].
  ///   - rotary: cosines and sines, [length, d] each.
  ///   - samples: the sequences' names for dropout, [batch]; nil: their numbers.
  /// - Returns: [batch·length, heads·d].
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit, or memory runs out.
  public func attention(
    batch: Int, length: Int, heads: Int, bias: Tensor?, rotary: (cosine: Tensor, sine: Tensor)? = nil,
    samples: Tensor? = nil, dropout: Double = 0, training: Bool
  ) throws(TorchError) -> Tensor {
    try engine.make("attention") {
      table.attention(
        handle, Int64(batch), Int64(length), Int64(heads), bias?.handle, rotary?.cosine.handle, rotary?.sine.handle,
        samples?.handle, dropout, training, $0)
    }
  }

  /// A bias of attention in which each segment of a sequence sees only itself: segments [batch, length] as numbers →
  /// [batch, 1, length, length], 0 within a segment and −10,000 elsewhere.
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  public func separation(_ dtype: DType = .float32) throws(TorchError) -> Tensor {
    try engine.make("separation") { table.separation(handle, dtype.rawValue, $0) }
  }

  /// Whether `segmentedAttention` is there for tensors of this type on this device.
  public var takesSegments: Bool { table.takes_segments(handle) }

  /// Attention of tokens to the tokens of their own segment, with heads of size 64 and without dropout, self being query,
  /// key and value: [tokens, 3·heads·64] → [tokens, heads·64]. The same input gives the same bits.
  ///
  /// - Parameters:
  ///   - length: tokens of each segment, without bounds.
  ///   - bounds: int32 [2, tokens]: where each token's segment begins and ends among the tokens.
  ///   - slopes: float32 [heads]: what q·k/8 loses per token of distance.
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit, where `takesSegments` is false, or memory runs out.
  public func segmentedAttention(length: Int, heads: Int, bounds: Tensor?, slopes: Tensor?) throws(TorchError) -> Tensor
  {
    try engine.make("segmented_attention") {
      table.segmented_attention(handle, Int64(length), Int64(heads), bounds?.handle, slopes?.handle, $0)
    }
  }

  /// The label of rows that do not count in `crossEntropy`.
  public static let ignoredLabel = -100

  /// Cross-entropy in nats of logits [n, classes] against labels [n], in fp32; the mean over labels that are not
  /// `ignoring`, or their sum.
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit.
  public func crossEntropy(
    _ labels: Tensor, ignoring: Int = Tensor.ignoredLabel, sum: Bool = false
  ) throws(TorchError) -> Tensor {
    try engine.make("cross_entropy") { table.cross_entropy(handle, labels.handle, Int64(ignoring), sum, $0) }
  }
}

/// Scale and shift of a layer normalization, [d] each; some norms have no shift.
public struct LayerNorm: Sendable {
  public var weight: Tensor
  public var bias: Tensor?
  public var epsilon: Double
}

extension Engine {
  /// Runs `block` now without keeping what its gradient needs, and again, with the same random numbers, when the
  /// gradient is computed: saves memory, costs time.
  /// - Throws: what `block` throws.
  public func checkpointed(
    _ inputs: [Tensor], _ block: @escaping ([Tensor]) throws(TorchError) -> Tensor
  ) throws(TorchError) -> Tensor {
    let context = Unmanaged.passRetained(RecomputedBlock(self, block)).toOpaque()
    let handles = inputs.map { Optional($0.handle) }
    return try make("checkpoint") {
      table.pointee.checkpoint(
        { context, inputs, count, out in
          let work = Unmanaged<RecomputedBlock>.fromOpaque(context!).takeUnretainedValue()
          return work.run(inputs!, count, out!)
        }, context, { Unmanaged<RecomputedBlock>.fromOpaque($0!).release() }, handles, handles.count, $0)
    }
  }
}

private final class RecomputedBlock {
  private let engine: Engine
  private let block: ([Tensor]) throws(TorchError) -> Tensor

  init(_ engine: Engine, _ block: @escaping ([Tensor]) throws(TorchError) -> Tensor) {
    self.engine = engine
    self.block = block
  }

  func run(
    _ inputs: UnsafePointer<OpaquePointer?>, _ count: Int, _ out: UnsafeMutablePointer<OpaquePointer?>
  ) -> Int32 {
    do throws(TorchError) {
      var tensors: [Tensor] = []
      for index in 0..<count {
        tensors.append(try engine.make("alias") { engine.table.pointee.alias(inputs[index], $0) })
      }
      let result = try block(tensors)
      // The engine needs its own handle.
      return engine.table.pointee.alias(result.handle, out)
    } catch { return 1 }
  }
}
