import ShardKit

/// What the `tokenizer_config.json` and the `special_tokens_map.json` beside a `tokenizer.json` change of it, as
/// transformers' AutoTokenizer lets them. Where its releases 4 and 5 are known to differ for a class that is named here, it
/// is an error (compared: 4.57.6 and 5.17.0). Of other classes, the `tokenizer.json` counts.
///
/// Tokens that only have a role, and are none of the vocabulary, are left out; transformers gives them ids behind it, for
/// which models have no rows.
struct TokenizerConfiguration {
  /// null without a file.
  let json: JSONValue
  private let specialTokens: JSONValue
  /// The class without `Fast` and without `Tokenizer`; nil if the file does not say.
  private let family: String?

  /// - Parameter model: the model's `config.json`, by which the class goes if the tokenizer's does not say it.
  init(_ json: JSONValue, specialTokens: JSONValue = .null, model: JSONValue = .null) {
    let json = Self.naming(Self.type(of: model), json)
    self.json = json
    self.specialTokens = specialTokens
    var name = json["tokenizer_class"]?.string
    for ending in ["Fast", "Tokenizer"] {
      if let whole = name, whole.hasSuffix(ending) { name = String(whole.dropLast(ending.count)) }
    }
    family = name
  }

  /// Classes by the type of a model, as far as they are in the lists here.
  private static let types = [
    "bert": "BertTokenizer", "nomic_bert": "BertTokenizer", "convbert": "BertTokenizer",
    "distilbert": "DistilBertTokenizer", "electra": "ElectraTokenizer", "mobilebert": "MobileBertTokenizer",
    "squeezebert": "SqueezeBertTokenizer", "lxmert": "LxmertTokenizer", "layoutlm": "LayoutLMTokenizer",
    "splinter": "SplinterTokenizer", "roberta": "RobertaTokenizer", "gpt2": "GPT2Tokenizer",
    "gpt_neox": "GPTNeoXTokenizer", "modernbert": plainType,
  ]
  private static let plainType = "PreTrainedTokenizerFast"

  private static func type(of model: JSONValue) -> String? {
    model["tokenizer_class"]?.string ?? model["model_type"]?.string.flatMap { types[$0] }
  }

  private static func naming(_ type: String?, _ json: JSONValue) -> JSONValue {
    guard let type, json["tokenizer_class"] ?? .null == .null, json != .null || type != plainType else { return json }
    return replacing(json, [("tokenizer_class", .string(type))])
  }

  /// Whether words are split before the file's steps, by MeCab.
  var isJapaneseBERT: Bool { family == "BertJapanese" }

  /// The parsed `tokenizer.json` with what the configuration says of it; nil if that changes nothing.
  /// - Throws: `TokenizerError` for a contradiction that releases of transformers resolve differently, and for values of
  ///   another type.
  func applied(to tokenizer: JSONValue) throws(TokenizerError) -> JSONValue? {
    guard json != .null || specialTokens != .null else { return nil }
    try checkRebuilt(tokenizer)
    if json["split_special_tokens"] == true {
      throw Self.error("split_special_tokens is true: special tokens in texts would be split, which is not supported")
    }
    let parts: [(key: String, value: JSONValue?)] = [
      ("normalizer", try normalizer(tokenizer["normalizer"] ?? .null)),
      ("pre_tokenizer", try preTokenizer(tokenizer["pre_tokenizer"] ?? .null)),
      ("added_tokens", try addedTokens(tokenizer)),
    ]
    let changes = parts.compactMap { part -> Change? in part.value.map { (part.key, $0) } }
    return changes.isEmpty ? nil : Self.replacing(tokenizer, changes)
  }

  static func error(_ message: String, hint: String? = nil) -> TokenizerError {
    TokenizerError("\(HuggingFaceTokenizerFiles.configurationName): \(message)", hint: hint)
  }

  /// nil if it is missing or null.
  private func flag(_ key: String) throws(TokenizerError) -> Bool? {
    switch json[key] {
    case nil, .null: return nil
    case .bool(let flag): return flag
    case let value?: throw Self.error("\(key) is \(value.text()), neither true nor false")
    }
  }

  private typealias Change = (key: String, value: JSONValue)

  /// The object with other values at their keys' places; new keys follow.
  private static func replacing(_ json: JSONValue, _ values: [Change]) -> JSONValue {
    var members = json.members ?? []
    for (key, value) in values {
      if let place = members.firstIndex(where: { $0.key == key }) {
        members[place] = JSONMember(key, value)
      } else {
        members.append(JSONMember(key, value))
      }
    }
    return .object(members)
  }
}

// MARK: Normalizer and pre-tokenizer

extension TokenizerConfiguration {
  /// Classes that set BERT's normalizer by their own settings, whose defaults count too.
  private static let lowercasing: Set = [
    "Bert", "DistilBert", "Electra", "MobileBert", "SqueezeBert", "Lxmert", "LayoutLM", "Splinter",
  ]
  /// As those in release 4; in release 5 they take that of `tokenizer.json`.
  private static let formerlyLowercasing: Set = ["ConvBert", "Funnel", "MPNet"]
  /// Classes that set ByteLevel's space before a text, by default to none.
  private static let spacing: Set = [
    "GPT2", "Roberta", "Bart", "Longformer", "LED", "Deberta", "CodeGen", "GPTNeoX", "Qwen2",
  ]
  /// Classes that take `tokenizer.json` as it is, whatever their settings.
  private static let plain: Set = ["PreTrained", "TokenizersBackend"]

  /// Whether the class's settings count as BERT's.
  private var isBERTs: Bool { family.map(Self.lowercasing.contains) ?? false }

  /// BERT's classes have steps of their own in release 5, and those of `tokenizer.json` in release 4.
  private func checkRebuilt(_ tokenizer: JSONValue) throws(TokenizerError) {
    guard isBERTs else { return }
    let normalizer = tokenizer["normalizer"] ?? .null, cutter = tokenizer["pre_tokenizer"] ?? .null
    var foreign: String?
    if cutter["type"] != "BertPreTokenizer" { foreign = "pre_tokenizer is \(cutter.text())" }
    if normalizer["clean_text"] == false { foreign = "normalizer has clean_text false" }
    if normalizer["type"] != "BertNormalizer" { foreign = "normalizer is \(normalizer.text())" }
    if let foreign { throw Self.unlikeBERT(foreign) }
  }

  private static func unlikeBERT(_ what: String) -> TokenizerError {
    error(
      "tokenizer_class is one of BERT's, but the file's \(what): release 5 of transformers does as BERT, release 4 as the file",
      hint: "Set tokenizer_class to \(plainType), which does as the file in both.")
  }

  /// nil: as it is.
  private func normalizer(_ given: JSONValue) throws(TokenizerError) -> JSONValue? {
    let differs = family.map(Self.formerlyLowercasing.contains) ?? false
    guard given["type"] == "BertNormalizer", family == nil || isBERTs || differs else { return nil }
    let settings: [(key: String, name: String, usual: JSONValue)] = [
      ("do_lower_case", "lowercase", true), ("strip_accents", "strip_accents", .null),
      ("tokenize_chinese_chars", "handle_chinese_chars", true),
    ]
    var values: [Change] = []
    for setting in settings {
      let said = try flag(setting.key).map { JSONValue.bool($0) }
      // Without a class, which then follows from the model, only what is said counts.
      guard let value = said ?? (family == nil ? nil : setting.usual), value != given[setting.name] ?? .null else {
        continue
      }
      values.append((setting.name, value))
    }
    if differs, let value = values.first {
      throw Self.error(
        "tokenizer_class is \(family ?? "")Tokenizer, by which \(value.key) is \(value.value.text()), which the normalizer of "
          + "tokenizer.json contradicts: releases of transformers follow one or the other",
        hint: "Make both files say the same.")
    }
    return values.isEmpty ? nil : Self.replacing(given, values)
  }

  /// nil: as it is.
  private func preTokenizer(_ given: JSONValue) throws(TokenizerError) -> JSONValue? {
    let key = "add_prefix_space"
    let said = try flag(key)
    switch given["type"]?.string {
    case "ByteLevel":
      let follows = family.map(Self.spacing.contains) ?? false
      // Release 4 sets it for every class, by default to none.
      guard let wanted = said ?? (family == nil ? nil : false), let own = given[key]?.bool, wanted != own else {
        return nil
      }
      guard follows else {
        throw Self.contradiction(key, said.map { "\($0)" } ?? "not set, by default false", "ByteLevel")
      }
      return Self.replacing(given, [(key, .bool(wanted))])
    case "Metaspace":
      guard let said, let family, !Self.plain.contains(family) else { return nil }
      let adds = given["prepend_scheme"] != "never" && given[key] != false
      guard adds == said else { throw Self.contradiction(key, "\(said)", "Metaspace") }
      return nil
    default: return nil
    }
  }

  private static func contradiction(_ key: String, _ value: String, _ type: String) -> TokenizerError {
    error(
      "\(key) is \(value), which the \(type) of tokenizer.json contradicts: releases of transformers follow one or the other",
      hint: "Make both files say the same.")
  }
}

// MARK: Added tokens

extension TokenizerConfiguration {
  private static let flags = ["single_word", "lstrip", "rstrip", "normalized", "special"]
  /// Those that a token may have.
  private static let ids = 0..<1 << 32
  static let bertNames = ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]

  /// The added tokens with those that only the configuration has; nil: as they are.
  private func addedTokens(_ tokenizer: JSONValue) throws(TokenizerError) -> JSONValue? {
    var added = tokenizer["added_tokens"]?.array ?? []
    var places: [ExactText: Int] = [:]
    var greatest = -1
    for (place, token) in added.enumerated() {
      if let content = token["content"]?.string { places[ExactText(content)] = place }
      guard let id = token["id"]?.integer else { continue }
      guard Self.ids.contains(id) else {
        throw TokenizerError(
          "added_tokens gives a token the id \(id), which is not between 0 and \(Self.ids.upperBound - 1)")
      }
      greatest = max(greatest, id)
    }
    let given = added
    var vocabulary: [ExactText: Int]?
    let roles = roleTokens()
    let special = Set(roles.map { ExactText($0.content) })
    for token in try decoderTokens() {
      let content = ExactText(token.content)
      let json = Self.entry(token, isSpecial: special.contains(content))
      if let place = places[content] {
        try checkNormalized(token, added[place], tokenizer)
        added[place] = Self.replacing(added[place], json.filter { $0.key != "id" })
        continue
      }
      let ids = vocabulary ?? Self.vocabulary(tokenizer)
      vocabulary = ids
      let next = max(ids.count, greatest + 1)
      guard token.id == ids[content] ?? next else {
        throw Self.error(
          "added_tokens_decoder gives '\(token.content)' the id \(token.id), but its place in the vocabulary is "
            + "\(ids[content] ?? next)",
          hint: "Load and save the tokenizer once more with transformers.")
      }
      places[content] = added.count
      greatest = max(greatest, token.id)
      added.append(.object(json.map { JSONMember($0.key, $0.value) }))
    }
    for token in roles where places[ExactText(token.content)] == nil {
      let ids = vocabulary ?? Self.vocabulary(tokenizer)
      vocabulary = ids
      guard let id = ids[ExactText(token.content)] else { continue }
      places[ExactText(token.content)] = added.count
      let json = Self.entry((id, token.content, token.json), isSpecial: true)
      added.append(.object(json.map { JSONMember($0.key, $0.value) }))
    }
    return Self.isSame(added, given) ? nil : .list(added)
  }

  /// Release 4 keeps to `tokenizer.json` in whether a token is looked for before or after a text is normalized.
  private func checkNormalized(
    _ token: Token, _ given: JSONValue, _ tokenizer: JSONValue
  ) throws(TokenizerError) {
    let isSpecial = given["special"] == true
    let own = given["normalized"]?.bool ?? !isSpecial
    guard let said = token.json["normalized"]?.bool, said != own, isSpecial || own,
      tokenizer["normalizer"] ?? .null != .null
    else { return }
    throw Self.error(
      "added_tokens_decoder says of '\(token.content)' that normalized is \(said), which tokenizer.json contradicts: releases "
        + "of transformers follow one or the other", hint: "Make both files say the same.")
  }

  private typealias Token = (id: Int, content: String, json: JSONValue)

  private static func entry(_ token: Token, isSpecial: Bool) -> [Change] {
    let isSpecial = isSpecial || token.json["special"] == true
    var entry: [Change] = [("id", .integer(token.id)), ("content", .string(token.content))]
    for key in flags.dropLast() {
      let usual = key == "normalized" && !isSpecial
      entry.append((key, .bool(token.json[key]?.bool ?? usual)))
    }
    return entry + [("special", .bool(isSpecial))]
  }

  private static func isSame(_ a: [JSONValue], _ b: [JSONValue]) -> Bool {
    guard a.count == b.count else { return false }
    return zip(a, b).allSatisfy { a, b in
      flags.allSatisfy { key in
        let usual = key == "normalized" && b["special"] != true
        return (a[key]?.bool ?? false) == (b[key]?.bool ?? usual)
      }
    }
  }

  /// The tokens of `added_tokens_decoder`, by id.
  private func decoderTokens() throws(TokenizerError) -> [Token] {
    var tokens: [Token] = []
    for member in json["added_tokens_decoder"]?.members ?? [] {
      guard let id = Int(member.key), Self.ids.contains(id), let content = member.value["content"]?.string,
        !content.isEmpty
      else {
        throw Self.error("added_tokens_decoder has '\(member.key)', which is not a token")
      }
      tokens.append((id, content, member.value))
    }
    return tokens.sorted { $0.id < $1.id }
  }

  /// The tokens that have a role, or are named as further special ones.
  private func roleTokens() -> [(content: String, json: JSONValue)] {
    func content(_ value: JSONValue) -> String? { value.string ?? value["content"]?.string }
    func value(_ key: String) -> JSONValue? {
      [json, specialTokens].lazy.compactMap { $0[key] }.first { $0 != .null }
    }
    let named = Tokenizer.Role.allCases.compactMap { value($0.rawValue) }
    let further = ["additional_special_tokens", "extra_special_tokens"].flatMap { key in
      value(key).map { $0.array ?? ($0.members ?? []).map(\.value) } ?? []
    }
    var tokens: [(content: String, json: JSONValue)] = []
    for value in named + further {
      if let content = content(value), !content.isEmpty { tokens.append((content, value)) }
    }
    if isBERTs {
      tokens += Self.bertNames.map { ($0, .null) }
    }
    return tokens
  }

  /// The ids of the model's tokens.
  private static func vocabulary(_ tokenizer: JSONValue) -> [ExactText: Int] {
    let vocabulary = tokenizer["model"]?["vocab"] ?? .null
    var ids: [ExactText: Int] = [:]
    for member in vocabulary.members ?? [] { ids[ExactText(member.key)] = member.value.integer }
    for (id, entry) in (vocabulary.array ?? []).enumerated() {
      if let token = entry.array?.first?.string { ids[ExactText(token)] = id }
    }
    return ids
  }
}

// MARK: Tokens around a text

extension TokenizerConfiguration {
  /// Classes that put tokens around a text by their own settings, with what these are by default. Release 5 takes those
  /// of `tokenizer.json`.
  private static let framing = [
    "Llama": (true, false), "CodeLlama": (true, false), "Gemma": (true, false), "Cohere": (true, false),
  ]

  /// Classes that in release 5 put a token before and one behind a text, whatever `tokenizer.json` says.
  private static let enclosing: Set = ["Roberta", "Bart", "Longformer", "LED", "Deberta"]

  /// Checks that the file's tokens around a text are those that the class would put there.
  /// - Throws: `TokenizerError` if they are not.
  func check(_ tokenizer: Tokenizer) throws(TokenizerError) {
    let frame = tokenizer.frame
    if isBERTs {
      let ends = [Tokenizer.Role.classification, .separator].map { tokenizer.special($0).map { [$0] } }
      guard frame.before == ends[0], frame.after == ends[1] else {
        throw Self.unlikeBERT("post_processor does not put cls_token before a text and sep_token behind it")
      }
    }
    guard let family else { return }
    if Self.enclosing.contains(family), frame.before.count != 1 || frame.after.count != 1 {
      throw Self.error(
        "tokenizer_class is \(family)Tokenizer, but the post_processor of tokenizer.json does not put a token before a text "
          + "and one behind it: release 5 of transformers does so, release 4 does as the file",
        hint: "Set tokenizer_class to \(Self.plainType), which does as the file in both.")
    }
    // Release 4 puts there what the settings say, release 5 nothing.
    if family == "GPTNeoX" {
      let adds = [try flag("add_bos_token"), try flag("add_eos_token")]
      guard !adds.contains(true), frame.before.isEmpty, frame.after.isEmpty else {
        throw Self.error(
          "tokenizer_class is GPTNeoXTokenizer, with tokens around a text: release 5 of transformers leaves them out, release 4 "
            + "does as add_bos_token and add_eos_token say",
          hint: "Set tokenizer_class to \(Self.plainType), which does as the post_processor of tokenizer.json in both.")
      }
    }
    guard let usual = Self.framing[family] else { return }
    let adds = (try flag("add_bos_token") ?? usual.0, try flag("add_eos_token") ?? usual.1)
    let before = adds.0 ? tokenizer.special(.beginning).map { [$0] } : []
    let after = adds.1 ? tokenizer.special(.end).map { [$0] } : []
    guard frame.before == before, frame.after == after else {
      throw Self.error(
        "add_bos_token is \(adds.0) and add_eos_token \(adds.1), which the post_processor of tokenizer.json contradicts: "
          + "releases of transformers follow one or the other",
        hint: "Make both files say the same.")
    }
  }
}
