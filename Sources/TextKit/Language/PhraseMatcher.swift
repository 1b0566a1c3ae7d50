/// Finds the phrases of a list in texts: leftmost-longest matches without overlap.
///
/// Latin letters match in either case and width. A phrase matches only at word boundaries, as far as the script shows
/// them: katakana of a phrase may not be next to other katakana (so アス is not found in アスパラガス), Latin letters not next
/// to Latin letters, digits not next to digits; a phrase of one kanji may not touch another kanji. Kanji and hiragana
/// words have no visible boundaries in Japanese, so they match anywhere.
///
/// Linear in the text, times the number of phrases that start with the same two characters.
public struct PhraseMatcher: Sendable {
  private var symbols: [UInt32] = []
  /// The position of each phrase in `symbols`.
  private var ranges: [Range<Int>] = []
  /// Phrases by the hash of their first two symbols, longest first.
  private var buckets: [Int: [Int32]] = [:]
  /// One bit set per bucket hash.
  private var filter = [UInt64](repeating: 0, count: filterBits / 64)

  private static let filterBits = 1 << 16

  public var isEmpty: Bool { ranges.isEmpty }

  /// Phrases are trimmed; empty and repeated ones are ignored.
  public init(_ phrases: [String]) {
    var seen: Set<[UInt32]> = []
    for phrase in phrases {
      let folded = phrase.unicodeScalars.map { Self.fold($0.value) }
      let trimmed = Array(folded.drop { Self.isSpace($0) }.reversed().drop { Self.isSpace($0) }.reversed())
      guard !trimmed.isEmpty, seen.insert(trimmed).inserted else { continue }
      ranges.append(symbols.count..<symbols.count + trimmed.count)
      symbols += trimmed
    }
    for (i, range) in ranges.enumerated() {
      let key = Self.key(symbols[range.lowerBound], range.count > 1 ? symbols[range.lowerBound + 1] : 0)
      buckets[key, default: []].append(Int32(i))
      filter[key >> 6] |= 1 << UInt64(key & 63)
    }
    for key in buckets.keys { buckets[key]!.sort { (-ranges[Int($0)].count, $0) < (-ranges[Int($1)].count, $1) } }
  }

  private static func isSpace(_ scalar: UInt32) -> Bool {
    scalar == 0x20 || scalar == 0x09 || scalar == 0x0D || scalar == 0x3000
  }

  @inline(__always)
  private static func key(_ a: UInt32, _ b: UInt32) -> Int {
    Int((a &* 0x9E37_79B1 ^ b &* 0x85EB_CA6B) >> 16)
  }

  /// Full-width Latin letters and symbols become ASCII, and upper case becomes lower case.
  @inline(__always)
  private static func fold(_ scalar: UInt32) -> UInt32 {
    let narrow = scalar &- 0xFF01 < 0x5E ? scalar &- 0xFEE0 : scalar
    return narrow &- 0x41 < 26 ? narrow | 0x20 : narrow
  }

  /// Matches, and characters in them.
  public func count(_ text: DecodedText) -> (matches: Int, characters: Int) {
    guard !isEmpty else { return (0, 0) }
    let scalars = text.scalars, end = text.count
    var matches = 0, characters = 0, i = 0
    while i < end {
      guard let (_, length) = find(text, scalars, at: i, nil) else {
        i &+= 1
        continue
      }
      matches += 1
      characters += length
      i += length
    }
    return (matches, characters)
  }

  /// Calls `body` with each match: the number of the phrase and its characters.
  /// - Parameter accepts: what decides instead of scripts whether characters are whole words.
  public func forEachMatch(
    _ text: DecodedText, where accepts: ((Range<Int>) -> Bool)? = nil, _ body: (Int, Range<Int>) -> Void
  ) {
    guard !isEmpty else { return }
    let scalars = text.scalars, end = text.count
    var i = 0
    while i < end {
      guard let (phrase, length) = find(text, scalars, at: i, accepts) else {
        i &+= 1
        continue
      }
      body(phrase, i..<i + length)
      i += length
    }
  }

  /// A phrase by its number, as it is compared: Latin letters in lower case and ASCII.
  public func phrase(_ number: Int) -> String {
    var out = String.UnicodeScalarView()
    for symbol in symbols[ranges[number]] { out.append(Unicode.Scalar(symbol) ?? "\u{FFFD}") }
    return String(out)
  }

  /// The longest phrase at `i`.
  /// - Parameter scalars: those of the text.
  @inline(__always)
  private func find(
    _ text: DecodedText, _ scalars: UnsafeMutablePointer<UInt32>, at i: Int, _ accepts: ((Range<Int>) -> Bool)?
  ) -> (phrase: Int, length: Int)? {
    let a = Self.fold(scalars[i]), b = Self.fold(scalars[i &+ 1])
    let pair = Self.key(a, b), single = Self.key(a, 0)
    if begins(pair), let found = search(pair, text, i, accepts) { return found }
    return begins(single) ? search(single, text, i, accepts) : nil
  }

  @inline(__always)
  private func begins(_ key: Int) -> Bool { filter[key >> 6] >> UInt64(key & 63) & 1 != 0 }

  @inline(never)
  private func search(
    _ key: Int, _ text: DecodedText, _ i: Int, _ accepts: ((Range<Int>) -> Bool)?
  ) -> (phrase: Int, length: Int)? {
    for phrase in buckets[key] ?? [] {
      let range = ranges[Int(phrase)]
      guard i + range.count <= text.count else { continue }
      var k = 0
      while k < range.count, Self.fold(text.scalars[i + k]) == symbols[range.lowerBound + k] { k += 1 }
      guard k == range.count else { continue }
      if accepts.map({ $0(i..<i + k) }) ?? isWord(text, i, i + k) { return (Int(phrase), k) }
    }
    return nil
  }

  private func isWord(_ text: DecodedText, _ start: Int, _ end: Int) -> Bool {
    let runs: ScriptClass = [.katakana, .latinLetter, .digit]
    let first = text.classes[start] & runs.rawValue, last = text.classes[end - 1] & runs.rawValue
    let before = start > 0 ? text.classes[start - 1] : 0
    let after = end < text.count ? text.classes[end] : 0
    if first & before != 0 || last & after != 0 { return false }
    let isKanji = end - start == 1 && text.classes[start] & ScriptClass.kanji.rawValue != 0
    return !(isKanji && (before | after) & ScriptClass.kanji.rawValue != 0)
  }
}
