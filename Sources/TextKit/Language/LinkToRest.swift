/// The link after a truncated text: 続きを読む, [もっと見る], Read more ».
enum LinkToRest {
  private static let phrases = [
    "続きを読む", "続きをよむ", "続きを見る", "続きをみる", "続きを表示", "続きはこちら", "つづきを読む", "続き", "もっと見る", "もっとみる",
    "もっと読む", "もっとよむ", "全文を読む", "全文を見る", "全文を表示", "全文表示", "記事を読む", "詳細を見る", "詳しく見る", "詳しくはこちら",
    "read more", "continue reading", "more",
  ].map { $0.unicodeScalars.map(\.value) }

  private static let around: UInt8 = 1, last: UInt8 = 2
  /// Brackets, arrows and the like around a link, and the characters that links end in.
  private static let kinds = ScalarTable<UInt8>(
    rest: 0,
    "[]()【】（）［］「」<>＜＞«»‹›≪≫→⇒▶▷►|｜:：".unicodeScalars.map { ($0.value...$0.value, around) }
      + phrases.map { ($0.last!...$0.last!, last) } + [(0x45...0x45, last), (0x47...0x47, last)])

  /// The start of the link that ends at `last`, including surrounding spaces and brackets; nil if there is none.
  static func start(_ text: DecodedText, _ start: Int, _ last: Int) -> Int? {
    if kinds[text.scalars[last]] == 0 { return nil }
    let end = skipAround(text, start, last + 1)
    guard end > start, kinds[text.scalars[end - 1]] == Self.last else { return nil }
    for phrase in phrases where end - start > phrase.count && ends(text, end, in: phrase) {
      return skipAround(text, start, end - phrase.count)
    }
    return nil
  }

  private static func ends(_ text: DecodedText, _ end: Int, in phrase: [UInt32]) -> Bool {
    let first = end - phrase.count
    for (k, expected) in phrase.enumerated() {
      let scalar = text.scalars[first + k]
      let folded = scalar &- 0x41 < 26 ? scalar | 0x20 : scalar
      if folded != expected { return false }
    }
    return true
  }

  private static func skipAround(_ text: DecodedText, _ start: Int, _ end: Int) -> Int {
    var end = end
    while end > start {
      let isWhite = text.classes[end - 1] & ScriptClass.whitespace.rawValue != 0
      guard isWhite || kinds[text.scalars[end - 1]] == around else { break }
      end -= 1
    }
    return end
  }
}
