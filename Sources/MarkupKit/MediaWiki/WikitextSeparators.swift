/// Separators that make no sense at the edge of a parenthesis: space , ; : 、 ， ； ： ・ ／ and the ideographic space.
enum WikitextSeparators {
  static func length(startingAt index: Int, to end: Int, _ bytes: UnsafeMutablePointer<UInt8>) -> Int? {
    guard index < end else { return nil }
    if isASCII(bytes[index]) { return 1 }
    return end - index >= 3 && isWide(bytes + index) ? 3 : nil
  }

  static func length(endingAt end: Int, from start: Int, _ bytes: UnsafeMutablePointer<UInt8>) -> Int? {
    guard end > start else { return nil }
    if isASCII(bytes[end - 1]) { return 1 }
    return end - start >= 3 && isWide(bytes + end - 3) ? 3 : nil
  }

  static func isIdeographicSpace(_ bytes: UnsafeMutablePointer<UInt8>) -> Bool {
    bytes[0] == 0xE3 && bytes[1] == 0x80 && bytes[2] == 0x80
  }

  private static func isASCII(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x2C || byte == 0x3B || byte == 0x3A }

  private static func isWide(_ bytes: UnsafeMutablePointer<UInt8>) -> Bool {
    switch (bytes[0], bytes[1], bytes[2]) {
    case (0xE3, 0x80, 0x80), (0xE3, 0x80, 0x81), (0xEF, 0xBC, 0x8C), (0xEF, 0xBC, 0x9B), (0xEF, 0xBC, 0x9A),
      (0xE3, 0x83, 0xBB), (0xEF, 0xBC, 0x8F):
      true
    default: false
    }
  }
}
