import CKernels

/// The form of each scalar when texts are compared.
///
/// The rule: NFKC (ｶﾞ becomes ガ; dakuten are kept), then lower case scalar by scalar; controls, format characters and
/// default ignorables are removed; each run of white space becomes one space, with none at either end. Punctuation is
/// kept: texts that differ in it a little are still similar, and texts that differ in it a lot are not duplicates. All of
/// this uses the tables of `UnicodeData`, so that every machine folds identically.
struct FoldingTable: Sendable {
  /// What the rule adds.
  enum Form: Sendable {
    case standard
    /// `OldForms` maps old kanji and kana to modern ones.
    case modernized
    /// Only letters, kanji, kana and digits remain: white space, punctuation, symbols and marks are removed.
    case letters
  }

  private static let standard = FoldingTable(.standard)
  private static let modernized = FoldingTable(.modernized)
  private static let letters = FoldingTable(.letters)

  static func with(_ form: Form) -> FoldingTable {
    switch form {
    case .standard: standard
    case .modernized: modernized
    case .letters: letters
    }
  }

  /// An entry for each scalar below U+10000: the scalar that it becomes whatever its neighbors, `PL_FOLD_DROP`, or
  /// `PL_FOLD_SLOW` if it may combine with a neighbor or becomes several scalars. One more entry is padding, which the
  /// kernel requires.
  let basic: [UInt16]
  /// Scalars that become several whatever precedes them, such as ‥ and ㍻.
  let expanded: [UInt32: [UInt32]]
  let form: Form

  private static let drop = UInt16(PL_FOLD_DROP)
  private static let slow = UInt16(PL_FOLD_SLOW)

  // What `kinds` stores about a scalar.
  private static let white: UInt8 = 1, ignored: UInt8 = 2, upper: UInt8 = 4
  private static let kinds = ScalarTable<UInt8>(
    rest: 0,
    UnicodeData.words(UnicodeData.lowercase).map { ($0.range, upper) }
      + UnicodeData.words(UnicodeData.ignored).map { ($0.range, ignored) }
      + UnicodeData.words(UnicodeData.properties)
      .filter { ScalarProperties(rawValue: UInt8($0.values[0])).contains(.whitespace) }.map { ($0.range, white) })

  private init(_ form: Form) {
    self.form = form
    var basic = [UInt16](repeating: Self.slow, count: 0x10001)
    var expanded: [UInt32: [UInt32]] = [:]
    for value in UInt32(0)..<0xFFFF where !(0xD800..<0xE000).contains(value) && !Self.joins(value) {
      let normal = Self.normal(value)
      guard !normal.contains(where: Self.joins) else { continue }
      var folded: [UInt32] = []
      for scalar in normal { Self.fold(scalar, form) { folded.append($0) } }
      if normal.count == 1, folded.count <= 1, folded.first ?? 0 < 0xFFFF {
        basic[Int(value)] = folded.first.map { UInt16($0) } ?? Self.drop
      } else if !normal.contains(where: { Self.kinds[$0] & Self.white != 0 }) {
        expanded[value] = folded
      }
    }
    self.basic = basic
    self.expanded = expanded
  }

  /// Calls `body` with the result of one scalar of NFKC text: usually one scalar, none if it is ignored.
  @inline(__always)
  static func fold(_ scalar: UInt32, _ form: Form, _ body: (UInt32) -> Void) {
    if form == .letters, !isLetter(scalar) { return }
    switch kinds[scalar] {
    case 0: body(form == .modernized ? OldForms.modern(scalar) : scalar)
    case upper: for lower in UnicodeFacts.lowercase[scalar] ?? [] { body(lower) }
    case white: body(0x20)
    default: break
    }
  }

  /// Letters, kanji (〇 is one), kana and digits.
  private static func isLetter(_ scalar: UInt32) -> Bool {
    !ScalarProperties(of: scalar).isDisjoint(with: [.letter, .digit, .han, .hiragana, .katakana])
  }

  /// Whether normalization may reorder the scalar or compose it with the previous one.
  private static func joins(_ scalar: UInt32) -> Bool { NFKC.current.traits[scalar] & NFKC.joins != 0 }

  private static func normal(_ scalar: UInt32) -> [UInt32] {
    // Ideographs and precomposed Hangul syllables, most of the table.
    if NFKC.current.traits[scalar] == 0 { return [scalar] }
    var utf8: [UInt8] = [], normal: [UInt32] = []
    UTF8Scanning.append(scalar, to: &utf8)
    NFKC.current.normalize(utf8).withUnsafeBufferPointer { bytes in
      UTF8Scanning.forEachScalar(bytes) { value, _, _ in normal.append(value) }
    }
    return normal
  }
}
