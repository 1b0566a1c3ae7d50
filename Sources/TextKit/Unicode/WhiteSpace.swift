/// White space as defined by Python's `str.split()`: where transformers splits words.
enum WhiteSpace {
  private static let isLead = ByteTable { byte in
    0x09...0x0D ~= byte || 0x1C...0x20 ~= byte || [0xC2, 0xE1, 0xE2, 0xE3].contains(byte)
  }

  /// The length in bytes of the white space that starts at `i`; 0 if there is none.
  @inline(__always)
  static func width(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    guard isLead[Int(text[i])] else { return 0 }
    return text[i] < 0x80 ? 1 : wide(text, i)
  }

  private static func wide(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    guard i + 1 < text.count else { return 0 }
    if text[i] == 0xC2 { return text[i + 1] == 0x85 || text[i + 1] == 0xA0 ? 2 : 0 }
    guard i + 2 < text.count else { return 0 }
    switch (text[i], text[i + 1], text[i + 2]) {
    case (0xE1, 0x9A, 0x80), (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8), (0xE2, 0x80, 0xA9), (0xE2, 0x80, 0xAF),
      (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80):
      return 3
    default: return 0
    }
  }

  /// Calls `body` with each non-empty section between white space.
  static func forEachWord(_ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    var start = 0, i = 0
    while i < text.count {
      let width = width(text, i)
      if width > 0 {
        if i > start { body(UnsafeBufferPointer(rebasing: text[start..<i])) }
        start = i + width
      }
      i += max(1, width)
    }
    if i > start { body(UnsafeBufferPointer(rebasing: text[start...])) }
  }
}
