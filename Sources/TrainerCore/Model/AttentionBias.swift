/// What is added to the products of attention: by distance, for all sequences alike, and by sequence, such as its padding.
///
/// The sum of both has as many values for each sequence as there are pairs of its places. Training keeps one for all layers;
/// otherwise a large one is made of some sequences at a time, in every layer anew.
struct AttentionBias {
  /// Values of a sum that is made at once: 256 MiB in fp32.
  static let limit = 1 << 26

  private let batch, length: Int
  /// Broadcast to [batch, heads, length, length]; nil: nothing is added, or parts.
  private let whole: Tensor?
  private let parts: Parts?

  private struct Parts {
    var distance, sequences: Tensor
    /// Sequences whose sum is made at once.
    var group: Int
  }

  /// - Parameters:
  ///   - distance: [1, 1 or heads, length, length]; nil: nothing.
  ///   - sequences: [batch, 1, 1 or length, length]; nil: nothing.
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  init(
    distance: Tensor?, sequences: Tensor?, of input: EncoderInput, training: Bool, limit: Int = Self.limit
  ) throws(TorchError) {
    (batch, length) = (input.batch, input.length)
    guard let distance, let sequences else {
      (whole, parts) = (distance ?? sequences, nil)
      return
    }
    let group = max(1, limit / distance.count)
    guard !training, group < batch else {
      (whole, parts) = (try distance.plus(sequences), nil)
      return
    }
    (whole, parts) = (nil, Parts(distance: distance, sequences: sequences, group: group))
  }

  /// Attention with this bias; see `Tensor.attention`.
  /// - Parameter qkv: [batch·length, 3·heads·d].
  /// - Returns: [batch·length, heads·d].
  /// - Throws: `TorchError` (`operation`) if the shapes do not fit, or memory runs out.
  func attention(
    _ qkv: Tensor, _ shape: ModelShape, _ device: Device, rotary: (cosine: Tensor, sine: Tensor)? = nil,
    samples: Tensor?, training: Bool
  ) throws(TorchError) -> Tensor {
    guard let parts else {
      return try qkv.attention(
        batch: batch, length: length, heads: shape.heads, bias: whole, rotary: rotary, samples: samples,
        dropout: shape.attentionDropout, training: training)
    }
    var all: Tensor?
    for start in stride(from: 0, to: batch, by: parts.group) {
      let count = min(parts.group, batch - start), places = (start * length)..<((start + count) * length)
      let bias = try parts.distance.plus(parts.sequences.narrow(0, from: start, count: count))
      let own = try qkv.narrow(0, from: places.lowerBound, count: places.count).attention(
        batch: count, length: length, heads: shape.heads, bias: bias, rotary: rotary, training: false)
      let numbers = try qkv.engine.tensor(places.map(Int64.init), on: device)
      let placed = try own.scattered(to: numbers, of: batch * length)
      all = if let all { try all.plus(placed) } else { placed }
    }
    return all!
  }
}
