import Glibc

/// MosaicBERT (Portes et al. 2023, arXiv:2312.17482): BERT with distances as biases of attention (ALiBi), gated linear
/// units, and linear layers that skip padding.
///
/// A batch is embedded and goes through layers of attention and gated MLP, each followed by residual and normalization.
/// With rotary positions in place of ALiBi it is `nomic_bert` of transformers.
public struct MosaicBERT: TextEncoder {
  public let shape: ModelShape
  private let embedding: Embedding
  private let layers: [Layer]
  private let parameters: Parameters
  /// Whether the backward pass recomputes the layers' activations instead of keeping them.
  public var recomputeActivations = false
  private let positions = PositionCache()

  public init(_ shape: ModelShape, _ parameters: Parameters) {
    self.shape = shape
    self.parameters = parameters
    embedding = Embedding(shape, parameters)
    layers = (0..<shape.layers).map { Layer(shape, parameters, "bert.encoder.layer.\($0)") }
  }

  /// - Parameter only: rows among the batch's tokens that the caller reads; the last layer computes no others.
  /// - Returns: [tokens, hidden], or [rows, hidden].
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  public func encode(_ input: EncoderInput, training: Bool, only rows: Tensor? = nil) throws(TorchError) -> Tensor {
    let names = try DropoutNames(input, shape, training: training)
    var x = try embedding(input, training, names)
    let distances = try distances(input, like: x, training: training)
    for (index, layer) in layers.enumerated() {
      let read = index == layers.count - 1 ? rows : nil
      guard recomputeActivations, training else {
        x = try layer(x, input, distances, training, names, only: read)
        continue
      }
      x = try parameters.engine.checkpointed([x]) { inputs throws(TorchError) in
        try layer(inputs[0], input, distances, training, names, only: read)
      }
    }
    return x
  }

  // MARK: Token and type

  struct Embedding {
    let word, type: Tensor
    let norm: LayerNorm
    let shape: ModelShape

    init(_ shape: ModelShape, _ parameters: Parameters) {
      self.shape = shape
      word = parameters["bert.embeddings.word_embeddings.weight"]
      type = parameters["bert.embeddings.token_type_embeddings.weight"]
      norm = parameters.norm("bert.embeddings.LayerNorm", epsilon: shape.normEpsilon)
    }

    func callAsFunction(_ input: EncoderInput, _ training: Bool, _ names: DropoutNames) throws(TorchError) -> Tensor {
      let words = try word.embedding(input.ids, padding: shape.padding)
      let ids = shape.tokenTypes > 1 ? input.types : nil
      let types = if let ids { try type.embedding(ids) } else { try type.narrow(0, from: 0, count: 1) }
      return try words.plus(types).layerNorm(norm)
        .dropout(shape.dropout, training: training, names: names.tokens)
    }
  }

  // MARK: One layer

  struct Layer {
    let shape: ModelShape
    let queryKeyValue, queryKeyValueBias, output, outputBias: Tensor?
    let attentionNorm: LayerNorm
    let gated, down: Tensor
    let downBias: Tensor?
    let norm: LayerNorm

    init(_ shape: ModelShape, _ parameters: Parameters, _ name: String) {
      self.shape = shape
      let hasBias = shape.kind == .mosaicBERT
      queryKeyValue = parameters["\(name).attention.self.Wqkv.weight"]
      queryKeyValueBias = hasBias ? parameters["\(name).attention.self.Wqkv.bias"] : nil
      output = parameters["\(name).attention.output.dense.weight"]
      outputBias = hasBias ? parameters["\(name).attention.output.dense.bias"] : nil
      attentionNorm = parameters.norm("\(name).attention.output.LayerNorm", epsilon: shape.normEpsilon)
      gated = parameters["\(name).mlp.gated_layers.weight"]
      down = parameters["\(name).mlp.wo.weight"]
      downBias = hasBias ? parameters["\(name).mlp.wo.bias"] : nil
      norm = parameters.norm("\(name).mlp.layernorm", epsilon: shape.normEpsilon)
    }

    /// [tokens, hidden] → [tokens, hidden], or [rows, hidden] of the requested rows.
    func callAsFunction(
      _ x: Tensor, _ input: EncoderInput, _ distances: Distances, _ training: Bool, _ names: DropoutNames,
      only rows: Tensor?
    ) throws(TorchError) -> Tensor {
      var context = try attention(x, input, distances, training, names)
      var residual = x
      if let rows {
        context = try context.rows(rows)
        residual = try x.rows(rows)
      }
      let left = try names.only(rows)
      let attended = try context.linear(output!, outputBias)
        .dropoutAddNorm(residual, attentionNorm, dropout: shape.dropout, training: training, names: left)
      return try mlp(attended, training, left)
    }

    /// The linear layers run on tokens; only attention itself needs sequences of one length.
    private func attention(
      _ x: Tensor, _ input: EncoderInput, _ distances: Distances, _ training: Bool, _ names: DropoutNames
    ) throws(TorchError) -> Tensor {
      var qkv = try x.linear(queryKeyValue!, queryKeyValueBias)
      if let slopes = distances.slopes {
        return try qkv.segmentedAttention(
          length: input.length, heads: shape.heads, bounds: distances.bounds, slopes: slopes)
      }
      if let places = input.places { qkv = try qkv.scattered(to: places, of: input.batch * input.length) }
      let context = try distances.bias.attention(
        qkv, shape, input.device, rotary: distances.rotary, samples: names.sequences, training: training)
      return if let places = input.places { try context.rows(places) } else { context }
    }

    /// MosaicBERT drops out after the gate; `nomic_bert` after the last linear.
    private func mlp(_ x: Tensor, _ training: Bool, _ names: Tensor?) throws(TorchError) -> Tensor {
      let isMosaic = shape.kind == .mosaicBERT
      let hidden = try x.linear(gated).geglu(
        dropout: isMosaic ? shape.dropout : 0, training: training, names: names)
      return try hidden.linear(down, downBias)
        .dropoutAddNorm(x, norm, dropout: isMosaic ? 0 : shape.dropout, training: training, names: names)
    }
  }

  // MARK: Where tokens stand

  struct Distances {
    var bias: AttentionBias
    var rotary: (cosine: Tensor, sine: Tensor)?
    /// In place of `bias`, with the segments' bounds.
    var slopes: Tensor?
    var bounds: Tensor?
  }

  /// Whether attention skips padding and other segments instead of masking them.
  private func usesSegments(_ input: EncoderInput, like x: Tensor, training: Bool) -> Bool {
    let drops = training && shape.attentionDropout > 0
    return shape.kind == .mosaicBERT && shape.headSize == 64 && !input.hasShortKernel && !drops && x.takesSegments
  }

  private func distances(
    _ input: EncoderInput, like x: Tensor, training: Bool
  ) throws(TorchError) -> Distances {
    if usesSegments(input, like: x, training: training) {
      // No sequence has this length.
      let slopes = try positions.tables(0) { () throws(TorchError) in
        [try parameters.engine.tensor(Self.slopes(shape.heads).map(Float.init), on: parameters.device)]
      }[0]
      let nothing = try AttentionBias(distance: nil, sequences: nil, of: input, training: training)
      return Distances(bias: nothing, slopes: slopes, bounds: try input.bounds())
    }
    let dtype: DType = parameters.precision == .float32 ? .float32 : .bfloat16
    let device = parameters.device
    if shape.kind == .ropeBERT {
      let rotary = try positions.tables(input.length) { () throws(TorchError) in
        let (cosine, sine) = try Self.rotary(shape, input.length, parameters.engine)
        return [try cosine.to(dtype, device: device), try sine.to(dtype, device: device)]
      }
      let padding = try input.padding?.to(dtype, device: device)
      let bias = try AttentionBias(distance: nil, sequences: padding, of: input, training: training)
      return Distances(bias: bias, rotary: (rotary[0], rotary[1]))
    }
    let alibi = try positions.tables(input.length) { () throws(TorchError) in
      [try Self.alibi(shape.heads, input.length, parameters.engine).to(dtype, device: device)]
    }[0]
    let padding = try input.padding?.to(dtype, device: device)
    return Distances(bias: try AttentionBias(distance: alibi, sequences: padding, of: input, training: training))
  }

  /// −slope·|i − j|, [1, heads, length, length] (Press et al. 2022, arXiv:2108.12409, both directions).
  static func alibi(_ heads: Int, _ length: Int, _ engine: Engine) throws(TorchError) -> Tensor {
    var bias = [Float](repeating: 0, count: heads * length * length)
    for (head, slope) in slopes(heads).enumerated() {
      for i in 0..<length {
        let row = (head * length + i) * length
        for j in 0..<length { bias[row + j] = -Float(slope) * Float(abs(i - j)) }
      }
    }
    return try engine.tensor(bias, shape: [1, heads, length, length])
  }

  /// Powers of 2^(−8/n) for n heads; if n is not a power of two, those of the next lower one and every other one of the
  /// next higher.
  public static func slopes(_ heads: Int) -> [Double] {
    func powers(_ count: Int) -> [Double] {
      let first = exp2(-8 / Double(count))
      return (1...count).map { pow(first, Double($0)) }
    }
    var lower = 1
    while lower * 2 <= heads { lower *= 2 }
    guard lower != heads else { return powers(heads) }
    let between = powers(2 * lower)
    return powers(lower) + stride(from: 0, to: 2 * (heads - lower), by: 2).map { between[$0] }
  }

  /// Cosines and sines of position·base^(−2i/d), the halves alike, [length, d] each (Su et al. 2021, arXiv:2104.09864).
  static func rotary(
    _ shape: ModelShape, _ length: Int, _ engine: Engine
  ) throws(TorchError) -> (cosine: Tensor, sine: Tensor) {
    let size = shape.headSize, half = size / 2
    var cosine = [Float](repeating: 0, count: length * size), sine = cosine
    for position in 0..<length {
      for index in 0..<size {
        // In fp32, as the peers compute it.
        let frequency = 1 / powf(Float(shape.rotaryBase), Float(2 * (index % half)) / Float(size))
        let angle = Float(position) * frequency
        cosine[position * size + index] = cosf(angle)
        sine[position * size + index] = sinf(angle)
      }
    }
    return (try engine.tensor(cosine, shape: [length, size]), try engine.tensor(sine, shape: [length, size]))
  }
}
