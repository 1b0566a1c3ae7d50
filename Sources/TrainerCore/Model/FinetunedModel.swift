/// The head of a fine-tuned model: the layers that it adds to an encoder, under transformers' names.
public enum ModelHead: Equatable, Sendable {
  /// One of several labels for a text or a pair.
  case classification(labels: Int)
  /// Any number of several labels: a number for each, above 0 if it holds.
  case multiLabel(labels: Int)
  /// A number for a text or a pair.
  case regression
  /// A number for each of several choices; the highest is the answer.
  case choice(of: Int)
  /// The first and the last token of the answer.
  case span

  private var outputs: Int {
    switch self {
    case .classification(let labels), .multiLabel(let labels): labels
    case .regression, .choice: 1
    case .span: 2
    }
  }

  /// BERT's pooler, which pretraining without next-sentence prediction does not train, and the output layer; no pooler
  /// for spans. In `modernbert` what is pooled goes through the first layers of the masked-language head instead, and so do
  /// the tokens of spans.
  public func parameters(_ shape: ModelShape) -> [ParameterShape] {
    (self == .span && shape.kind != .modernBERT ? [] : shape.poolerParameters) + answerParameters(shape)
  }

  /// The output layer, which each task has for itself.
  public func answerParameters(_ shape: ModelShape) -> [ParameterShape] {
    let name = self == .span && shape.kind != .modernBERT ? "qa_outputs" : "classifier"
    return [
      ParameterShape("\(name).weight", [outputs, shape.hiddenSize]), ParameterShape("\(name).bias", [outputs]),
    ]
  }
}

extension ModelShape {
  /// All parameters except those of the masked-language head.
  public var encoderParameters: [ParameterShape] {
    embeddingParameters + (0..<layers).flatMap { parameters(ofLayer: $0) } + finalNorm
  }

  /// The layer on the first token's vector; many published models have a trained one. In `modernbert` it is a part of the
  /// masked-language head.
  public var poolerParameters: [ParameterShape] {
    guard kind != .modernBERT else { return transformParameters }
    return [
      ParameterShape("bert.pooler.dense.weight", [hiddenSize, hiddenSize]),
      ParameterShape("bert.pooler.dense.bias", [hiddenSize]),
    ]
  }

  /// Whether vectors of texts can come from a pooler. `modernbert` has none: its head of that place is made for answers.
  public var hasVectorPooler: Bool { kind != .modernBERT }

  /// The parameters that a model has only with a masked-language head.
  public var languageParameters: [ParameterShape] {
    let own = headParameters.filter { !poolerParameters.contains($0) }
    return own.isEmpty ? headParameters : own
  }
}

/// An encoder with a head for one task.
public struct FinetunedModel: Sendable {
  public let encoder: any TextEncoder
  public let parameters: Parameters
  public let head: ModelHead

  /// - Parameter parameters: of the encoder and of `head.parameters`.
  public init(_ encoder: any TextEncoder, _ parameters: Parameters, _ head: ModelHead) {
    self.encoder = encoder
    self.parameters = parameters
    self.head = head
  }

  /// The head's output in fp32: [sequences, labels] for labels, [sequences, 1] for a number, [questions, choices], or
  /// [sequences, length, 2] for spans.
  /// - Throws: `TorchError` (`operation`) if the sequences are too long for the model, or memory runs out.
  public func scores(_ input: EncoderInput, training: Bool) throws(TorchError) -> Tensor {
    if head == .span { return try spanScores(input, training) }
    let pooled = try pooled(input, training).dropout(encoder.shape.dropout, training: training)
    let scores = try pooled.linear(parameters["classifier.weight"], parameters["classifier.bias"])
      .to(.float32, device: parameters.device)
    guard case .choice(let choices) = head else { return scores }
    return try scores.reshape(input.batch / choices, choices)
  }

  private var isModern: Bool { encoder.shape.kind == .modernBERT }

  /// One vector for each sequence: [sequences, hidden].
  private func pooled(_ input: EncoderInput, _ training: Bool) throws(TorchError) -> Tensor {
    if isModern, encoder.shape.modern.classifierPooling == .mean {
      return try transformed(
        input.mean(of: encoder.encode(input, training: training, only: nil), on: parameters.device))
    }
    let first = try parameters.engine.tensor(input.starts, on: parameters.device)
    let vectors = try encoder.encode(input, training: training, only: first)
    if isModern { return try transformed(vectors) }
    return try vectors.linear(parameters["bert.pooler.dense.weight"], parameters["bert.pooler.dense.bias"]).tanh()
  }

  /// The first layers of the masked-language head.
  private func transformed(_ x: Tensor) throws(TorchError) -> Tensor {
    let prefix = "cls.predictions.transform"
    return try x.linear(parameters["\(prefix).dense.weight"], parameters.bias("\(prefix).dense")).gelu()
      .layerNorm(parameters.norm("\(prefix).LayerNorm", epsilon: encoder.shape.normEpsilon))
  }

  private func spanScores(_ input: EncoderInput, _ training: Bool) throws(TorchError) -> Tensor {
    var tokens = try encoder.encode(input, training: training, only: nil)
    if isModern { tokens = try transformed(tokens).dropout(encoder.shape.dropout, training: training) }
    let output = isModern ? "classifier" : "qa_outputs"
    var scores = try tokens.linear(parameters["\(output).weight"], parameters["\(output).bias"])
      .to(.float32, device: parameters.device)
    if let places = input.places { scores = try scores.scattered(to: places, of: input.batch * input.length) }
    scores = try scores.reshape(input.batch, input.length, 2)
    guard let padding = try input.padding else { return scores }
    return try scores.plus(padding.reshape(input.batch, input.length, 1))
  }

  /// The mean loss over a batch, one number: squared error for numbers, otherwise cross-entropy (for several labels, of
  /// each label by itself).
  /// - Parameter targets: numbers; labels; 0 or 1 for each label of each sequence; or for spans all first tokens, then all
  ///   last ones.
  /// - Throws: `TorchError` (`operation`) if the sequences are too long for the model, or memory runs out.
  public func loss(_ input: EncoderInput, targets: [Double], training: Bool) throws(TorchError) -> Tensor {
    let scores = try scores(input, training: training)
    let engine = parameters.engine, device = parameters.device
    switch head {
    case .regression:
      let wanted = try engine.tensor(targets.map { Float($0) }, on: device, shape: [targets.count, 1])
      let difference = try scores.plus(wanted, scale: -1)
      return try difference.times(difference).mean()
    case .classification, .choice:
      return try scores.crossEntropy(try engine.tensor(targets.map { Int64($0) }, on: device))
    case .multiLabel:
      // The cross-entropy of (-x/2, x/2) is that of the sigmoid of x.
      let sides = try engine.tensor([-0.5, 0.5] as [Float], on: device, shape: [1, 2])
      return try scores.reshape(targets.count, 1).times(sides)
        .crossEntropy(try engine.tensor(targets.map { Int64($0) }, on: device))
    case .span:
      let labels = try engine.tensor(targets.map { Int64($0) }, on: device)
      func loss(ofSide side: Int) throws(TorchError) -> Tensor {
        let places = try scores.narrow(2, from: side, count: 1).reshape(input.batch, input.length)
        return try places.crossEntropy(try labels.narrow(0, from: side * input.batch, count: input.batch))
      }
      let start = try loss(ofSide: 0)
      return try start.plus(loss(ofSide: 1)).scaled(0.5)
    }
  }
}
