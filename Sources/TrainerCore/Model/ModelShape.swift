public import ShardKit

/// A model's architecture and sizes, without weights: the contents of `model.json`.
///
/// The defaults are MosaicBERT-Base with a vocabulary of 32,768.
public struct ModelShape: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Codable, Sendable {
    /// MosaicBERT: distances as ALiBi biases, GEGLU, post-LN.
    case mosaicBERT = "mosaic-bert"
    /// The same with rotary positions and without biases in linear layers: `nomic_bert` of transformers.
    case ropeBERT = "rope-bert"
    /// BERT of 2018: learned positions, GELU.
    case bert
    /// ModernBERT: rotary positions, local and global layers, GEGLU, pre-LN; `modernbert` of transformers.
    case modernBERT = "modernbert"
  }

  public var kind = Kind.mosaicBERT
  /// Rows of the embedding: the number of the tokenizer's tokens, padded to a multiple of 64 in new models.
  public var vocabularySize = 32_768
  public var hiddenSize = 768
  public var layers = 12
  public var heads = 12
  public var intermediateSize = 3072
  /// Tokens of an input at most. Only `bert` has a table of this many positions.
  public var maximumLength = 512
  public var tokenTypes = 2
  /// The padding token's id.
  public var padding = 0
  public var normEpsilon = 1e-12
  /// The standard deviation of initial weights.
  public var initialDeviation = 0.02
  public var dropout = 0.1
  public var attentionDropout = 0.0
  /// The base of the rotary angles (`rope-bert`, and the global layers of `modernbert`).
  public var rotaryBase = 1000.0
  /// Whether the masked-language head's decoder is the word embedding; otherwise it has its own weight.
  public var tiesDecoder = true

  /// Of `modernbert` only.
  public var modern = ModernSettings()

  public init(_ kind: Kind = .mosaicBERT) {
    self.kind = kind
    if kind == .bert { attentionDropout = 0.1 }
    if kind == .modernBERT { (rotaryBase, normEpsilon, tokenTypes) = (160_000, 1e-5, 1) }
  }

  public var headSize: Int { hiddenSize / heads }

  public static let fileName = "model.json"
  public static let weightsName = "weights.safetensors"
  /// Version of `model.json`: raised if older programs would misread it.
  public static let format = 1
}

// MARK: model.json

extension ModelShape: JSONRecord {
  private enum CodingKeys: String, CodingKey {
    case format, kind, vocabularySize, hiddenSize, layers, heads, intermediateSize, maximumLength, tokenTypes, padding
    case normEpsilon, initialDeviation, dropout, attentionDropout, rotaryBase, tiesDecoder, modern
  }

  private static var integers: [(CodingKeys, WritableKeyPath<ModelShape, Int>)] {
    [
      (.vocabularySize, \.vocabularySize), (.hiddenSize, \.hiddenSize), (.layers, \.layers), (.heads, \.heads),
      (.intermediateSize, \.intermediateSize), (.maximumLength, \.maximumLength), (.tokenTypes, \.tokenTypes),
      (.padding, \.padding),
    ]
  }

  private static var numbers: [(CodingKeys, WritableKeyPath<ModelShape, Double>)] {
    [
      (.normEpsilon, \.normEpsilon), (.initialDeviation, \.initialDeviation), (.dropout, \.dropout),
      (.attentionDropout, \.attentionDropout), (.rotaryBase, \.rotaryBase),
    ]
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(kind, forKey: .kind)
    for (key, field) in Self.integers { try container.encode(self[keyPath: field], forKey: key) }
    for (key, field) in Self.numbers { try container.encode(self[keyPath: field], forKey: key) }
    if !tiesDecoder { try container.encode(tiesDecoder, forKey: .tiesDecoder) }
    if kind == .modernBERT { try container.encode(modern, forKey: .modern) }
  }

  /// Members that are missing keep their defaults, except format and kind.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let format = try container.decode(Int.self, forKey: .format)
    guard format == Self.format else {
      throw DecodingError.dataCorruptedError(
        forKey: .format, in: container,
        debugDescription: "is \(format), this program reads \(Self.format): convert the model, or update this program")
    }
    self.init(try container.decode(Kind.self, forKey: .kind))
    for (key, field) in Self.integers {
      if let value = try container.decodeIfPresent(Int.self, forKey: key) { self[keyPath: field] = value }
    }
    for (key, field) in Self.numbers {
      if let value = try container.decodeIfPresent(Double.self, forKey: key) { self[keyPath: field] = value }
    }
    tiesDecoder = try container.decodeIfPresent(Bool.self, forKey: .tiesDecoder) ?? tiesDecoder
    modern = try container.decodeIfPresent(ModernSettings.self, forKey: .modern) ?? modern
    do { try validate() } catch {
      throw DecodingError.dataCorrupted(.init(codingPath: container.codingPath, debugDescription: error.message))
    }
  }

  /// Reads `model.json`.
  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or describes no possible model.
  public init(path: String) throws { try self.init(jsonFile: path) }

  /// Refuses sizes that no model can have, so that later products do not overflow.
  /// - Throws: `TorchError` (`file`) that names the size.
  public func validate() throws(TorchError) {
    let sizes: [(String, Int, ClosedRange<Int>)] = [
      ("vocabularySize", vocabularySize, 8...1 << 20), ("hiddenSize", hiddenSize, 1...1 << 15),
      ("layers", layers, 1...1024), ("heads", heads, 1...1024), ("intermediateSize", intermediateSize, 1...1 << 17),
      ("maximumLength", maximumLength, 2...1 << 20), ("tokenTypes", tokenTypes, 1...64),
      ("padding", padding, 0...max(0, vocabularySize - 1)),
    ]
    for (name, value, range) in sizes where !range.contains(value) {
      throw TorchError(.file, "", "\(name) is \(value), not between \(range.lowerBound) and \(range.upperBound)")
    }
    guard hiddenSize % heads == 0 else {
      throw TorchError(.file, "", "hiddenSize \(hiddenSize) does not divide by \(heads) heads")
    }
    guard ![.ropeBERT, .modernBERT].contains(kind) || headSize % 2 == 0 else {
      throw TorchError(.file, "", "rotary positions require heads of even size, not \(headSize)")
    }
    let shares = [("dropout", dropout), ("attentionDropout", attentionDropout)]
    for (name, value) in shares where !(0..<1).contains(value) {
      throw TorchError(.file, "", "\(name) is \(value), not between 0 and 1")
    }
    try modern.validate()
    guard normEpsilon > 0, initialDeviation >= 0, rotaryBase > 1 else {
      throw TorchError(.file, "", "normEpsilon, initialDeviation or rotaryBase is out of range")
    }
  }
}
