public import ShardKit

/// A tokenizer as stages take it: a WordPiece vocabulary with the words of this project, or any `tokenizer.json` that is
/// supported.
public struct Tokenizer: Sendable {
  enum Kind: Sendable {
    case wordPiece(WordPieceTokenizer)
    case subwords(SubwordTokenizer)
  }

  /// What a special token is for; the names of transformers' settings.
  public enum Role: String, CaseIterable, Sendable {
    case unknown = "unk_token"
    case classification = "cls_token"
    case separator = "sep_token"
    case padding = "pad_token"
    case mask = "mask_token"
    case beginning = "bos_token"
    case end = "eos_token"
  }

  let kind: Kind
  private let roles: [Role: UInt32]
  /// The contents of `tokenizer_config.json`, for a tokenizer that this project did not make; null without one.
  public let configuration: JSONValue
  /// Whether the configuration changes what the `tokenizer.json` says.
  public private(set) var isConfigured = false
  /// Whether its ByteLevel puts a space before a text, which release 4 of transformers only does where
  /// `tokenizer_config.json` says so too.
  public private(set) var addsPrefixSpace = false

  /// A WordPiece vocabulary with BERT's special tokens.
  public init(_ tokenizer: WordPieceTokenizer) {
    kind = .wordPiece(tokenizer)
    let names: [(Role, String)] = [
      (.unknown, "[UNK]"), (.classification, "[CLS]"), (.separator, "[SEP]"), (.padding, "[PAD]"), (.mask, "[MASK]"),
    ]
    var roles: [Role: UInt32] = [:]
    for (role, name) in names {
      roles[role] = tokenizer.tokens.firstIndex(of: Array(name.utf8)).map { UInt32($0) }
    }
    self.roles = roles
    configuration = .null
  }

  /// Reads a `tokenizer.json` with the `tokenizer_config.json` and the `special_tokens_map.json` beside it, as transformers'
  /// AutoTokenizer does (see `TokenizerConfiguration`); roles of special tokens that these do not name follow from usual names.
  /// - Parameter model: the model's `config.json`, by which the tokenizer's class goes if `tokenizer_config.json` does not
  ///   name it; `configuration` then does.
  /// - Throws: `ShardError` if a file cannot be read; `TokenizerError` if it is not JSON or not supported, or the files
  ///   contradict each other.
  public init(path: String, model: JSONValue = .null) throws {
    let json = try TokenizerFile.parse(path)
    let folder = ArchivePath.prefix(of: path)
    let settings = [HuggingFaceTokenizerFiles.configurationName, HuggingFaceTokenizerFiles.specialTokensName]
    let files = try settings.map { name in
      FileSystem.exists(folder + name) ? try TokenizerFile.parse(folder + name) : .null
    }
    let configuration = TokenizerConfiguration(files[0], specialTokens: files[1], model: model)
    do {
      let changed = try configuration.applied(to: json), settled = changed ?? json
      if var own = try WordPieceTokenizer.own(settled, isJapaneseBERT: configuration.isJapaneseBERT) {
        try own.readDictionary(beside: path)
        self.init(own)
      } else {
        guard !configuration.isJapaneseBERT else { throw Self.japaneseBERT }
        self.init(try SubwordTokenizer(settled), configuration: configuration.json, specialTokens: files[1])
        try configuration.check(self)
      }
      isConfigured = changed != nil
      let preTokenizer = settled["pre_tokenizer"] ?? .null
      addsPrefixSpace = preTokenizer["type"] == "ByteLevel" && preTokenizer["add_prefix_space"] == true
    } catch let error as TokenizerError {
      throw TokenizerError("\(path): \(error.message)", hint: error.hint)
    }
  }

  private static let japaneseBERT = TokenizerConfiguration.error(
    "tokenizer_class is BertJapaneseTokenizer, which does not read tokenizer.json but splits words by itself",
    hint: "Remove tokenizer.json, so that vocab.txt is read, or name the class that the tokenizer.json is for.")

  init(
    _ tokenizer: SubwordTokenizer, configuration: JSONValue = .null, specialTokens: JSONValue = .null
  ) {
    kind = .subwords(tokenizer)
    self.configuration = configuration
    var ids: [[UInt8]: UInt32] = [:]
    for token in tokenizer.specialTokens { ids[token.content] = token.id }
    for (id, token) in tokenizer.tokens.enumerated() where ids[token] == nil { ids[token] = UInt32(id) }
    var roles: [Role: UInt32] = [:]
    for role in Role.allCases {
      let given = [configuration, specialTokens].lazy.compactMap { $0[role.rawValue] }.compactMap {
        $0.string ?? $0["content"]?.string
      }
      let names = given.first.map { [$0] } ?? Self.usualNames[role] ?? []
      roles[role] = names.lazy.compactMap { ids[Array($0.utf8)] }.first
    }
    roles[.unknown] = roles[.unknown] ?? tokenizer.unknown
    self.roles = roles
  }

  /// For files without settings beside them.
  private static let usualNames: [Role: [String]] = [
    .padding: ["[PAD]", "<pad>", "<|pad|>", "<PAD|LLM-jp>", "<pad|LLM-jp>"],
    .mask: ["[MASK]", "<mask>", "<|mask|>", "<MASK|LLM-jp>", "<mask|LLM-jp>"],
    .classification: ["[CLS]", "<cls>", "<|cls|>", "<CLS|LLM-jp>", "<s>"],
    .separator: ["[SEP]", "<sep>", "<|sep|>", "<SEP|LLM-jp>", "</s>"], .beginning: ["<s>"], .end: ["</s>"],
  ]

  /// The vocabulary, if it is one of this project's WordPiece tokenizers.
  public var wordPiece: WordPieceTokenizer? { if case .wordPiece(let tokenizer) = kind { tokenizer } else { nil } }

  /// Tokens by id; ids without a token are empty.
  public var tokens: [[UInt8]] {
    switch kind {
    case .wordPiece(let tokenizer): tokenizer.tokens
    case .subwords(let tokenizer): tokenizer.tokens
    }
  }

  /// Tokens that stand for no text: never masked, and found in texts before anything else.
  public var specialTokens: [WordPieceTokenizer.SpecialToken] {
    switch kind {
    case .wordPiece(let tokenizer): tokenizer.specialTokens
    case .subwords(let tokenizer): tokenizer.specialTokens
    }
  }

  /// Ids that stand for no text, ascending: of special tokens, of those that have a role or stand around texts, and those
  /// without a token. They are never masked, and never put in a masked token's place.
  public var idsWithoutText: [UInt32] {
    var found = Set(specialTokens.map(\.id))
    found.formUnion(roles.values)
    for part in frame.single + frame.pair { if case .special(let ids, _) = part { found.formUnion(ids) } }
    for (id, token) in tokens.enumerated() where token.isEmpty { found.insert(UInt32(id)) }
    return found.sorted()
  }

  /// The token for what no other token can write; nil if there is none.
  public var unknown: UInt32? {
    switch kind {
    case .wordPiece(let tokenizer): tokenizer.unknown
    case .subwords(let tokenizer): tokenizer.unknown
    }
  }

  /// The special tokens around one text or two.
  public var frame: TokenFrame {
    switch kind {
    case .wordPiece(let tokenizer):
      .bert(classification: tokenizer.classification, separator: tokenizer.separator)
    case .subwords(let tokenizer): tokenizer.frame
    }
  }

  /// The special token for that; nil if there is none.
  public func special(_ role: Role) -> UInt32? { roles[role] }

  /// How words are split before the vocabulary sees them; `scripts` if MeCab is not needed.
  public var words: WordPieceTokenizer.Words {
    if case .wordPiece(let tokenizer) = kind { tokenizer.words } else { .scripts }
  }

  /// Whether any token contains the scalar, or stands for its bytes.
  public func knows(_ scalar: UInt32) -> Bool {
    switch kind {
    case .wordPiece(let tokenizer): tokenizer.knows(scalar)
    case .subwords(let tokenizer): tokenizer.knows(scalar)
    }
  }
}
