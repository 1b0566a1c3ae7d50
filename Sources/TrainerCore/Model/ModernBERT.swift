import Glibc

/// ModernBERT (Warner et al. 2024, arXiv:2412.13663): rotary positions, layers that see a window of the input between
/// layers that see all of it, gated linear units, and normalization before each part; the model that transformers calls
/// `modernbert`.
public struct ModernBERT: TextEncoder {
  public let shape: ModelShape
  /// Whether the backward pass recomputes the layers' activations instead of keeping them.
  public var recomputeActivations = false
  private let parameters: Parameters
  private let words: Tensor
  private let norm, finalNorm: LayerNorm
  private let layers: [Layer]
  private let tables = PositionCache()
  private let windows = PositionCache()

  public init(_ shape: ModelShape, _ parameters: Parameters) {
    self.shape = shape
    self.parameters = parameters
    words = parameters["bert.embeddings.word_embeddings.weight"]
    norm = parameters.norm("bert.embeddings.LayerNorm", epsilon: shape.normEpsilon)
    finalNorm = parameters.norm("bert.encoder.LayerNorm", epsilon: shape.normEpsilon)
    layers = (0..<shape.layers).map { Layer(shape, parameters, $0) }
  }

  /// - Throws: `TorchError` (`operation`) if memory runs out.
  public func encode(_ input: EncoderInput, training: Bool, only rows: Tensor? = nil) throws(TorchError) -> Tensor {
    let names = try DropoutNames(input, shape, training: training)
    var x = try words.embedding(input.ids, padding: shape.padding).layerNorm(norm)
      .dropout(shape.dropout, training: training, names: names.tokens)
    let places = try places(input, like: x, training: training)
    var rest: Tensor?
    for (index, layer) in layers.enumerated() {
      let read = index == layers.count - 1 ? rows : nil
      guard recomputeActivations, training else {
        let out = try layer(x, plus: rest, input, places, training, names, only: read)
        (x, rest) = (out.sum, out.rest)
        continue
      }
      x = try parameters.engine.checkpointed([x]) { inputs throws(TorchError) in
        let out = try layer(inputs[0], plus: nil, input, places, training, names, only: read)
        return try out.sum.plus(out.rest)
      }
    }
    guard let rest else { return try x.layerNorm(finalNorm) }
    return try rest.addNorm(x, finalNorm).normed
  }

  // MARK: One layer

  struct Layer {
    let shape: ModelShape
    let isGlobal: Bool
    /// nil in the first layer, whose input is normalized.
    let attentionNorm: LayerNorm?
    let queryKeyValue, output, gated, down: Tensor
    let queryKeyValueBias, outputBias, gatedBias, downBias: Tensor?
    let norm: LayerNorm

    init(_ shape: ModelShape, _ parameters: Parameters, _ number: Int) {
      let name = "bert.encoder.layer.\(number)"
      self.shape = shape
      isGlobal = shape.modern.isGlobal(layer: number)
      attentionNorm =
        number == 0 ? nil : parameters.norm("\(name).attention.LayerNorm", epsilon: shape.normEpsilon)
      queryKeyValue = parameters["\(name).attention.self.Wqkv.weight"]
      queryKeyValueBias = parameters.bias("\(name).attention.self.Wqkv")
      output = parameters["\(name).attention.output.dense.weight"]
      outputBias = parameters.bias("\(name).attention.output.dense")
      norm = parameters.norm("\(name).mlp.layernorm", epsilon: shape.normEpsilon)
      gated = parameters["\(name).mlp.gated_layers.weight"]
      gatedBias = parameters.bias("\(name).mlp.gated_layers")
      down = parameters["\(name).mlp.wo.weight"]
      downBias = parameters.bias("\(name).mlp.wo")
    }

    /// The layer's output is `sum` + `rest`, which the next norm adds up: [tokens, hidden] → twice the same, or
    /// [rows, hidden] of the requested rows.
    /// - Parameter previous: what is still to be added to `x`.
    func callAsFunction(
      _ x: Tensor, plus previous: Tensor?, _ input: EncoderInput, _ places: Places, _ training: Bool,
      _ names: DropoutNames, only rows: Tensor?
    ) throws(TorchError) -> (sum: Tensor, rest: Tensor) {
      var residual = x, normed = x
      if let previous, let attentionNorm {
        (residual, normed) = try previous.addNorm(x, attentionNorm)
      } else if let attentionNorm {
        normed = try x.layerNorm(attentionNorm)
      }
      var context = try attention(normed, input, places, training, names)
      if let rows {
        context = try context.rows(rows)
        residual = try residual.rows(rows)
      }
      let left = try names.only(rows)
      let attended = try context.linear(output, outputBias)
        .dropout(shape.attentionDropout, training: training, names: left)
      let (sum, inner) = try attended.addNorm(residual, norm)
      let hidden = try inner.linear(gated, gatedBias)
        .geglu(dropout: shape.dropout, training: training, names: left)
      return (sum, try hidden.linear(down, downBias))
    }

    /// The linear layers and the rotation run on tokens; without segments, attention needs sequences of one length.
    private func attention(
      _ x: Tensor, _ input: EncoderInput, _ places: Places, _ training: Bool, _ names: DropoutNames
    ) throws(TorchError) -> Tensor {
      let sight = isGlobal ? places.global : places.local
      var qkv = try x.linear(queryKeyValue, queryKeyValueBias)
        .rotary(heads: shape.heads, cosine: sight.cosine, sine: sight.sine, positions: places.positions)
      if places.usesSegments, !(sight.bounds == nil && input.hasShortKernel) {
        return try qkv.segmentedAttention(
          length: input.length, heads: shape.heads, bounds: sight.bounds, slopes: nil)
      }
      if let places = input.places { qkv = try qkv.scattered(to: places, of: input.batch * input.length) }
      let context = try sight.bias.attention(
        qkv, shape, input.device, samples: names.sequences, training: training)
      return if let places = input.places { try context.rows(places) } else { context }
    }
  }

  // MARK: Where tokens stand, and what they see

  /// Of one kind of layer: the rotary tables [positions, headSize / 2], and what is hidden from a token, as bounds or as
  /// a bias; neither: nothing.
  struct Sight {
    var cosine, sine: Tensor
    var bounds: Tensor?
    var bias: AttentionBias
  }

  struct Places {
    let positions: Tensor
    /// Whether attention skips padding, other segments and what is out of reach, instead of masking it.
    let usesSegments: Bool
    let global, local: Sight
  }

  private func places(_ input: EncoderInput, like x: Tensor, training: Bool) throws(TorchError) -> Places {
    let drops = training && shape.attentionDropout > 0
    let usesSegments = shape.headSize == 64 && !drops && x.takesSegments
    let tables = try tables.tables(input.length) { () throws(TorchError) in
      try rotary(shape.rotaryBase, input.length) + rotary(shape.modern.localRotaryBase, input.length)
    }
    let nothing = try AttentionBias(distance: nil, sequences: nil, of: input, training: training)
    var global = Sight(cosine: tables[0], sine: tables[1], bias: nothing)
    var local = Sight(cosine: tables[2], sine: tables[3], bias: nothing)
    if usesSegments {
      global.bounds = try input.bounds()
      local.bounds = try input.bounds(reach: shape.modern.reach)
    } else {
      let dtype: DType = parameters.precision == .float32 ? .float32 : .bfloat16
      let padding = try input.padding?.to(dtype, device: parameters.device)
      global.bias = try AttentionBias(distance: nil, sequences: padding, of: input, training: training)
      local.bias = try AttentionBias(
        distance: window(input.length, dtype), sequences: padding, of: input, training: training)
    }
    return Places(positions: try input.positions(), usesSegments: usesSegments, global: global, local: local)
  }

  /// What is out of reach in local layers; nil: nothing.
  private func window(_ length: Int, _ dtype: DType) throws(TorchError) -> Tensor? {
    guard length > shape.modern.reach + 1 else { return nil }
    return try windows.tables(length) { () throws(TorchError) in
      [
        try Self.window(length, reach: shape.modern.reach, parameters.engine).to(dtype, device: parameters.device)
      ]
    }[0]
  }

  /// 0 up to a distance and −10,000 beyond it, [1, 1, length, length].
  static func window(_ length: Int, reach: Int, _ engine: Engine) throws(TorchError) -> Tensor {
    var bias = [Float](repeating: -10_000, count: length * length)
    for i in 0..<length {
      for j in max(0, i - reach)...min(length - 1, i + reach) { bias[i * length + j] = 0 }
    }
    return try engine.tensor(bias, shape: [1, 1, length, length])
  }

  /// Cosines and sines of position·base^(−2i/d), [length, d/2] each (Su et al. 2021, arXiv:2104.09864).
  private func rotary(_ base: Double, _ length: Int) throws(TorchError) -> [Tensor] {
    let size = shape.headSize, half = size / 2
    var cosine = [Float](repeating: 0, count: length * half), sine = cosine
    // In fp32, as transformers computes it.
    let frequencies = (0..<half).map { 1 / powf(Float(base), Float(2 * $0) / Float(size)) }
    for position in 0..<length {
      for (index, frequency) in frequencies.enumerated() {
        let angle = Float(position) * frequency
        cosine[position * half + index] = cosf(angle)
        sine[position * half + index] = sinf(angle)
      }
    }
    return [
      try parameters.engine.tensor(cosine, on: parameters.device, shape: [length, half]),
      try parameters.engine.tensor(sine, on: parameters.device, shape: [length, half]),
    ]
  }
}
