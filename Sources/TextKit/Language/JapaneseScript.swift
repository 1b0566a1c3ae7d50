import CKernels

/// Whether a text is Japanese by its scripts alone: quick, and without CLD2.
public enum JapaneseScript {
  /// The fractions of kana, and of kana and kanji, among the letters in valid UTF-8. 0…1; 0 if there are no letters.
  ///
  /// A text with at least a fifth kana and four fifths kana or kanji is Japanese: no other language is written with
  /// kana.
  public static func japanese(_ text: UnsafeBufferPointer<UInt8>) -> (kana: Double, japanese: Double) {
    var counts = pl_script_counts()
    if let bytes = text.baseAddress { count(bytes, text.count, &counts) }
    guard counts.letters > 0 else { return (0, 0) }
    let letters = Double(counts.letters)
    return (Double(counts.kana) / letters, Double(counts.kana + counts.kanji) / letters)
  }

  /// Bytes that are counted at a time.
  private static let part = 4096

  /// Common characters are counted by a kernel, others by their class.
  private static func count(_ bytes: UnsafePointer<UInt8>, _ end: Int, _ counts: inout pl_script_counts) {
    let table = ScriptClass.table, level = Kernels.level
    let letter = ScriptClass.wordCharacter.rawValue, digit = ScriptClass.digit.rawValue
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: part) { rest in
      for start in stride(from: 0, to: end, by: part) {
        let found = pl_count_scripts(
          level, bytes, start, min(start + part, end), end, &counts, rest.baseAddress!)
        for i in 0..<found {
          let kind = table[UTF8Scanning.scalar(at: start + Int(rest[i]), in: bytes, end: end).value]
          counts.kana &+= kind & ScriptClass.kana.rawValue != 0 ? 1 : 0
          counts.kanji &+= kind & ScriptClass.kanji.rawValue != 0 ? 1 : 0
          counts.letters &+= kind & (letter | digit) == letter ? 1 : 0
        }
      }
    }
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
