/// A character as classified for telephone numbers, in either width.
struct PhoneUnit {
  enum Kind {
    case digit, plus, dash, longVowel, dot, middleDot, space, opening, closing, slash, equals, underscore, letter, other
  }

  private(set) var kind = Kind.other
  private(set) var digit: UInt8 = 0
  private(set) var width = 1

  /// The character at `i`; `other` after the end.
  init(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) {
    guard i < text.count else { return }
    if text[i] < 0x80 {
      take(ascii: text[i])
    } else if text[i] == 0xC2, i + 1 < text.count {
      width = 2
      kind = text[i + 1] == 0xA0 ? .space : .other
    } else if text[i] >> 4 == 0xE, i + 2 < text.count {
      width = 3
      take(text[i], UInt16(text[i + 1]) << 8 | UInt16(text[i + 2]))
    }
  }

  /// The character that ends at `end`; `other` before the start.
  static func before(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> PhoneUnit {
    var width = 1
    while width < 3, end - width > 0, text[end - width].isContinuation { width += 1 }
    var unit = PhoneUnit(text, end >= width ? end - width : text.count)
    // Malformed bytes may not be a character of this length.
    if end >= width, unit.width > width { unit = PhoneUnit(text, text.count) }
    return unit
  }

  /// Whether this character, which is at `i`, is LF or CR.
  func isLineEnd(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    0..<text.count ~= i && (text[i] == 0x0A || text[i] == 0x0D)
  }

  private mutating func take(ascii byte: UInt8) {
    switch byte {
    case 0x30...0x39:
      kind = .digit
      digit = byte - 0x30
    case 0x2D: kind = .dash
    case 0x2E: kind = .dot
    case 0x20, 0x09: kind = .space
    case 0x28: kind = .opening
    case 0x29: kind = .closing
    case 0x2B: kind = .plus
    case 0x2F: kind = .slash
    case 0x3D: kind = .equals
    case 0x5F: kind = .underscore
    default: kind = byte.isASCIILetter ? .letter : .other
    }
  }

  /// A character of three bytes, the last two as one number.
  private mutating func take(_ lead: UInt8, _ rest: UInt16) {
    switch (lead, rest) {
    case (0xEF, 0xBC90...0xBC99):
      kind = .digit
      digit = UInt8(rest & 0xFF) - 0x90
    case (0xEF, 0xBC8B): kind = .plus
    case (0xEF, 0xBC8E): kind = .dot
    case (0xEF, 0xBC88): kind = .opening
    case (0xEF, 0xBC89): kind = .closing
    case (0xEF, 0xBC8F): kind = .slash
    case (0xE3, 0x83BB), (0xEF, 0xBDA5): kind = .middleDot
    case (0xE3, 0x8080), (0xE2, 0x8080...0x808A), (0xE2, 0x80AF): kind = .space
    // － ﹣ ﹘, U+2010…2015, ⁃ ⁻ ₋, −, ─ ━
    case (0xEF, 0xBC8D), (0xEF, 0xB9A3), (0xEF, 0xB998), (0xE2, 0x8090...0x8095), (0xE2, 0x8183), (0xE2, 0x81BB),
      (0xE2, 0x828B), (0xE2, 0x8892), (0xE2, 0x9480), (0xE2, 0x9481):
      kind = .dash
    // ー ｰ and the numeral 一, which are also in words
    case (0xE3, 0x83BC), (0xEF, 0xBDB0), (0xE4, 0xB880): kind = .longVowel
    default: break
    }
  }
}
