public import ShardKit

/// What a checkpoint's `model.json` says of its model: the architecture and its sizes, without weights.
///
/// The defaults are MosaicBERT-Base with a vocabulary of 32,768.
public struct ModelShape: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// Distances as ALiBi biases, GEGLU, post-LN (MosaicBERT).
    case mosaicBERT = "mosaic-bert"
    /// The same with rotary positions and without biases in its linears: what transformers knows as `nomic_bert`.
    case ropeBERT = "rope-bert"
    /// BERT of 2018: learned positions, GELU.
    case bert
  }

  public var kind = Kind.mosaicBERT
  /// Rows of the embedding: the tokenizer's tokens; in models of ours padded to a multiple of 64.
  public var vocabularySize = 32_768
  public var hiddenSize = 768
  public var layers = 12
  public var heads = 12
  public var intermediateSize = 3072
  /// Tokens that the model is meant to read at most. Only `bert` has a table of this many positions.
  public var maximumLength = 512
  public var tokenTypes = 2
  /// The padding token's id.
  public var padding = 0
  public var normEpsilon = 1e-12
  /// Of the deviation of weights at the start.
  public var initialDeviation = 0.02
  public var dropout = 0.1
  public var attentionDropout = 0.0
  /// The base of the rotary angles (`rope-bert` alone).
  public var rotaryBase = 1000.0
  /// Whether the masked-language head's decoder is the word embedding; if not, it has a weight of its own.
  public var tiesDecoder = true

  public init(_ kind: Kind = .mosaicBERT) {
    self.kind = kind
    if kind == .bert { attentionDropout = 0.1 }
  }

  public var headSize: Int { hiddenSize / heads }

  public static let fileName = "model.json"
  public static let weightsName = "weights.safetensors"
  /// Of `model.json`: raised when older programs would misread it.
  public static let format = 1
}

// MARK: model.json

extension ModelShape {
  public var json: JSONValue {
    let untied: [JSONMember] = tiesDecoder ? [] : [JSONMember("tiesDecoder", false)]
    return .object((usual.members ?? []) + untied)
  }

  private var usual: JSONValue {
    [
      "format": .integer(Self.format), "kind": .string(kind.rawValue), "vocabularySize": .integer(vocabularySize),
      "hiddenSize": .integer(hiddenSize), "layers": .integer(layers), "heads": .integer(heads),
      "intermediateSize": .integer(intermediateSize), "maximumLength": .integer(maximumLength),
      "tokenTypes": .integer(tokenTypes), "padding": .integer(padding), "normEpsilon": .number(normEpsilon),
      "initialDeviation": .number(initialDeviation), "dropout": .number(dropout),
      "attentionDropout": .number(attentionDropout), "rotaryBase": .number(rotaryBase),
    ]
  }

  /// Reads `model.json`; keys that are not there keep their defaults, save the kind.
  public init(path: String) throws {
    let text = try openSource(path).readAll(limit: 1 << 20)
    let json: JSONValue
    do { json = try JSONValue.parse(text).value } catch {
      throw TorchError(.file, path, "is no JSON at byte \(error.offset): \(error.message)")
    }
    do { try self.init(json) } catch { throw TorchError(.file, path, error.message, hint: error.hint) }
  }

  public init(_ json: JSONValue) throws(TorchError) {
    guard json["format"]?.integer == Self.format else {
      throw TorchError(
        .file, "", "its format is \((json["format"] ?? .null).text()), this program reads \(Self.format)",
        hint: "Convert it with the program that wrote it, or update this one.")
    }
    guard let kind = json["kind"]?.string.flatMap(Kind.init) else {
      let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw TorchError(.file, "", "kind is \((json["kind"] ?? .null).text()); known are \(known)")
    }
    self.init(kind)
    func read<Value>(_ key: String, _ field: inout Value, _ value: (JSONValue) -> Value?) throws(TorchError) {
      guard let written = json[key] else { return }
      guard let read = value(written) else { throw TorchError(.file, "", "\(key) is \(written.text())") }
      field = read
    }
    try read("vocabularySize", &vocabularySize, \.integer)
    try read("hiddenSize", &hiddenSize, \.integer)
    try read("layers", &layers, \.integer)
    try read("heads", &heads, \.integer)
    try read("intermediateSize", &intermediateSize, \.integer)
    try read("maximumLength", &maximumLength, \.integer)
    try read("tokenTypes", &tokenTypes, \.integer)
    try read("padding", &padding, \.integer)
    try read("normEpsilon", &normEpsilon, \.double)
    try read("initialDeviation", &initialDeviation, \.double)
    try read("dropout", &dropout, \.double)
    try read("attentionDropout", &attentionDropout, \.double)
    try read("rotaryBase", &rotaryBase, \.double)
    try read("tiesDecoder", &tiesDecoder, \.bool)
    try validate()
  }

  /// Refuses sizes that no model can have, so that what follows may multiply them.
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
    guard kind != .ropeBERT || headSize % 2 == 0 else {
      throw TorchError(.file, "", "rotary positions ask for heads of even size, not \(headSize)")
    }
    let shares = [("dropout", dropout), ("attentionDropout", attentionDropout)]
    for (name, value) in shares where !(0..<1).contains(value) {
      throw TorchError(.file, "", "\(name) is \(value), not between 0 and 1")
    }
    guard normEpsilon > 0, initialDeviation >= 0, rotaryBase > 1 else {
      throw TorchError(.file, "", "normEpsilon, initialDeviation or rotaryBase is out of range")
    }
  }
}
