import CKernels

/// Whether a text is Japanese by its scripts alone: quick, and without CLD2.
public enum JapaneseScript {
  /// The fractions of kana, and of kana and kanji, among the letters in valid UTF-8, in bytes, as CLD2 measures. 0…1; 0 if
  /// there are no letters.
  ///
  /// A text with at least a fifth kana and four fifths kana or kanji is Japanese: no other language is written with
  /// kana.
  public static func japanese(_ text: UnsafeBufferPointer<UInt8>) -> (kana: Double, japanese: Double) {
    var bytes = ScriptBytes()
    if let start = text.baseAddress { count(start, text.count, &bytes) }
    guard bytes.letters > 0 else { return (0, 0) }
    let letters = Double(bytes.letters)
    return (Double(bytes.kana) / letters, Double(bytes.kana + bytes.kanji) / letters)
  }

  private struct ScriptBytes {
    var kana = 0, kanji = 0, letters = 0
  }

  /// Bytes that are counted at a time.
  private static let part = 4096

  /// Common characters are counted by a kernel, others by their class.
  private static func count(_ bytes: UnsafePointer<UInt8>, _ end: Int, _ sum: inout ScriptBytes) {
    var common = pl_script_counts()
    let table = ScriptClass.table, level = Kernels.level
    let letter = ScriptClass.wordCharacter.rawValue, digit = ScriptClass.digit.rawValue
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: part) { rest in
      for start in stride(from: 0, to: end, by: part) {
        let found = pl_count_scripts(
          level, bytes, start, min(start + part, end), end, &common, rest.baseAddress!)
        for i in 0..<found {
          let (scalar, width) = UTF8Scanning.scalar(at: start + Int(rest[i]), in: bytes, end: end)
          let kind = table[scalar]
          sum.kana &+= kind & ScriptClass.kana.rawValue != 0 ? width : 0
          sum.kanji &+= kind & ScriptClass.kanji.rawValue != 0 ? width : 0
          sum.letters &+= kind & (letter | digit) == letter ? width : 0
        }
      }
    }
    // Common kana and kanji take three bytes, other common letters one.
    sum.kana += 3 * Int(common.kana)
    sum.kanji += 3 * Int(common.kanji)
    sum.letters += Int(common.letters) + 2 * Int(common.kana + common.kanji)
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
