public import ShardKit

/// The contents of a `tokenizer_config.json` of a `BertTokenizer`, or of a `BertJapaneseTokenizer` with MeCab: settings
/// with only one supported value are checked, and the dictionary is read.
public struct HuggingFaceTokenizerSettings: Sendable {
  public private(set) var words = WordPieceTokenizer.Words.mecab
  public private(set) var dictionary = MeCabRequirement()
  /// Whether the dictionary is unspecified: transformers then uses the default of its release, formerly ipadic, now
  /// unidic_lite.
  public private(set) var leavesDictionaryOpen = false
  /// Tokens found in raw text before anything else.
  public private(set) var addedTokens: [(id: Int, content: String)] = []

  /// Reads the parsed file.
  /// - Throws: `TokenizerError` for a setting or an added token that is not supported.
  public init(_ json: JSONValue) throws(TokenizerError) {
    func only(_ json: JSONValue, _ key: String, _ usual: JSONValue, _ wanted: JSONValue) throws(TokenizerError) {
      let value = json[key] ?? usual
      guard value == wanted else {
        throw TokenizerError("\(key) is \(value.text()), but only \(wanted.text()) is supported")
      }
    }
    addedTokens = try Self.added(json["added_tokens_decoder"] ?? .null)
    if Self.isPlain(json) {
      try only(json, "strip_accents", .null, .null)
      try only(json, "tokenize_chinese_chars", true, true)
      try only(json, "do_basic_tokenize", true, true)
      let lowercases = json["do_lower_case"] ?? .null
      guard lowercases == .null || lowercases.bool != nil else {
        throw TokenizerError("do_lower_case is \(lowercases.text()), neither true nor false")
      }
      words = lowercases.bool ?? true ? .uncased : .cased
      return
    }
    try only(json, "word_tokenizer_type", "basic", "mecab")
    try only(json, "subword_tokenizer_type", "wordpiece", "wordpiece")
    for key in ["do_word_tokenize", "do_subword_tokenize"] { try only(json, key, true, true) }
    try only(json, "do_lower_case", false, false)
    if let words = json["never_split"]?.array, !words.isEmpty {
      throw TokenizerError("never_split is \(JSONValue.list(words).text()), but only an empty list is supported")
    }
    let mecab = json["mecab_kwargs"] ?? .null
    try only(mecab, "normalize_text", true, true)
    try only(mecab, "do_lower_case", false, false)
    try readDictionary(mecab, json)
  }

  /// Whether it is of BERT's own tokenizer: it says so, or, as of the first releases, only whether letters are lower.
  private static func isPlain(_ json: JSONValue) -> Bool {
    guard let name = json["tokenizer_class"]?.string else {
      return json["word_tokenizer_type"] == nil && json["do_lower_case"]?.bool != nil
    }
    return name == "BertTokenizer" || name == "BertTokenizerFast"
  }

  private mutating func readDictionary(_ mecab: JSONValue, _ json: JSONValue) throws(TokenizerError) {
    let option = mecab["mecab_option"]?.string ?? ""
    dictionary.identity = json[Self.identityKey]?.string
    if let name = mecab["mecab_dic"]?.string {
      guard option.isEmpty else {
        throw TokenizerError(
          "mecab_option is '\(option)' in addition to the dictionary '\(name)', which is not supported")
      }
      dictionary.name = name
    }
    leavesDictionaryOpen = dictionary == MeCabRequirement()
  }

  /// A key of this project: identifies the dictionary by its sizes, for a dictionary without a known name.
  static let identityKey = "mecab_dictionary"

  private static func added(_ json: JSONValue) throws(TokenizerError) -> [(id: Int, content: String)] {
    var tokens: [(id: Int, content: String)] = []
    for member in json.members ?? [] {
      guard let id = Int(member.key), let content = member.value["content"]?.string else {
        throw TokenizerError("added_tokens_decoder has '\(member.key)', which is not a token")
      }
      for key in ["lstrip", "rstrip", "single_word"] where member.value[key] == .bool(true) {
        throw TokenizerError("added_tokens_decoder: \(key) is true for '\(content)', but only false is supported")
      }
      tokens.append((id, content))
    }
    return tokens
  }
}

extension WordPieceTokenizer {
  /// A `BertTokenizer`, or a `BertJapaneseTokenizer` with MeCab, from its vocabulary, one token per line.
  /// - Throws: `TokenizerError` if an added token is not in the vocabulary with its id; what `init(tokens:…)` throws.
  public init(vocabulary tokens: [[UInt8]], _ settings: HuggingFaceTokenizerSettings) throws(TokenizerError) {
    var special = WordPieceTrainer.bertTokens.filter { tokens.contains(Array($0.utf8)) }
    for token in settings.addedTokens {
      guard tokens.indices.contains(token.id), tokens[token.id] == Array(token.content.utf8) else {
        throw TokenizerError(
          "the added token '\(token.content)' is not in the vocabulary, or its id is not \(token.id)")
      }
      if !special.contains(token.content) { special.append(token.content) }
    }
    try self.init(tokens: tokens, specialTokens: special, words: settings.words)
    dictionary = settings.dictionary
  }

  /// Reads the dictionary from the `tokenizer_config.json` next to a `tokenizer.json`, if MeCab splits the words.
  mutating func readDictionary(beside path: String) throws {
    guard words == .mecab else { return }
    let folder = ArchivePath.prefix(of: path)
    let configuration = folder + HuggingFaceTokenizerFiles.configurationName
    guard FileSystem.exists(configuration) else { return }
    let text = try FileSystem.read(configuration, limit: 16 << 20)
    do { dictionary = try HuggingFaceTokenizerSettings(try JSONValue.parse(text).value).dictionary } catch let error
      as TokenizerError
    {
      throw TokenizerError("\(configuration): \(error.message)", hint: error.hint)
    } catch let error as JSONSyntaxError {
      throw TokenizerError("\(configuration) is not valid JSON at byte \(error.offset): \(error.message)")
    }
  }
}
