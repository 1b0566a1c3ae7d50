import ShardKit

/// One step of a tokenizer's normalizer, as in the `normalizer` of a `tokenizer.json`.
enum TextNormalizer: Sendable {
  enum Form: Sendable { case c, d, kc, kd }

  case form(Form)
  case lowercase
  /// Removes all marks.
  case stripMarks
  case strip(left: Bool, right: Bool)
  case nmt
  case prepend([UInt8])
  case replaceText([UInt8], with: [UInt8])
  case replace(Pattern, with: [UInt8])
  case charsmap(Charsmap)
  /// BERT's cleaning: controls are removed, white space becomes spaces.
  case clean
  case spaceHan
  /// Decomposes and removes nonspacing marks.
  case stripAccents

  private static let maximumSteps = 64
  private static let maximumDepth = 8
  private static let maximumInsertion = 256

  /// The steps of a `normalizer`; none for null.
  /// - Throws: `TokenizerError` for a type or setting that is not supported.
  static func steps(_ json: JSONValue) throws(TokenizerError) -> [TextNormalizer] {
    var steps: [TextNormalizer] = []
    try add(json, depth: 0, to: &steps)
    guard steps.count <= maximumSteps else { throw TokenizerError("normalizer has more than \(maximumSteps) steps") }
    return steps
  }

  private static func add(_ json: JSONValue, depth: Int, to steps: inout [TextNormalizer]) throws(TokenizerError) {
    if json == .null { return }
    guard depth <= maximumDepth else { throw TokenizerError("normalizer is nested deeper than \(maximumDepth)") }
    let part = TokenizerPart(json, "normalizer")
    switch try part.type() {
    case "Sequence":
      for step in try part.list("normalizers") {
        try add(step, depth: depth + 1, to: &steps)
        guard steps.count <= maximumSteps else { return }
      }
    case "NFC": steps.append(.form(.c))
    case "NFD": steps.append(.form(.d))
    case "NFKC": steps.append(.form(.kc))
    case "NFKD": steps.append(.form(.kd))
    case "Lowercase": steps.append(.lowercase)
    case "StripAccents": steps.append(.stripMarks)
    case "Strip": steps.append(.strip(left: try part.flag("strip_left"), right: try part.flag("strip_right")))
    case "Nmt": steps.append(.nmt)
    case "Prepend": steps.append(.prepend(try part.insertion("prepend", maximumInsertion)))
    case "Replace": steps.append(try replacement(part))
    case "Precompiled":
      guard let map = try part.text("precompiled_charsmap", ifMissing: nil), !map.isEmpty else { return }
      steps.append(.charsmap(try Charsmap(base64: map)))
    case "BertNormalizer": try addBert(part, to: &steps)
    case let type: throw part.unsupported(type)
    }
  }

  private static func replacement(_ part: TokenizerPart) throws(TokenizerError) -> TextNormalizer {
    let content = try part.insertion("content", maximumInsertion)
    switch try part.pattern() {
    case .text(let text): return .replaceText(text, with: content)
    case .expression(let expression):
      if let text = try Pattern.literal(expression) { return .replaceText(text, with: content) }
      return .replace(try Pattern(expression), with: content)
    }
  }

  private static func addBert(_ part: TokenizerPart, to steps: inout [TextNormalizer]) throws(TokenizerError) {
    if try part.flag("clean_text") { steps.append(.clean) }
    if try part.flag("handle_chinese_chars") { steps.append(.spaceHan) }
    let lowercases = try part.flag("lowercase")
    if try part.flag("strip_accents", ifNull: lowercases) { steps.append(.stripAccents) }
    if lowercases { steps.append(.lowercase) }
  }
}

/// A part of a `tokenizer.json`, read member by member with errors that name it.
struct TokenizerPart {
  enum Search { case text([UInt8]), expression(String) }

  let json: JSONValue
  let name: String

  init(_ json: JSONValue, _ name: String) {
    self.json = json
    self.name = name
  }

  func error(_ key: String, _ problem: String) -> TokenizerError { TokenizerError("\(name).\(key) \(problem)") }

  func unsupported(_ type: String) -> TokenizerError {
    TokenizerError(
      "the \(name) '\(type)' is not supported",
      hint: "Use a tokenizer whose parts are among those that the guide of tokenizers lists.")
  }

  func type() throws(TokenizerError) -> String {
    guard let type = json["type"]?.string else { throw error("type", "is missing") }
    return type
  }

  func list(_ key: String) throws(TokenizerError) -> [JSONValue] {
    guard let list = json[key]?.array else { throw error(key, "is not a list") }
    return list
  }

  func text(_ key: String, ifMissing: String?) throws(TokenizerError) -> String? {
    switch json[key] {
    case nil, .null: return ifMissing
    case .string(let text): return text
    default: throw error(key, "is not a text")
    }
  }

  /// A text that is inserted, perhaps at many places.
  func insertion(_ key: String, _ maximum: Int) throws(TokenizerError) -> [UInt8] {
    guard let text = try text(key, ifMissing: nil) else { throw error(key, "is missing") }
    guard text.utf8.count <= maximum else { throw error(key, "is longer than \(maximum) bytes") }
    return Array(text.utf8)
  }

  func flag(_ key: String, ifNull: Bool? = nil) throws(TokenizerError) -> Bool {
    switch json[key] {
    case .bool(let flag): return flag
    case nil, .null:
      guard let ifNull else { throw error(key, "is missing") }
      return ifNull
    default: throw error(key, "is neither true nor false")
    }
  }

  /// `{"String": …}` or `{"Regex": …}`
  func pattern() throws(TokenizerError) -> Search {
    let pattern = json["pattern"] ?? .null
    if let text = pattern["String"]?.string, !text.isEmpty { return .text(Array(text.utf8)) }
    if let expression = pattern["Regex"]?.string { return .expression(expression) }
    throw error("pattern", "is neither a String nor a Regex")
  }
}
