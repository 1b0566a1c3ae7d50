/// The fraction of nouns among a text's words, by MeCab: advertisements and tag lists are nearly all nouns.
///
/// As in HojiChar, symbols (補助記号 in UniDic, 記号 in IPADIC) are not words. A text is read line by line, and a line in
/// pieces of at most 64 KiB, so that MeCab's lattice stays small. Not thread-safe.
public final class NounCensus {
  private let mecab: MeCab
  private let sign: [UInt8]
  private static let noun = Array("名詞".utf8)
  private static let pieceBytes = 1 << 16

  /// What the fractions depend on besides the text: MeCab's version and a hash of its dictionary files.
  /// - Throws: `TokenizerError` if MeCab cannot be loaded or its dictionary cannot be read.
  public static func dictionaryIdentity(_ dictionary: String?) throws(TokenizerError) -> String {
    try MeCab(dictionary: dictionary, output: .partsOfSpeech).dictionaryIdentity()
  }

  /// - Parameter dictionary: a dictionary folder; nil for the system default.
  /// - Throws: `TokenizerError` if MeCab cannot be loaded, or its dictionary is not UTF-8 or has unknown tags.
  public init(dictionary: String? = nil) throws(TokenizerError) {
    let mecab = try MeCab(dictionary: dictionary, output: .partsOfSpeech)
    var sign: [UInt8] = []
    try Array("。".utf8).withUnsafeBufferPointer { (text) throws(TokenizerError) in
      try mecab.forEachWord(text) { sign = Array($0) }
    }
    guard sign == Array("補助記号".utf8) || sign == Array("記号".utf8) else {
      throw TokenizerError(
        "MeCab's dictionary calls 。 '\(String(decoding: sign, as: UTF8.self))', so its part-of-speech tags are unknown",
        hint: "Use a UTF-8 build of IPADIC or UniDic.")
    }
    self.mecab = mecab
    self.sign = sign
  }

  /// 0…1; 0 for a text without words.
  /// - Throws: `TokenizerError` if MeCab cannot read the text.
  public func share(_ text: UnsafeBufferPointer<UInt8>) throws(TokenizerError) -> Double {
    var nouns = 0, words = 0, start = 0
    while start < text.count {
      let end = pieceEnd(text, from: start)
      let piece = UnsafeBufferPointer(rebasing: text[start..<end])
      try mecab.forEachWord(piece) { part in
        if part.elementsEqual(sign) { return }
        words += 1
        nouns += part.elementsEqual(Self.noun) ? 1 : 0
      }
      start = end
    }
    return words > 0 ? Double(nouns) / Double(words) : 0
  }

  /// After the line end, or before a character that starts within the last bytes of a piece.
  private func pieceEnd(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    let limit = min(text.count, start + Self.pieceBytes)
    if let newline = text[start..<limit].firstIndex(of: 0x0A) { return newline + 1 }
    guard limit < text.count else { return limit }
    var end = limit
    while end > limit - 4, text[end] & 0xC0 == 0x80 { end -= 1 }
    return end
  }
}
