/// Settings of the optimizer. The defaults are MosaicBERT's, as standard AdamW.
public struct AdamW: Codable, Equatable, Sendable {
  public var beta1 = 0.9
  public var beta2 = 0.98
  public var epsilon = 1e-6
  /// Times the learning rate at each step.
  public var weightDecay = 0.02
  /// Whether norms and biases decay too; nil: they do.
  public var decaysNormsAndBiases: Bool?
  /// What updates the matrices of the layers instead; nil: AdamW updates all parameters.
  public var muon: Muon?

  public init(
    beta1: Double = 0.9, beta2: Double = 0.98, epsilon: Double = 1e-6, weightDecay: Double = 0.02,
    decaysNormsAndBiases: Bool? = nil, muon: Muon? = nil
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decaysNormsAndBiases = decaysNormsAndBiases
    self.muon = muon
  }

  /// Members that are nil are left out, so that settings are written as before there were any.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(beta1, forKey: .beta1)
    try container.encode(beta2, forKey: .beta2)
    try container.encode(epsilon, forKey: .epsilon)
    try container.encode(weightDecay, forKey: .weightDecay)
    if let decaysNormsAndBiases { try container.encode(decaysNormsAndBiases, forKey: .decaysNormsAndBiases) }
    if let muon { try container.encode(muon, forKey: .muon) }
  }

  private enum CodingKeys: String, CodingKey { case beta1, beta2, epsilon, weightDecay, decaysNormsAndBiases, muon }

  /// What a step does to a parameter.
  func kind(of shape: ParameterShape) -> ParameterKind {
    if muon != nil, shape.isHiddenMatrix { return .muon }
    return decaysNormsAndBiases == false && shape.isNormOrBias ? .keepsSize : .decays
  }
}

/// Settings of Muon (Jordan et al. 2024) for the matrices of the layers. Its learning rate and decay are AdamW's: updates
/// are scaled to the size of AdamW's (Liu et al. 2025, arXiv:2502.16982).
public struct Muon: Codable, Equatable, Sendable {
  /// The share of the old average of gradients in the new one: 0…1. It is Nesterov's momentum.
  public var momentum = 0.95
  /// Newton–Schulz iterations.
  public var iterations = 5

  public init(momentum: Double = 0.95, iterations: Int = 5) {
    self.momentum = momentum
    self.iterations = iterations
  }
}

/// What a step of the optimizer does to a parameter. Raw values are the engine's.
enum ParameterKind: UInt8, CaseIterable {
  /// AdamW with weight decay.
  case decays = 0
  /// AdamW without weight decay.
  case keepsSize
  case muon
}

extension ParameterShape {
  /// A norm's scale or shift, or the bias of a linear layer.
  var isNormOrBias: Bool { isNorm || name.hasSuffix(".bias") }

  /// A matrix of a layer: not an embedding, nor a part of the head.
  var isHiddenMatrix: Bool { shape.count == 2 && name.hasPrefix("bert.encoder.layer.") }

  /// The number of matrices in a weight, one below the other: query, key and value, or gate and values.
  var matrices: Int { name.hasSuffix(".Wqkv.weight") ? 3 : name.hasSuffix(".gated_layers.weight") ? 2 : 1 }
}
