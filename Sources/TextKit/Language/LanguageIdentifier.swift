import CCLD2

/// The languages of a text, detected by CLD2.
public struct LanguageGuess: Equatable, Sendable {
  public struct Part: Equatable, Sendable {
    /// ISO 639, such as `ja`, `zh` or `zh-Hant`; `un` if CLD2 does not know.
    public var code: String
    /// The fraction of the text's letters, in bytes. 0…1.
    public var share: Double
  }

  /// Most frequent first, at most three, none with a fraction of 0.
  public var parts: [Part]
  public var isReliable: Bool

  /// CLD2 on plain text. Thread-safe. Reads at most 2 GiB; pass less (see `sample`).
  public static func cld2(_ text: UnsafeBufferPointer<UInt8>) -> LanguageGuess {
    guard let base = text.baseAddress else { return LanguageGuess(parts: [], isReliable: false) }
    let found = base.withMemoryRebound(to: CChar.self, capacity: text.count) { pl_detect_languages($0, text.count) }
    let percents = [found.percent.0, found.percent.1, found.percent.2]
    let codes = [string(found.code.0), string(found.code.1), string(found.code.2)]
    let parts = zip(codes, percents).filter { $1 > 0 }.map { Part(code: $0, share: Double($1) / 100) }
    return LanguageGuess(parts: parts, isReliable: found.reliable != 0)
  }

  /// The versions of CLD2 and of its tables, which determine its results.
  public static var detectorVersion: String { String(cString: pl_language_detector_version()) }

  private static func string<T>(_ characters: T) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// Quick checks based on scripts alone.
public enum ScriptShare {
  /// The fractions of kana, and of kana and kanji, among the letters in valid UTF-8. 0…1; 0 if there are no letters.
  ///
  /// A text with at least a fifth kana and four fifths kana or kanji is Japanese: no other language is written with
  /// kana.
  public static func japanese(_ text: UnsafeBufferPointer<UInt8>) -> (kana: Double, japanese: Double) {
    var counts = (kana: 0, kanji: 0, letters: 0)
    let table = ScriptClass.table
    UTF8Scanning.forEachScalar(text) { scalar, _, _ in
      let kind = table[scalar]
      counts.kana &+= kind & ScriptClass.kana.rawValue != 0 ? 1 : 0
      counts.kanji &+= kind & ScriptClass.kanji.rawValue != 0 ? 1 : 0
      counts.letters &+=
        kind & (ScriptClass.wordCharacter.rawValue | ScriptClass.digit.rawValue)
          == ScriptClass.wordCharacter.rawValue ? 1 : 0
    }
    guard counts.letters > 0 else { return (0, 0) }
    let letters = Double(counts.letters)
    return (Double(counts.kana) / letters, Double(counts.kana + counts.kanji) / letters)
  }

  /// The share of kana and kanji in a text that is Japanese by them, of which `minimumFraction` is asked; else nil.
  public static func clearlyJapanese(_ text: UnsafeBufferPointer<UInt8>, minimumFraction: Double) -> Double? {
    let share = japanese(text)
    return share.kana >= 0.2 && share.japanese >= max(0.8, minimumFraction) ? share.japanese : nil
  }

  /// The longest prefix of at most `bytes` that ends between two scalars.
  public static func sample(_ text: UnsafeBufferPointer<UInt8>, bytes: Int) -> UnsafeBufferPointer<UInt8> {
    guard text.count > bytes else { return text }
    var end = bytes
    while end > 0, text[end].isContinuation { end -= 1 }
    return UnsafeBufferPointer(rebasing: text[..<end])
  }
}
