import Glibc

/// The comma and the full stop that a text uses.
enum PunctuationStyle {
  // ， EF BC 8C   ． EF BC 8E   、 E3 80 81   。 E3 80 82
  private static let comma: UInt8 = 0x8C, stop: UInt8 = 0x8E

  /// Appends `text` with ，→、 and ．→。 where those are the minority, and returns how many were replaced; appends nothing
  /// if none were.
  static func unify(_ text: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) -> Int {
    guard let bytes = text.baseAddress, memchr(bytes, 0xEF, text.count) != nil else { return 0 }
    let latin = places(text)
    let commas = latin.count { text[$0 + 2] == comma }
    guard !latin.isEmpty else { return 0 }
    let own = japanese(text)
    let replacesCommas = commas > own.commas
    let replacesStops = latin.count - commas > own.stops
    guard replacesCommas || replacesStops else { return 0 }
    var run = 0, replaced = 0
    for i in latin where text[i + 2] == comma ? replacesCommas : replacesStops {
      out.append(contentsOf: text[run..<i])
      out.append(contentsOf: [0xE3, 0x80, text[i + 2] == comma ? 0x81 : 0x82])
      run = i + 3
      replaced += 1
    }
    if replaced > 0 { out.append(contentsOf: text[run...]) }
    return replaced
  }

  /// Where ， and ． are used as punctuation.
  private static func places(_ text: UnsafeBufferPointer<UInt8>) -> [Int] {
    var out: [Int] = []
    var i = 0
    while i + 2 < text.count, let hit = memchr(text.baseAddress! + i, 0xEF, text.count - i - 2) {
      i = UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - text.baseAddress!
      let mark = text[i + 1] == 0xBC && (text[i + 2] == comma || text[i + 2] == stop)
      if mark, !isWithinNumberOrName(text, i) { out.append(i) }
      i += 1
    }
    return out
  }

  private static func isWithinNumberOrName(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    isAlphanumericEnd(text, i) && isAlphanumericStart(text, i + 3)
  }

  /// An ASCII or full-width (FF10…FF5A) letter or digit ends at `end`.
  private static func isAlphanumericEnd(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    if end >= 1, text[end - 1].isASCIIAlphanumeric { return true }
    return end >= 3 && isFullWidth(text[end - 3], text[end - 2], text[end - 1])
  }

  private static func isAlphanumericStart(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    if start < text.count, text[start].isASCIIAlphanumeric { return true }
    return start + 2 < text.count && isFullWidth(text[start], text[start + 1], text[start + 2])
  }

  private static func isFullWidth(_ a: UInt8, _ b: UInt8, _ c: UInt8) -> Bool {
    a == 0xEF && ((b == 0xBC && (0x90...0x99 ~= c || 0xA1...0xBA ~= c)) || (b == 0xBD && 0x81...0x9A ~= c))
  }

  private static func japanese(_ text: UnsafeBufferPointer<UInt8>) -> (commas: Int, stops: Int) {
    var commas = 0, stops = 0
    for i in 0..<max(0, text.count - 2) where text[i] == 0xE3 && text[i + 1] == 0x80 {
      commas += text[i + 2] == 0x81 ? 1 : 0
      stops += text[i + 2] == 0x82 ? 1 : 0
    }
    return (commas, stops)
  }
}

extension UInt8 {
  @inline(__always) var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }
  @inline(__always) var isASCIIDigit: Bool { self &- 0x30 < 10 }
  @inline(__always) var isASCIIAlphanumeric: Bool { isASCIILetter || isASCIIDigit }
  @inline(__always) var isContinuation: Bool { self & 0xC0 == 0x80 }
}
