public import ShardKit

/// How a tokenizer of byte pairs or unigrams that is trained here reads texts: what stands in its `tokenizer.json`.
public enum SubwordFormat: String, Sendable, CaseIterable {
  /// Characters, with ▁ for a space and at the start of a text, as SentencePiece has it.
  case metaspace
  /// Bytes, cut by the pattern of Llama 3.
  case bytes

  static let bytesPattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  var normalizer: JSONValue { ["type": "NFKC"] }

  var preTokenizer: JSONValue {
    switch self {
    case .metaspace: ["type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true]
    case .bytes:
      [
        "type": "Sequence",
        "pretokenizers": .list([
          [
            "type": "Split", "pattern": ["Regex": .string(Self.bytesPattern)], "behavior": "Isolated", "invert": false,
          ], ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false],
        ]),
      ]
    }
  }

  var decoder: JSONValue {
    switch self {
    case .metaspace:
      [
        "type": "Sequence",
        "decoders": .list([
          ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"],
          ["type": "Fuse"], ["type": "Strip", "content": " ", "start": 1, "stop": 0],
        ]),
      ]
    case .bytes: ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true]
    }
  }

  /// What stands for a space in the pieces that words are cut from.
  var mark: [UInt8] { self == .bytes ? [0x20] : Array("▁".utf8) }
}

/// Splits raw text into the words that byte pairs and unigrams are learned from: the pieces of the tokenizer, cut
/// further by `WordCutter`; for one thread.
public final class SubwordReader {
  private let normalizers: [TextNormalizer]
  private let preTokenizers: [PreTokenizer]
  private let cutter: WordCutter
  private var form = TextForm()
  private var spare = TextForm()
  private var pieces = TextPieces()

  /// - Throws: never for the formats that there are.
  public init(_ format: SubwordFormat) throws(TokenizerError) {
    normalizers = try TextNormalizer.steps(format.normalizer)
    preTokenizers = try PreTokenizer.steps(format.preTokenizer)
    cutter = WordCutter(mark: format.mark)
  }

  /// Calls `body` with each word of the text.
  /// - Throws: `TokenizerError` if a pattern takes too long.
  public func forEachWord(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    form.load(text, at: 0)
    try TextNormalizer.apply(normalizers, to: &form, &spare)
    pieces.load(0..<form.count, of: form)
    try pieces.split(preTokenizers)
    let ranges = pieces.ranges
    pieces.form.bytes.withUnsafeBufferPointer { bytes in
      for range in ranges { cutter.forEachWord(UnsafeBufferPointer(rebasing: bytes[range]), body) }
    }
  }
}

/// The files of a tokenizer of byte pairs or unigrams that was trained here, as Hugging Face's libraries load them.
public struct SubwordTokenizerFiles: Sendable {
  public enum Model: Sendable {
    case bytePair(BytePairTrainer.Result, fallsBackToBytes: Bool)
    case unigram(UnigramTrainer.Result, fallsBackToBytes: Bool)
  }

  public var format: SubwordFormat
  public var model: Model
  /// The first tokens; they include `[UNK]`, `[CLS]` and `[SEP]`.
  public var specialTokens: [String]
  /// The maximum input length of models made for this tokenizer.
  public var maximumLength = 512

  public init(_ model: Model, _ format: SubwordFormat, specialTokens: [String]) {
    self.model = model
    self.format = format
    self.specialTokens = specialTokens
  }

  /// Contents by file name.
  public var contents: [(name: String, bytes: [UInt8])] {
    [
      (HuggingFaceTokenizerFiles.tokenizerName, Array(tokenizerJSON.prettyText().utf8)),
      (HuggingFaceTokenizerFiles.configurationName, Array(configurationJSON.prettyText().utf8)),
    ]
  }

  /// The `tokenizer.json`.
  public var tokenizerJSON: JSONValue {
    let added = specialTokens.enumerated().map { id, token -> JSONValue in
      [
        "id": .integer(id), "content": .string(token), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
      ]
    }
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .list(added),
      "normalizer": format.normalizer, "pre_tokenizer": format.preTokenizer, "post_processor": postProcessor,
      "decoder": format.decoder, "model": modelJSON,
    ]
  }

  private var modelJSON: JSONValue {
    switch model {
    case .bytePair(let result, let fallsBackToBytes):
      let names = result.tokens.map { String(decoding: $0, as: UTF8.self) }
      return [
        "type": "BPE", "dropout": .null, "unk_token": format == .bytes ? .null : "[UNK]",
        "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": false,
        "byte_fallback": .bool(fallsBackToBytes), "ignore_merges": false,
        "vocab": .object(names.enumerated().map { JSONMember($1, .integer($0)) }),
        "merges": .list(result.merges.map { .strings([names[Int($0.first)], names[Int($0.second)]]) }),
      ]
    case .unigram(let result, let fallsBackToBytes):
      return [
        "type": "Unigram", "unk_id": specialTokens.firstIndex(of: "[UNK]").map { .integer($0) } ?? .null,
        "vocab": .list(
          result.tokens.map { .list([.string(String(decoding: $0.token, as: UTF8.self)), .number($0.score)]) }),
        "byte_fallback": .bool(fallsBackToBytes),
      ]
    }
  }

  private var postProcessor: JSONValue {
    func special(_ name: String, _ type: Int) -> JSONValue {
      ["SpecialToken": ["id": .string(name), "type_id": .integer(type)]]
    }
    func text(_ name: String, _ type: Int) -> JSONValue {
      ["Sequence": ["id": .string(name), "type_id": .integer(type)]]
    }
    let single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    let members = ["[CLS]", "[SEP]"].map { name in
      JSONMember(
        name,
        [
          "id": .string(name), "ids": .list([.integer(specialTokens.firstIndex(of: name) ?? 0)]),
          "tokens": .strings([name]),
        ])
    }
    return [
      "type": "TemplateProcessing", "single": .list(single),
      "pair": .list(single + [text("B", 1), special("[SEP]", 1)]), "special_tokens": .object(members),
    ]
  }

  private var configurationJSON: JSONValue {
    var members = [
      JSONMember("tokenizer_class", "PreTrainedTokenizerFast"), JSONMember("model_max_length", .integer(maximumLength)),
    ]
    let names = [
      ("unk_token", "[UNK]"), ("sep_token", "[SEP]"), ("pad_token", "[PAD]"), ("cls_token", "[CLS]"),
      ("mask_token", "[MASK]"),
    ]
    for (role, name) in names where specialTokens.contains(name) { members.append(JSONMember(role, .string(name))) }
    return .object(members + [JSONMember("clean_up_tokenization_spaces", false)])
  }
}
