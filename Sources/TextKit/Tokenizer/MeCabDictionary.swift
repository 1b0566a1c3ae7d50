import ShardKit

/// A MeCab dictionary as described by its header: a different dictionary yields different words.
public struct MeCabDictionary: Equatable, Sendable {
  public var characterSet: String
  public var words: Int
  public var leftContexts: Int
  public var rightContexts: Int

  /// Fields of `mecab_dictionary_info_t`: file name, character set, then 32-bit numbers: words, kind, left and right
  /// contexts; then the version in 16 bits.
  init(_ info: UnsafeRawPointer?) {
    func number(_ offset: Int) -> Int { info.map { Int($0.load(fromByteOffset: offset, as: UInt32.self)) } ?? 0 }
    let name = info?.load(fromByteOffset: 8, as: UnsafePointer<CChar>?.self)
    characterSet = name.map { String(cString: $0) } ?? ""
    (words, leftContexts, rightContexts) = (number(16), number(24), number(28))
  }

  init(_ characterSet: String, _ words: Int, _ contexts: Int) {
    self.characterSet = characterSet
    self.words = words
    (leftContexts, rightContexts) = (contexts, contexts)
  }

  var isUTF8: Bool { ["utf8", "utf-8"].contains(String(UnicodeFacts.lowercased(characterSet))) }

  /// `392126-1316-1316`: words, left and right contexts.
  public var identity: String { "\(words)-\(leftContexts)-\(rightContexts)" }

  /// The names known to transformers (`mecab_dic`), with known sizes. Debian's edition of ipadic has one word more than
  /// PyPI's, 令和.
  static let named: [(name: String, identities: [String])] = [
    ("ipadic", ["392126-1316-1316", "392127-1316-1316"]), ("unidic_lite", ["756264-5981-5981"]),
  ]

  /// Its name in transformers' `mecab_dic`; nil if unknown.
  public var name: String? { Self.named.first { $0.identities.contains(identity) }?.name }
}

/// The dictionary that splits a tokenizer's words, as far as its files specify it.
public struct MeCabRequirement: Equatable, Sendable {
  /// The name in transformers' `mecab_dic`.
  public var name: String?
  /// `MeCabDictionary.identity`; nil if it was never determined.
  public var identity: String?

  public init(name: String? = nil, identity: String? = nil) {
    self.name = name
    self.identity = identity
  }

  public init(_ dictionary: MeCabDictionary) { self.init(name: dictionary.name, identity: dictionary.identity) }

  /// Whether this dictionary yields the required words.
  public func accepts(_ dictionary: MeCabDictionary) -> Bool {
    if let identity { return dictionary.identity == identity }
    guard let name else { return true }
    let known = MeCabDictionary.named.first { $0.name == name }
    // For an unknown name, it can only be checked that it is none of the dictionaries with a known name.
    return known.map { $0.identities.contains(dictionary.identity) } ?? (dictionary.name == nil)
  }

  /// Checks that this dictionary yields the required words.
  /// - Throws: `TokenizerError` with both dictionaries if it does not.
  public func check(_ dictionary: MeCabDictionary) throws(TokenizerError) {
    guard !accepts(dictionary) else { return }
    let wanted = [name.map { "'\($0)'" }, identity.map { "(\($0))" }].compactMap(\.self).joined(separator: " ")
    let found = [dictionary.name.map { "'\($0)'" }, "(\(dictionary.identity))"].compactMap(\.self)
    throw TokenizerError(
      "the tokenizer requires MeCab's dictionary \(wanted), but the loaded dictionary is "
        + found.joined(separator: " "),
      hint: "Set mecabDictionary to the folder of \(name.map { "'\($0)'" } ?? "that dictionary")\(whence).")
  }

  private var whence: String {
    switch name {
    case "unidic_lite": ", of the Python package: python3 -c 'import unidic_lite; print(unidic_lite.DICDIR)'"
    case "unidic": ", of the Python package: python3 -c 'import unidic; print(unidic.DICDIR)'"
    case "ipadic": ", of the Python package ipadic or of Debian's mecab-ipadic-utf8"
    default: ""
    }
  }
}
