import CKernels

/// Signs that a text was decoded with the wrong encoding.
public enum Mojibake {
  /// The fraction of characters that are U+FFFD, or 縺, 繧 or 繝: what hiragana and katakana become when UTF-8 is decoded
  /// as Shift_JIS (third-level kanji, very rare in real texts). 0…1; 0 for an empty text.
  public static func share(_ text: UnsafeBufferPointer<UInt8>) -> Double {
    guard let bytes = text.baseAddress else { return 0 }
    var characters = 0, signs = 0
    pl_count_mojibake(Kernels.level, bytes, text.count, &characters, &signs)
    return characters > 0 ? Double(signs) / Double(characters) : 0
  }
}
