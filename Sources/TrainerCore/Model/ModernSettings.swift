import ShardKit

/// What a `modernbert` model has beyond the sizes that all kinds have. The defaults are ModernBERT's (Warner et al. 2024,
/// arXiv:2412.13663).
public struct ModernSettings: Equatable, Sendable {
  /// What the head of a classification model reads: the first token's vector, or the mean over the tokens.
  public enum Pooling: String, CaseIterable, Codable, Sendable { case cls, mean }

  /// Tokens of the window that local layers see: half of them before a token, half behind it.
  public var localAttention = 128
  /// Every so many layers, from the first one on, a layer is global: its tokens see the whole input.
  public var globalAttentionEvery = 3
  /// The base of the rotary angles in local layers; `ModelShape.rotaryBase` is that of the global ones.
  public var localRotaryBase = 10_000.0
  /// Which layers have biases: norms, attention, feed-forward layers, the dense layer of a head, and the decoder.
  public var normBias = false
  public var attentionBias = false
  public var mlpBias = false
  public var classifierBias = false
  public var decoderBias = true
  public var classifierPooling = Pooling.cls

  public init() {}

  /// The farthest token that a local layer's token sees.
  public var reach: Int { localAttention / 2 }

  public func isGlobal(layer: Int) -> Bool { layer % globalAttentionEvery == 0 }
}

extension ModernSettings: Codable {
  private enum CodingKeys: String, CodingKey {
    case localAttention, globalAttentionEvery, localRotaryBase, normBias, attentionBias, mlpBias, classifierBias
    case decoderBias, classifierPooling
  }

  /// Members that are missing keep their defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func read<T: Decodable>(_ key: CodingKeys, _ value: inout T) throws {
      value = try container.decodeIfPresent(T.self, forKey: key) ?? value
    }
    try read(.localAttention, &localAttention)
    try read(.globalAttentionEvery, &globalAttentionEvery)
    try read(.localRotaryBase, &localRotaryBase)
    try read(.normBias, &normBias)
    try read(.attentionBias, &attentionBias)
    try read(.mlpBias, &mlpBias)
    try read(.classifierBias, &classifierBias)
    try read(.decoderBias, &decoderBias)
    try read(.classifierPooling, &classifierPooling)
  }

  /// Refuses settings that no model can have.
  func validate() throws(TorchError) {
    for (name, value) in [("localAttention", localAttention), ("globalAttentionEvery", globalAttentionEvery)]
    where !(1...1 << 20).contains(value) {
      throw TorchError(.file, "", "\(name) is \(value), not between 1 and \(1 << 20)")
    }
    guard localRotaryBase > 1 else { throw TorchError(.file, "", "localRotaryBase is \(localRotaryBase), not above 1") }
  }
}

extension ModelShape {
  /// The parameters of one layer of `modernbert`. The first layer has no norm before its attention.
  func modernParameters(ofLayer layer: Int) -> [ParameterShape] {
    let prefix = "bert.encoder.layer.\(layer)"
    return (layer == 0 ? [] : norm("\(prefix).attention.LayerNorm", bias: modern.normBias))
      + linear("\(prefix).attention.self.Wqkv", hiddenSize, 3 * hiddenSize, bias: modern.attentionBias)
      + linear("\(prefix).attention.output.dense", hiddenSize, hiddenSize, bias: modern.attentionBias)
      + norm("\(prefix).mlp.layernorm", bias: modern.normBias)
      + linear("\(prefix).mlp.gated_layers", hiddenSize, 2 * intermediateSize, bias: modern.mlpBias)
      + linear("\(prefix).mlp.wo", intermediateSize, hiddenSize, bias: modern.mlpBias)
  }

  /// What stands after the last layer.
  var finalNorm: [ParameterShape] {
    kind == .modernBERT ? norm("bert.encoder.LayerNorm", bias: modern.normBias) : []
  }

  /// The standard deviation of a new weight: in `modernbert`, that of layers whose results are added up is smaller by the
  /// root of twice the number of layers, as transformers draws them.
  public func initialDeviation(of parameter: ParameterShape) -> Double {
    let added = [".output.dense.weight", ".mlp.wo.weight", ".transform.dense.weight", ".decoder.weight"]
    guard kind == .modernBERT, added.contains(where: { parameter.name.hasSuffix($0) }) else { return initialDeviation }
    return initialDeviation / (2 * Double(layers)).squareRoot()
  }
}
