/// Signs that a text was decoded with the wrong encoding.
public enum Mojibake {
  /// The fraction of characters that are U+FFFD, or 縺, 繧 or 繝: what hiragana and katakana become when UTF-8 is decoded
  /// as Shift_JIS (third-level kanji, very rare in real texts). 0…1; 0 for an empty text.
  public static func share(_ text: UnsafeBufferPointer<UInt8>) -> Double {
    var characters = 0, signs = 0
    for byte in text { characters &+= byte.isContinuation ? 0 : 1 }
    guard characters > 0, let bytes = text.baseAddress else { return 0 }
    for i in 0..<max(0, text.count - 2) where bytes[i] == 0xE7 || bytes[i] == 0xEF {
      switch (bytes[i], bytes[i + 1], bytes[i + 2]) {
      case (0xEF, 0xBF, 0xBD), (0xE7, 0xB8, 0xBA), (0xE7, 0xB9, 0xA7), (0xE7, 0xB9, 0x9D): signs += 1
      default: break
      }
    }
    return Double(signs) / Double(characters)
  }
}
