import ShardKit
import TestKit
import Testing

@testable import TextKit

private let transformers = PeerScript("huggingface_transformers.py")
private let hasTransformers5 = transformers.run("--transformers5") != nil

/// Small tokenizers as other programs make them.
private enum Made {
  static let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  private static let words = [
    "a", "b", "é", "e", "A", "あ", "亜", "亜亜", "##亜", "##b", "ab", "##あ",
  ]

  static func special(_ names: [String]) -> JSONValue {
    .list(
      names.enumerated().map { id, name in
        [
          "id": .integer(id), "content": .string(name), "single_word": false, "lstrip": false, "rstrip": false,
          "normalized": false, "special": true,
        ]
      })
  }

  static func normalizer(
    lowercase: Bool = false, stripAccents: JSONValue = .null, spaces: Bool = true, cleans: Bool = true
  ) -> JSONValue {
    [
      "type": "BertNormalizer", "clean_text": .bool(cleans), "handle_chinese_chars": .bool(spaces),
      "strip_accents": stripAccents, "lowercase": .bool(lowercase),
    ]
  }

  static func wordPiece(
    _ normalizer: JSONValue = normalizer(), preTokenizer: JSONValue = ["type": "BertPreTokenizer"], added: Int = 5,
    framed: (start: Int, end: Int) = (2, 3)
  ) -> JSONValue {
    let all = pieces + words
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": special(Array(all.prefix(added))),
      "normalizer": normalizer, "pre_tokenizer": preTokenizer,
      "post_processor": [
        "type": "BertProcessing", "sep": .list([.string(all[framed.end]), .integer(framed.end)]),
        "cls": .list([.string(all[framed.start]), .integer(framed.start)]),
      ], "decoder": .null,
      "model": [
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": .object(all.enumerated().map { JSONMember($1, .integer($0)) }),
      ],
    ]
  }

  /// One more added token, with this id.
  static func added(_ id: Int) -> JSONValue {
    .object(
      (wordPiece().members ?? []).map { member in
        guard member.key == "added_tokens", let tokens = member.value.array else { return member }
        return JSONMember(member.key, .list(tokens + [["id": .integer(id), "content": "<more>"]]))
      })
  }

  static func bytePairs(_ preTokenizer: JSONValue, ends: (Bool, Bool) = (false, false)) -> JSONValue {
    let tokens = ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab", "Ġ", "Ġa"]
    func special(_ isThere: Bool, _ name: String) -> [JSONValue] {
      isThere ? [["SpecialToken": ["id": .string(name), "type_id": 0]]] : []
    }
    func text(_ name: String) -> [JSONValue] {
      special(ends.0, "<s>") + [["Sequence": ["id": .string(name), "type_id": 0]]] + special(ends.1, "</s>")
    }
    let names = [("<s>", 1), ("</s>", 2)].map { name, id in
      JSONMember(name, ["id": .string(name), "ids": .list([.integer(id)]), "tokens": .strings([name])])
    }
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": Self.special(Array(tokens.prefix(3))),
      "normalizer": .null, "pre_tokenizer": preTokenizer,
      "post_processor": [
        "type": "TemplateProcessing", "single": .list(text("A")), "pair": .list(text("A") + text("B")),
        "special_tokens": .object(names),
      ], "decoder": .null,
      "model": [
        "type": "BPE", "dropout": .null, "unk_token": "<unk>", "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": true, "byte_fallback": false, "ignore_merges": false,
        "vocab": .object(tokens.enumerated().map { JSONMember($1, .integer($0)) }),
        "merges": .list([["▁", "a"], ["Ġ", "a"], ["a", "b"]].map { .strings($0) }),
      ],
    ]
  }

  static func byteLevel(_ addsSpace: Bool) -> JSONValue {
    ["type": "ByteLevel", "add_prefix_space": .bool(addsSpace), "trim_offsets": true, "use_regex": true]
  }

  static func metaspace(_ scheme: String) -> JSONValue {
    ["type": "Metaspace", "replacement": "▁", "prepend_scheme": .string(scheme), "split": true]
  }

  static func token(_ content: String, _ flags: [JSONMember] = []) -> JSONValue {
    let all = ["lstrip", "normalized", "rstrip", "single_word", "special"].map { name in
      flags.first { $0.key == name } ?? JSONMember(name, false)
    }
    return .object([JSONMember("content", .string(content))] + all + flags.filter { $0.key == "__type" })
  }

  /// A folder with the files.
  static func folder(_ tokenizer: JSONValue, _ configuration: JSONValue, model: JSONValue = .null) throws -> String {
    let folder = temporaryDirectory()
    let files = [("tokenizer.json", tokenizer), ("tokenizer_config.json", configuration), ("config.json", model)]
    for (name, json) in files where json != .null {
      try FileSystem.write(Array(json.text().utf8), to: "\(folder)/\(name)")
    }
    return folder
  }
}

/// What a `tokenizer_config.json` changes of the `tokenizer.json` beside it.
@Suite struct TokenizerConfigurationTests {
  struct Case: CustomTestStringConvertible {
    let name: String
    let tokenizer: JSONValue
    let configuration: JSONValue
    var model: JSONValue = .null
    var testDescription: String { name }

    init(_ name: String, _ tokenizer: JSONValue, _ type: String, _ members: [(String, JSONValue)] = []) {
      (self.name, self.tokenizer) = (name, tokenizer)
      configuration = .object([JSONMember("tokenizer_class", .string(type))] + members.map { JSONMember($0, $1) })
    }

    /// Without a class.
    init(_ name: String, _ tokenizer: JSONValue, model: JSONValue, _ configuration: JSONValue = .null) {
      (self.name, self.tokenizer, self.configuration, self.model) = (name, tokenizer, configuration, model)
    }

    /// The ids of texts, by transformers.
    func theirs(_ texts: [String], _ options: [String] = []) throws -> [String] {
      let folder = try Made.folder(tokenizer, configuration, model: model)
      defer { try? FileSystem.removeTree(folder) }
      return String(decoding: try #require(transformers.run(options + [folder] + texts)), as: UTF8.self)
        .split(separator: "\n").map { $0.split(separator: " ").dropFirst().joined(separator: " ") }
    }

    func read() throws -> Tokenizer {
      let folder = try Made.folder(tokenizer, configuration)
      defer { try? FileSystem.removeTree(folder) }
      return try Tokenizer(path: folder + "/tokenizer.json", model: model)
    }
  }

  /// Cut short, as many models have it.
  private static let length: JSONValue = ["model_max_length": 512]

  private static let cases: [Case] = {
    let added: JSONValue = [
      "15": Made.token("ab", [JSONMember("lstrip", true)]), "17": Made.token("<x>"),
      "4": Made.token("[MASK]", [JSONMember("rstrip", true), JSONMember("special", true)]),
    ]
    return [
      Case("BERT's defaults", Made.wordPiece(), "BertTokenizer"),
      Case("case", Made.wordPiece(Made.normalizer(lowercase: true)), "BertTokenizer", [("do_lower_case", false)]),
      Case("accents", Made.wordPiece(), "ElectraTokenizer", [("do_lower_case", false), ("strip_accents", true)]),
      Case("no accents", Made.wordPiece(), "BertTokenizerFast", [("strip_accents", false)]),
      Case("ideographs", Made.wordPiece(), "DistilBertTokenizer", [("tokenize_chinese_chars", false)]),
      Case("ideographs by default", Made.wordPiece(Made.normalizer(spaces: false)), "BertTokenizer"),
      Case("a class without settings", Made.wordPiece(), "PreTrainedTokenizerFast", [("do_lower_case", true)]),
      Case("another normalizer", Made.wordPiece(["type": "NFKC"]), "PreTrainedTokenizerFast"),
      Case("Splinter's defaults", Made.wordPiece(), "SplinterTokenizer"),
      Case("ConvBERT's case", Made.wordPiece(Made.normalizer(lowercase: true)), "ConvBertTokenizer"),
      Case("a BERT without a class", Made.wordPiece(), model: ["model_type": "bert"], length),
      Case("a BERT without a configuration", Made.wordPiece(added: 2), model: ["model_type": "bert"]),
      Case("a BERT with case", Made.wordPiece(), model: ["model_type": "bert"], ["do_lower_case": false]),
      Case("an ELECTRA without a class", Made.wordPiece(), model: ["model_type": "electra"], length),
      Case("a ConvBERT without a class", Made.wordPiece(), model: ["model_type": "convbert"], length),
      Case("a ModernBERT without a class", Made.wordPiece(), model: ["model_type": "modernbert"], length),
      Case(
        "a class of the model", Made.wordPiece(),
        model: ["model_type": "bert", "tokenizer_class": "PreTrainedTokenizerFast"], length),
      Case(
        "BERT's class of the model", Made.wordPiece(),
        model: ["model_type": "roberta", "tokenizer_class": "BertTokenizer"], length),
      Case(
        "further tokens by name", Made.wordPiece(added: 0), "PreTrainedTokenizerFast",
        [("extra_special_tokens", ["x_token": "ab", "y_token": "é"])]),
      Case(
        "a space that both say", Made.bytePairs(Made.byteLevel(true)), "PreTrainedTokenizerFast",
        [("add_prefix_space", true)]),
      Case(
        "words at white space", Made.wordPiece(["type": "NFKC"], preTokenizer: ["type": "WhitespaceSplit"]),
        "PreTrainedTokenizerFast"),
      Case("no added tokens", Made.wordPiece(added: 0), "BertTokenizer"),
      Case(
        "roles", Made.wordPiece(added: 0), "PreTrainedTokenizerFast",
        [
          ("mask_token", "[MASK]"),
          ("sep_token", Made.token("[SEP]", [JSONMember("lstrip", true), JSONMember("__type", "AddedToken")])),
        ]),
      Case("no roles", Made.wordPiece(added: 0), "PreTrainedTokenizerFast"),
      Case(
        "further tokens", Made.wordPiece(added: 0), "PreTrainedTokenizerFast",
        [("additional_special_tokens", .strings(["ab"]))]),
      Case(
        "tokens of the configuration", Made.wordPiece(), "PreTrainedTokenizerFast", [("added_tokens_decoder", added)]),
      Case(
        "a space by default", Made.bytePairs(Made.byteLevel(true)), "GPT2Tokenizer",
        [("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")]),
      Case(
        "a space", Made.bytePairs(Made.byteLevel(false), ends: (true, true)), "RobertaTokenizer",
        [("add_prefix_space", true)]),
      Case(
        "steps", Made.bytePairs(["type": "Sequence", "pretokenizers": .list([Made.byteLevel(false)])]),
        "PreTrainedTokenizerFast", [("add_prefix_space", true)]),
      Case(
        "Llama's ends", Made.bytePairs(Made.metaspace("always"), ends: (true, true)), "LlamaTokenizerFast",
        [("add_eos_token", true)]),
      Case("Llama's start", Made.bytePairs(Made.metaspace("never"), ends: (true, false)), "LlamaTokenizer"),
    ]
  }()

  private static let texts = [
    "Ab é 亜亜 [MASK] a", "A [SEP]b", "b ab<x> [MASK] b", "ab", "é a  b", "あ亜 E\u{301}", "<unk>", "a[CLS][PAD]",
    "[unk] [mask] x", "a\u{1}b",
  ]

  private func check(_ example: Case, _ theirs: [String]) throws {
    let session = try TokenizerSession(example.read())
    let ours = try Self.texts.map { text in
      var ids = TokenBuffer()
      try Array(text.utf8).withUnsafeBufferPointer { try session.encode($0, addingSpecialTokens: true, into: &ids) }
      return ids.ids.map { "\($0)" }.joined(separator: " ")
    }
    #expect(ours == theirs)
  }

  @Test(.needs(transformers.isUsable, "the Python package transformers is not installed"), arguments: cases)
  func idsAreThoseOfTransformers(_ example: Case) throws { try check(example, example.theirs(Self.texts)) }

  /// Its classes of byte pairs leave out what no token stands for, if these are not all bytes.
  @Test(
    .needs(hasTransformers5, "needs transformers 5"),
    arguments: cases.filter { $0.tokenizer["model"]?["type"] == "WordPiece" })
  func idsAreThoseOfTransformers5(_ example: Case) throws {
    try check(example, example.theirs(Self.texts, ["--transformers5"]))
  }

  private static let differences: [(Case, String)] = [
    (
      Case("a space that only the file says", Made.bytePairs(Made.byteLevel(true)), "PreTrainedTokenizerFast"),
      "add_prefix_space is not set, by default false, which the ByteLevel"
    ), (Case("BERT, NFKC", Made.wordPiece(["type": "NFKC"]), "BertTokenizer"), "the file's normalizer is {"),
    (
      Case(
        "BERT, steps", Made.wordPiece(["type": "Sequence", "normalizers": .list([Made.normalizer()])]),
        "DistilBertTokenizer"), "the file's normalizer is {"
    ),
    (
      Case(
        "BERT, white space",
        Made.wordPiece(Made.normalizer(lowercase: true), preTokenizer: ["type": "WhitespaceSplit"]),
        "ElectraTokenizer"), "the file's pre_tokenizer is {"
    ),
    (
      Case(
        "BERT, control characters", Made.wordPiece(Made.normalizer(lowercase: true, cleans: false)), "BertTokenizer"),
      "the file's normalizer has clean_text false"
    ), (Case("BERT, another end", Made.wordPiece(framed: (2, 6)), "BertTokenizer"), "does not put cls_token"),
    (Case("ConvBERT's default", Made.wordPiece(), "ConvBertTokenizer"), "by which lowercase is true"),
    (Case("RoBERTa without ends", Made.bytePairs(Made.byteLevel(false)), "RobertaTokenizer"), "is RobertaTokenizer"),
    (
      Case(
        "GPT-NeoX with a start", Made.bytePairs(Made.byteLevel(false)), "GPTNeoXTokenizer",
        [("add_bos_token", true), ("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")]),
      "is GPTNeoXTokenizer, with tokens around a text"
    ),
    (
      Case(
        "a token that is looked for in normalized text", Made.wordPiece(Made.normalizer(lowercase: true)),
        "PreTrainedTokenizerFast",
        [("added_tokens_decoder", ["4": Made.token("[MASK]", [JSONMember("normalized", true)])])]),
      "added_tokens_decoder says of '[MASK]' that normalized is true"
    ),
  ]

  /// What is an error since releases of transformers give other ids.
  @Test(.needs(hasTransformers5, "needs transformers 5"), arguments: differences)
  func whereReleasesDifferIsAnError(_ example: Case, _ message: String) throws {
    #expect(try example.theirs(Self.texts) != example.theirs(Self.texts, ["--transformers5"]))
    let error = #expect(throws: TokenizerError.self) { try example.read() }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "none")")
  }

  /// Contradictions between the files.
  @Test(arguments: [
    (
      Case("", Made.bytePairs(Made.metaspace("always"), ends: (true, true)), "LlamaTokenizerFast"),
      "add_eos_token false"
    ),
    (Case("", Made.bytePairs(Made.metaspace("always")), "LlamaTokenizer"), "add_bos_token is true"),
    (
      Case(
        "", Made.bytePairs(Made.metaspace("always"), ends: (true, false)), "LlamaTokenizer",
        [("add_prefix_space", false)]), "add_prefix_space is false, which the Metaspace"
    ),
    (
      Case("", Made.bytePairs(Made.byteLevel(false)), "PreTrainedTokenizerFast", [("add_prefix_space", true)]),
      "add_prefix_space is true, which the ByteLevel"
    ),
    (Case("", Made.wordPiece(), "BertTokenizer", [("do_lower_case", "yes")]), "do_lower_case is \"yes\""),
    (
      Case("", Made.wordPiece(), "PreTrainedTokenizerFast", [("split_special_tokens", true)]),
      "split_special_tokens is true"
    ),
    (
      Case("", Made.wordPiece(), "PreTrainedTokenizerFast", [("added_tokens_decoder", ["20": Made.token("<x>")])]),
      "gives '<x>' the id 20, but its place in the vocabulary is 17"
    ),
    (
      Case(
        "", Made.added(Int.max), "PreTrainedTokenizerFast", [("added_tokens_decoder", ["17": Made.token("<x>")])]),
      "gives a token the id 9223372036854775807, which is not between 0 and 4294967295"
    ),
    (
      Case("", Made.added(-1), "PreTrainedTokenizerFast", [("added_tokens_decoder", ["17": Made.token("<x>")])]),
      "gives a token the id -1, which is not"
    ),
    (
      Case(
        "", Made.wordPiece(), "PreTrainedTokenizerFast",
        [("added_tokens_decoder", ["9223372036854775807": Made.token("<x>"), "17": Made.token("<y>")])]),
      "added_tokens_decoder has '9223372036854775807'"
    ),
    (Case("", Made.wordPiece(), "BertJapaneseTokenizer"), "tokenizer_class is BertJapaneseTokenizer"),
  ])
  func contradictionsAreErrors(_ example: Case, _ message: String) throws {
    let folder = try Made.folder(example.tokenizer, example.configuration)
    defer { try? FileSystem.removeTree(folder) }
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(path: folder + "/tokenizer.json") }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "none")")
  }

  /// Each is one step more, however many there are.
  @Test func manyTokensOfTheConfigurationFollowTheVocabulary() throws {
    let count = 20_000
    let members = (0..<count).map { JSONMember("\(17 + $0)", Made.token("<x\($0)>")) }
    let folder = try Made.folder(
      Made.wordPiece(), ["tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": .object(members)])
    defer { try? FileSystem.removeTree(folder) }
    let tokens = try Tokenizer(path: folder + "/tokenizer.json").tokens
    #expect(tokens.count == 17 + count && tokens.last == Array("<x\(count - 1)>".utf8))
  }

  /// NFKC and white space are what MeCab's tokenizers have for text that it has split, but not theirs alone.
  @Test func onlyBertJapaneseTokenizerIsMeCabs() throws {
    let tokenizer = Made.wordPiece(["type": "NFKC"], preTokenizer: ["type": "WhitespaceSplit"])
    let types: [(JSONValue, WordPieceTokenizer.Words)] = [
      (.null, .scripts), (["tokenizer_class": "PreTrainedTokenizerFast"], .scripts),
      (["tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"], .mecab),
    ]
    for (configuration, words) in types {
      let folder = try Made.folder(tokenizer, configuration)
      defer { try? FileSystem.removeTree(folder) }
      #expect(try Tokenizer(path: folder + "/tokenizer.json").words == words)
    }
  }

  @Test func whatChangesNothingIsNoChange() throws {
    func isConfigured(_ tokenizer: JSONValue, _ configuration: JSONValue) throws -> Bool {
      let folder = try Made.folder(tokenizer, configuration)
      defer { try? FileSystem.removeTree(folder) }
      return try Tokenizer(path: folder + "/tokenizer.json").isConfigured
    }
    let plain: JSONValue = ["tokenizer_class": "BertTokenizer", "do_lower_case": false, "mask_token": "[MASK]"]
    #expect(try !isConfigured(Made.wordPiece(), plain) && !isConfigured(Made.wordPiece(), .null))
    #expect(try isConfigured(Made.wordPiece(), ["tokenizer_class": "BertTokenizer"]))
  }

  /// Specials that only the configuration names, or only the post-processor, and ids without a token.
  @Test func idsWithoutTextAreAllKnown() throws {
    let roles: JSONValue = ["tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "[MASK]", "unk_token": "[UNK]"]
    let folder = try Made.folder(Made.wordPiece(added: 0, framed: (2, 6)), roles)
    defer { try? FileSystem.removeTree(folder) }
    let tokenizer = try Tokenizer(path: folder + "/tokenizer.json")
    #expect(tokenizer.specialTokens.map(\.id) == [1, 4])
    // [PAD] and [SEP] have their roles by their names, 6 stands behind each text.
    #expect(tokenizer.idsWithoutText == [0, 1, 2, 3, 4, 6])
    var json = Made.wordPiece()
    json = .object(
      (json.members ?? []).map { member in
        guard member.key == "model" else { return member }
        let vocabulary = (Made.pieces + ["a"]).enumerated().map { JSONMember($1, .integer($0 < 5 ? $0 : 8)) }
        let rest = (member.value.members ?? []).filter { $0.key != "vocab" }
        return JSONMember("model", .object(rest + [JSONMember("vocab", .object(vocabulary))]))
      })
    let holes = Tokenizer(try SubwordTokenizer(json))
    #expect(holes.tokens.count == 9 && holes.idsWithoutText == [0, 1, 2, 3, 4, 5, 6, 7])
  }
}
