/// Whether a text is Japanese by its scripts alone: quick, and without CLD2.
public enum JapaneseScript {
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

  /// The longest prefix of at most `bytes` that ends at a scalar boundary.
  public static func sample(_ text: UnsafeBufferPointer<UInt8>, bytes: Int) -> UnsafeBufferPointer<UInt8> {
    guard text.count > bytes else { return text }
    var end = bytes
    while end > 0, text[end].isContinuation { end -= 1 }
    return UnsafeBufferPointer(rebasing: text[..<end])
  }
}
