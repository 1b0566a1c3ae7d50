import ShardKit

/// The `model` of a `tokenizer.json` with the tokens added to it.
struct SubwordVocabulary {
  private(set) var tokens: [[UInt8]] = []
  private(set) var unknown: UInt32?
  private(set) var model: SubwordTokenizer.Model
  private var ids: [[UInt8]: UInt32] = [:]
  /// Tokens of the model.
  private let count: Int

  private static let maximumTokens = 1 << 20
  private static let maximumMerges = 1 << 21
  private static let longestToken = 1 << 12

  init(_ json: JSONValue, readsBytes: Bool) throws(TokenizerError) {
    let part = TokenizerPart(json, "model")
    let type = try Self.type(part)
    if readsBytes, type != "BPE" {
      throw TokenizerError("the model '\(type)' after the pre_tokenizer 'ByteLevel' is not supported")
    }
    switch type {
    case "BPE":
      (tokens, ids) = try Self.vocabulary(part)
      let settings = try Self.bytePairSettings(part, ids, readsBytes)
      let merges = try Self.merges(part, ids)
      unknown = settings.unknown
      model = .bytePair(Self.bytePairModel(tokens, ids, merges, settings))
    case "Unigram":
      let entries = try Self.scores(part)
      tokens = entries.map(\.token)
      for (id, token) in tokens.enumerated() { ids[token] = UInt32(id) }
      unknown = try Self.unknownId(part, entries.count)
      model = .unigram(
        UnigramModel(entries, unknown: unknown, fallsBackToBytes: try part.flag("byte_fallback", ifNull: false)))
    case "WordPiece":
      (tokens, ids) = try Self.vocabulary(part)
      let unknown = try Self.wordPieceUnknown(part, ids)
      self.unknown = unknown
      model = .wordPiece(
        WordPieceEncoder(tokens: tokens, unknown: unknown, maximumCharacters: try Self.characters(part)))
    default: throw part.unsupported(type)
    }
    count = ids.count
  }

  /// Older files leave the type out; it follows from the other members.
  private static func type(_ part: TokenizerPart) throws(TokenizerError) -> String {
    if let type = part.json["type"]?.string { return type }
    if part.json["merges"] != nil { return "BPE" }
    if part.json["vocab"]?.array != nil { return "Unigram" }
    return part.json["continuing_subword_prefix"] != nil ? "WordPiece" : try part.type()
  }

  // MARK: Vocabularies

  /// Tokens by id, and the ids by token.
  private static func vocabulary(
    _ part: TokenizerPart
  ) throws(TokenizerError) -> (tokens: [[UInt8]], ids: [[UInt8]: UInt32]) {
    guard let members = part.json["vocab"]?.members, (1...maximumTokens).contains(members.count) else {
      throw part.error("vocab", "is not an object with 1 to \(maximumTokens) tokens")
    }
    var tokens: [[UInt8]] = []
    var ids: [[UInt8]: UInt32] = [:]
    ids.reserveCapacity(members.count)
    var isTaken: [Bool] = []
    for member in members {
      guard let id = member.value.integer, 0..<(maximumTokens * 2) ~= id else {
        throw part.error("vocab", "gives '\(member.key)' an id that is not between 0 and \(maximumTokens * 2)")
      }
      while tokens.count <= id {
        tokens.append([])
        isTaken.append(false)
      }
      let token = Array(member.key.utf8)
      guard !isTaken[id], ids.updateValue(UInt32(id), forKey: token) == nil, token.count <= longestToken else {
        throw part.error("vocab", "gives '\(member.key)' an id that is taken, or has it twice or too long")
      }
      tokens[id] = token
      isTaken[id] = true
    }
    return (tokens, ids)
  }

  private static func scores(_ part: TokenizerPart) throws(TokenizerError) -> [(token: [UInt8], score: Double)] {
    guard let list = part.json["vocab"]?.array, (1...maximumTokens).contains(list.count) else {
      throw part.error("vocab", "is not a list of 1 to \(maximumTokens) tokens")
    }
    var entries: [(token: [UInt8], score: Double)] = []
    entries.reserveCapacity(list.count)
    for entry in list {
      guard let pair = entry.array, pair.count == 2, let token = pair[0].string, let score = pair[1].double,
        score.isFinite, token.utf8.count <= longestToken
      else { throw part.error("vocab", "has an entry that is not a token and its score") }
      entries.append((Array(token.utf8), approximated(score)))
    }
    return entries
  }

  /// As serde_json reads a number in its usual mode: the digits as an integer, then one division or multiplication by a
  /// power of ten, which may differ from the nearest number in the last bit.
  static func approximated(_ value: Double) -> Double {
    var digits: UInt64 = 0
    var exponent = 0
    var isFraction = false
    var text = Substring("\(abs(value))")
    if let e = text.firstIndex(of: "e") {
      exponent = Int(text[text.index(after: e)...]) ?? 0
      text = text[..<e]
    }
    for c in text.utf8 {
      guard c != 0x2E else {
        isFraction = true
        continue
      }
      let (product, overflows) = digits.multipliedReportingOverflow(by: 10)
      guard !overflows, product <= .max - 9 else { return value }
      digits = product + UInt64(c - 0x30)
      if isFraction { exponent -= 1 }
    }
    guard (-300...300).contains(exponent), let power = Double("1e\(abs(exponent))") else { return value }
    let result = exponent < 0 ? Double(digits) / power : Double(digits) * power
    return value < 0 ? -result : result
  }

  private static func unknownId(_ part: TokenizerPart, _ count: Int) throws(TokenizerError) -> UInt32? {
    switch part.json["unk_id"] {
    case nil, .null: return nil
    case .integer(let id) where 0..<count ~= id: return UInt32(id)
    default: throw part.error("unk_id", "is not the id of a token")
    }
  }

  // MARK: Byte pairs

  private static func bytePairSettings(
    _ part: TokenizerPart, _ ids: [[UInt8]: UInt32], _ readsBytes: Bool
  ) throws(TokenizerError) -> BytePairModel.Settings {
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = try part.text(key, ifMissing: nil), !text.isEmpty {
        throw part.error(key, "is '\(text)', but only an empty one is supported")
      }
    }
    if let dropout = part.json["dropout"], dropout != .null, dropout.double != 0 {
      throw part.error("dropout", "is \(dropout.text()): ids would be random")
    }
    var settings = BytePairModel.Settings()
    settings.readsBytes = readsBytes
    settings.joinsUnknown = try part.flag("fuse_unk", ifNull: false)
    settings.prefersWhole = try part.flag("ignore_merges", ifNull: false)
    settings.fallsBackToBytes = try part.flag("byte_fallback", ifNull: false)
    if let name = try part.text("unk_token", ifMissing: nil) {
      settings.unknown = ids[Array(name.utf8)]
      settings.lacksUnknown = settings.unknown == nil
    }
    let lacksBytes =
      readsBytes
      && ByteAlphabet.scalars.contains { scalar in
        var token: [UInt8] = []
        UTF8Scanning.append(scalar, to: &token)
        return ids[token] == nil
      }
    if lacksBytes, settings.fallsBackToBytes {
      throw part.error("byte_fallback", "is true with ByteLevel and an incomplete alphabet, which is not supported")
    }
    return settings
  }

  private static func merges(
    _ part: TokenizerPart, _ ids: [[UInt8]: UInt32]
  ) throws(TokenizerError) -> [BytePairModel.Merge] {
    let list = try part.list("merges")
    guard list.count <= maximumMerges else { throw part.error("merges", "has more than \(maximumMerges) entries") }
    var merges: [BytePairModel.Merge] = []
    merges.reserveCapacity(list.count)
    for entry in list {
      if let line = entry.string, line.hasPrefix("#version") { continue }
      let names = entry.string.map(Self.halves) ?? entry.array?.compactMap(\.string).map { Array($0.utf8) } ?? []
      guard names.count == 2, !names[0].isEmpty, !names[1].isEmpty, let first = ids[names[0]],
        let second = ids[names[1]], let result = ids[names[0] + names[1]]
      else { throw part.error("merges", "has \(entry.text()), which are not two tokens that make a third") }
      merges.append(.init(first: first, second: second, result: result))
    }
    return merges
  }

  private static func halves(_ line: String) -> [[UInt8]] {
    line.utf8.split(separator: 0x20, omittingEmptySubsequences: false).map { Array($0) }
  }

  private static func bytePairModel(
    _ tokens: [[UInt8]], _ ids: [[UInt8]: UInt32], _ merges: [BytePairModel.Merge],
    _ settings: BytePairModel.Settings
  ) -> BytePairModel {
    var entries: [(token: [UInt8], id: UInt32)] = []
    for (id, token) in tokens.enumerated() where !token.isEmpty {
      guard settings.readsBytes else {
        entries.append((token, UInt32(id)))
        continue
      }
      if let bytes = ByteAlphabet.bytes(of: token) { entries.append((bytes, UInt32(id))) }
    }
    return BytePairModel(entries, merges: merges, settings, byteTokens: ByteTokens.ids { ids[$0] })
  }

  // MARK: Word pieces

  private static func wordPieceUnknown(
    _ part: TokenizerPart, _ ids: [[UInt8]: UInt32]
  ) throws(TokenizerError) -> UInt32 {
    let prefix = try part.text("continuing_subword_prefix", ifMissing: "##")
    guard prefix == "##" else {
      throw part.error("continuing_subword_prefix", "is '\(prefix ?? "")', but only '##' is supported")
    }
    guard let name = try part.text("unk_token", ifMissing: nil), let id = ids[Array(name.utf8)] else {
      throw part.error("unk_token", "is none of the tokens")
    }
    return id
  }

  private static func characters(_ part: TokenizerPart) throws(TokenizerError) -> Int {
    guard let characters = part.json["max_input_chars_per_word"]?.integer, (1...10_000).contains(characters) else {
      throw part.error("max_input_chars_per_word", "is not between 1 and 10000")
    }
    return characters
  }
}

extension SubwordVocabulary {
  /// Adds the `added_tokens` and returns them. New ones get the next ids, in their order.
  mutating func add(_ list: [JSONValue]) throws(TokenizerError) -> [AddedToken] {
    guard list.count <= Self.maximumTokens else {
      throw TokenizerError("added_tokens has more than \(Self.maximumTokens) tokens")
    }
    var added: [AddedToken] = []
    var next = count
    for json in list {
      let part = TokenizerPart(json, "added_tokens")
      guard let content = try part.text("content", ifMissing: nil), let given = json["id"]?.integer,
        content.utf8.count <= Self.longestToken
      else { throw TokenizerError("added_tokens has an entry that is not a token and its id") }
      if content.isEmpty { continue }
      let bytes = Array(content.utf8)
      let id = Int(ids[bytes] ?? UInt32(next))
      if ids[bytes] == nil { next += 1 }
      guard id == given, id <= tokens.count else {
        throw TokenizerError(
          "added_tokens gives '\(content)' the id \(given), but its place in the vocabulary is \(id)",
          hint: "Save the file once more with Hugging Face's tokenizers.")
      }
      if id == tokens.count { tokens.append([]) }
      guard ids[bytes] != nil || tokens[id].isEmpty else {
        throw TokenizerError("added_tokens gives '\(content)' the id \(id), which is another token's")
      }
      ids[bytes] = UInt32(id)
      tokens[id] = bytes
      let special = try part.flag("special", ifNull: false)
      added.append(
        AddedToken(
          id: UInt32(id), content: bytes, isSpecial: special,
          isNormalized: try part.flag("normalized", ifNull: !special),
          stripsLeft: try part.flag("lstrip", ifNull: false),
          stripsRight: try part.flag("rstrip", ifNull: false), isWholeWord: try part.flag("single_word", ifNull: false))
      )
    }
    return added
  }
}
