import ShardKit

/// The files from which Hugging Face's libraries load a tokenizer, written with their key order.
///
/// With MeCab, `tokenizer.json` splits at white space: this is correct for text that MeCab has already split, while
/// `tokenizer_config.json` names `BertJapaneseTokenizer`, which does both.
public struct HuggingFaceTokenizerFiles: Sendable {
  public static let tokenizerName = "tokenizer.json"
  public static let vocabularyName = "vocab.txt"
  public static let configurationName = "tokenizer_config.json"
  public static let specialTokensName = "special_tokens_map.json"

  public let tokenizer: WordPieceTokenizer
  /// The maximum input length of models made for this tokenizer.
  public var maximumLength = 512
  /// The inputs of models made for this tokenizer, by transformers' names; empty: those that are usual for its class.
  public var inputNames: [String] = []
  public init(_ tokenizer: WordPieceTokenizer) { self.tokenizer = tokenizer }

  /// Contents by file name.
  public var contents: [(name: String, bytes: [UInt8])] {
    [
      (Self.tokenizerName, Array(tokenizerJSON.prettyText().utf8)), (Self.vocabularyName, vocabularyText),
      (Self.configurationName, Array(configurationJSON.prettyText().utf8)),
    ]
  }

  private var vocabularyText: [UInt8] { tokenizer.tokens.reduce(into: []) { $0 += $1 + [0x0A] } }

  private var tokenizerJSON: JSONValue {
    let added = tokenizer.specialTokens.sorted { $0.id < $1.id }.map { token -> JSONValue in
      [
        "id": .integer(Int(token.id)), "content": .string(String(decoding: token.content, as: UTF8.self)),
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
      ]
    }
    let vocabulary = tokenizer.tokens.enumerated().map { id, token in
      JSONMember(String(decoding: token, as: UTF8.self), .integer(id))
    }
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .list(added),
      "normalizer": Self.normalizer(tokenizer.words), "pre_tokenizer": Self.preTokenizer(tokenizer.words),
      "post_processor": postProcessor, "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      "model": [
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": .integer(tokenizer.maximumCharacters), "vocab": .object(vocabulary),
      ],
    ]
  }

  static func normalizer(_ words: WordPieceTokenizer.Words) -> JSONValue {
    switch words {
    case .scripts, .mecab: ["type": "NFKC"]
    case .uncased, .cased:
      [
        "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": .null,
        "lowercase": .bool(words == .uncased),
      ]
    }
  }

  static func preTokenizer(_ words: WordPieceTokenizer.Words) -> JSONValue {
    switch words {
    case .scripts:
      ["type": "Sequence", "pretokenizers": .list([["type": "BertPreTokenizer"], ["type": "UnicodeScripts"]])]
    case .mecab: ["type": "WhitespaceSplit"]
    case .uncased, .cased: ["type": "BertPreTokenizer"]
    }
  }

  private var postProcessor: JSONValue {
    [
      "type": "BertProcessing", "sep": .list(["[SEP]", .integer(Int(tokenizer.separator))]),
      "cls": .list(["[CLS]", .integer(Int(tokenizer.classification))]),
    ]
  }

  private var configurationJSON: JSONValue {
    let names = inputNames.isEmpty ? [] : [JSONMember("model_input_names", .strings(inputNames))]
    return .object(configurationMembers + names)
  }

  private var configurationMembers: [JSONMember] {
    let common: [JSONMember] = [
      JSONMember("model_max_length", .integer(maximumLength)),
      JSONMember("do_lower_case", .bool(tokenizer.words == .uncased)),
      JSONMember("unk_token", "[UNK]"), JSONMember("sep_token", "[SEP]"), JSONMember("pad_token", "[PAD]"),
      JSONMember("cls_token", "[CLS]"), JSONMember("mask_token", "[MASK]"),
    ]
    switch tokenizer.words {
    case .uncased, .cased:
      return [JSONMember("tokenizer_class", "BertTokenizer")] + common + [
        JSONMember("tokenize_chinese_chars", true), JSONMember("strip_accents", .null),
      ]
    case .scripts:
      return [JSONMember("tokenizer_class", "PreTrainedTokenizerFast")] + common
        + [JSONMember("clean_up_tokenization_spaces", false)]
    case .mecab:
      let identity = tokenizer.dictionary.identity.map {
        JSONMember(HuggingFaceTokenizerSettings.identityKey, .string($0))
      }
      return [JSONMember("tokenizer_class", "BertJapaneseTokenizer")] + common + [
        JSONMember("word_tokenizer_type", "mecab"), JSONMember("subword_tokenizer_type", "wordpiece"),
        JSONMember("mecab_kwargs", ["mecab_dic": tokenizer.dictionary.name.map { .string($0) } ?? .null]),
      ] + (identity.map { [$0] } ?? [])
    }
  }
}

// MARK: Reading

extension WordPieceTokenizer {
  /// Reads a `tokenizer.json` as written by `HuggingFaceTokenizerFiles`. Unsupported settings are errors, so that a
  /// file is never read with another meaning.
  /// - Throws: `ShardError` if a file cannot be read; `TokenizerError` if it is not JSON or has unsupported settings.
  public init(path: String) throws {
    self = try TokenizerFile.read(path) { (json) throws(TokenizerError) in try WordPieceTokenizer(json) }
    try readDictionary(beside: path)
  }

  /// The tokenizer of a file as `HuggingFaceTokenizerFiles` writes it; nil for any other of WordPiece. BERT's published files
  /// look like it, and those that say more than this type knows are left to `SubwordTokenizer`.
  /// - Parameter isJapaneseBERT: whether the file's splitting at white space is that of text which MeCab has split.
  /// - Throws: `TokenizerError` for a file with our splitting of words and unsupported settings.
  static func own(_ json: JSONValue, isJapaneseBERT: Bool) throws(TokenizerError) -> WordPieceTokenizer? {
    let words = Words.allCases.first {
      HuggingFaceTokenizerFiles.normalizer($0) == json["normalizer"]
        && HuggingFaceTokenizerFiles.preTokenizer($0) == json["pre_tokenizer"]
    }
    guard json["model"]?["type"] == "WordPiece", let words, isJapaneseBERT == (words == .mecab) else { return nil }
    guard words == .uncased || words == .cased else { return try WordPieceTokenizer(json) }
    guard let own = try? WordPieceTokenizer(json),
      let frame = try? TokenFrame(json["post_processor"] ?? .null, tokenCount: own.tokens.count),
      // BertTokenizer, which is written for it, finds all of them in texts.
      Set(TokenizerConfiguration.bertNames.map { Array($0.utf8) }).isSubset(of: own.specialTokens.map(\.content))
    else { return nil }
    return frame == .bert(classification: own.classification, separator: own.separator) ? own : nil
  }

  init(_ json: JSONValue) throws(TokenizerError) {
    let model = json["model"] ?? .null
    try Self.require(model["type"], "model.type", "WordPiece")
    try Self.require(model["unk_token"], "model.unk_token", "[UNK]")
    try Self.require(model["continuing_subword_prefix"], "model.continuing_subword_prefix", "##")
    let words = try Self.words(json)
    guard let characters = model["max_input_chars_per_word"]?.integer, (1...10_000).contains(characters) else {
      throw TokenizerError("model.max_input_chars_per_word is not between 1 and 10000")
    }
    guard let vocabulary = model["vocab"]?.members, (1...1 << 20).contains(vocabulary.count) else {
      throw TokenizerError("model.vocab is not an object with 1 to \(1 << 20) tokens")
    }
    var tokens = [[UInt8]?](repeating: nil, count: vocabulary.count)
    for member in vocabulary {
      guard let id = member.value.integer, tokens.indices.contains(id), tokens[id] == nil else {
        throw TokenizerError("model.vocab gives '\(member.key)' an id that is out of range or taken")
      }
      tokens[id] = Array(member.key.utf8)
    }
    var special: [String] = []
    for token in json["added_tokens"]?.array ?? [] {
      for key in ["single_word", "lstrip", "rstrip", "normalized"] {
        try Self.require(token[key] ?? false, "added_tokens.\(key)", false)
      }
      guard let content = token["content"]?.string, let id = token["id"]?.integer,
        tokens.indices.contains(id), tokens[id] == Array(content.utf8)
      else { throw TokenizerError("added_tokens has a token that is not in the vocabulary, or has another id there") }
      special.append(content)
    }
    try self.init(
      tokens: tokens.map { $0! }, specialTokens: special, words: words, maximumCharacters: characters)
  }

  private static func words(_ json: JSONValue) throws(TokenizerError) -> Words {
    typealias Files = HuggingFaceTokenizerFiles
    let normalizer = (json["normalizer"] ?? .null).text(), cutter = (json["pre_tokenizer"] ?? .null).text()
    let normalized = Words.allCases.filter { Files.normalizer($0).text() == normalizer }
    guard !normalized.isEmpty else {
      throw TokenizerError(
        "normalizer is \(normalizer), which is not supported",
        hint: "Supported are \(Files.normalizer(.scripts).text()), and BertNormalizer with clean_text and "
          + "handle_chinese_chars, and without strip_accents.")
    }
    guard let words = normalized.first(where: { Files.preTokenizer($0).text() == cutter }) else {
      throw TokenizerError(
        "pre_tokenizer is \(cutter), which is not supported with the normalizer",
        hint:
          "With NFKC, supported are BertPreTokenizer followed by UnicodeScripts, and WhitespaceSplit for MeCab; with "
          + "BertNormalizer, BertPreTokenizer.")
    }
    return words
  }

  private static func require(_ value: JSONValue?, _ key: String, _ expected: JSONValue) throws(TokenizerError) {
    guard value?.text() == expected.text() else {
      throw TokenizerError("\(key) is \((value ?? .null).text()), but only \(expected.text()) is supported")
    }
  }
}
