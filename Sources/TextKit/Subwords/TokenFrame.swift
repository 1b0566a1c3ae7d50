import ShardKit

/// The special tokens around one text or two, as a tokenizer's `post_processor` adds them.
public struct TokenFrame: Equatable, Sendable {
  public enum Part: Equatable, Sendable {
    /// The first text, with its type.
    case first(type: Int)
    case second(type: Int)
    case special([UInt32], type: Int)
  }

  public var single: [Part]
  public var pair: [Part]

  public init(single: [Part], pair: [Part]) {
    self.single = single
    self.pair = pair
  }

  /// Without special tokens.
  public static let plain = TokenFrame(single: [.first(type: 0)], pair: [.first(type: 0), .second(type: 1)])

  /// `[CLS] A [SEP] B [SEP]`
  public static func bert(classification: UInt32, separator: UInt32) -> TokenFrame {
    let start: [Part] = [.special([classification], type: 0), .first(type: 0), .special([separator], type: 0)]
    return TokenFrame(single: start, pair: start + [.second(type: 1), .special([separator], type: 1)])
  }

  /// Special tokens before a single text.
  public var before: [UInt32] { Self.ids(single.prefix { !$0.isText }) }
  /// Special tokens behind a single text.
  public var after: [UInt32] { Self.ids(single.reversed().prefix { !$0.isText }.reversed()) }
  /// Special tokens of a pair.
  public var pairSpecials: Int { Self.ids(pair).count }

  /// Special tokens of a pair before its second text.
  public var secondOffset: Int {
    Self.ids(pair.prefix { part in if case .second = part { false } else { true } }).count
  }

  private static func ids(_ parts: some Sequence<Part>) -> [UInt32] {
    parts.flatMap { part -> [UInt32] in if case .special(let ids, _) = part { ids } else { [] } }
  }
}

extension TokenFrame.Part {
  /// The type of its tokens, which tells the texts of a pair apart.
  public var type: Int {
    switch self {
    case .first(let type), .second(let type), .special(_, let type): type
    }
  }

  fileprivate var isText: Bool { if case .special = self { false } else { true } }
}

extension TokenFrame {
  private static let maximumParts = 256

  /// Reads a `post_processor`.
  /// - Throws: `TokenizerError` for a type or setting that is not supported, or an id that is no token's.
  init(_ json: JSONValue, tokenCount: Int) throws(TokenizerError) {
    if json == .null {
      self = .plain
      return
    }
    let part = TokenizerPart(json, "post_processor")
    func id(_ key: String) throws(TokenizerError) -> UInt32 {
      guard let pair = json[key]?.array, pair.count == 2, let id = pair[1].integer, 0..<tokenCount ~= id else {
        throw part.error(key, "is not a token and its id")
      }
      return UInt32(id)
    }
    switch try part.type() {
    case "ByteLevel": self = .plain
    case "BertProcessing": self = .bert(classification: try id("cls"), separator: try id("sep"))
    case "RobertaProcessing":
      let (start, end) = (try id("cls"), try id("sep"))
      single = [.special([start], type: 0), .first(type: 0), .special([end], type: 0)]
      pair = single + [.special([end], type: 0), .second(type: 0), .special([end], type: 0)]
    case "TemplateProcessing":
      single = try Self.parts(part, "single", ["A"], tokenCount)
      pair = try Self.parts(part, "pair", ["A", "B"], tokenCount)
    case "Sequence":
      let others = try part.list("processors").filter { $0["type"]?.string != "ByteLevel" }
      guard others.count <= 1, others.first?["type"]?.string != "Sequence" else {
        throw part.error("processors", "has several steps that add tokens, which is not supported")
      }
      self = try TokenFrame(others.first ?? .null, tokenCount: tokenCount)
    case let type: throw part.unsupported(type)
    }
  }

  private static func parts(
    _ part: TokenizerPart, _ key: String, _ texts: [String], _ tokenCount: Int
  ) throws(TokenizerError) -> [Part] {
    let list = try part.list(key)
    guard list.count <= maximumParts else { throw part.error(key, "has more than \(maximumParts) parts") }
    var parts: [Part] = []
    var found: [String] = []
    for piece in list {
      if let text = piece["Sequence"], let name = text["id"]?.string, let type = text["type_id"]?.integer {
        found.append(name)
        parts.append(name == "A" ? .first(type: type) : .second(type: type))
      } else if let special = piece["SpecialToken"], let name = special["id"]?.string,
        let type = special["type_id"]?.integer
      {
        let ids = part.json["special_tokens"]?[name]?["ids"]?.array?.compactMap(\.integer) ?? []
        guard !ids.isEmpty, ids.count <= maximumParts, ids.allSatisfy({ 0..<tokenCount ~= $0 }) else {
          throw part.error("special_tokens", "lacks \(name) or gives it an id that is no token's")
        }
        parts.append(.special(ids.map { UInt32($0) }, type: type))
      } else {
        throw part.error(key, "has a part that is neither a Sequence nor a SpecialToken")
      }
    }
    guard found == texts else {
      throw part.error(key, "does not have \(texts.joined(separator: " and ")) once, which is not supported")
    }
    return parts
  }
}
