/// Characters outside JIS X 0208, described in a note: `※［＃「口＋弗」、第3水準1-14-92］`.
///
/// In order of preference: a code point (U+XXXX), a JIS X 0213 code position (面区点), a name of a character, a
/// description that quotes a single character. Page and line numbers (123-4) are not code positions.
enum AozoraGaiji {
  /// The character denoted by the text between `※［＃` and `］`; nil if it is unknown.
  static func resolve(_ note: UnsafeBufferPointer<UInt8>) -> String? {
    resolve(note, isNested: false)
  }

  private static func resolve(_ note: UnsafeBufferPointer<UInt8>, isNested: Bool) -> String? {
    codePoint(in: note) ?? AozoraAddress.text(in: note) ?? named(by: note, isNested: isNested)
  }

  /// The description in words, without the fields after it and without `「※」は` before it.
  ///
  /// A note inside the description is processed in the same way, but not notes nested deeper.
  static func description(of note: UnsafeBufferPointer<UInt8>, isNested: Bool = false) -> [UInt8] {
    var out: [UInt8] = []
    var depth = 0
    var at = note.has("「※」は", at: 0) ? 12 : 0
    while at < note.count {
      if note.has("※［＃", at: at), let end = (at..<note.count).first(where: { note.has("］", at: $0) }) {
        let inner = UnsafeBufferPointer(rebasing: note[(at + 9)..<end])
        if !isNested {
          let text = resolve(inner, isNested: true).map { Array($0.utf8) }
          out.append(contentsOf: text ?? description(of: inner, isNested: true))
        }
        at = end + 3
        continue
      }
      if note.has("「", at: at) || note.has("（", at: at) { depth += 1 }
      if note.has("」", at: at) || note.has("）", at: at) { depth -= 1 }
      if depth <= 0 && note.has("、", at: at) { break }
      let length = min(utf8Length(note[at]), note.count - at)
      out.append(contentsOf: note[at..<(at + length)])
      at += length
    }
    return out
  }

  // MARK: Code points

  private static func codePoint(in note: UnsafeBufferPointer<UInt8>) -> String? {
    for at in note.indices where note.has("U+", at: at) {
      var value: UInt32 = 0
      var digits = 0
      while digits < 7, at + 2 + digits < note.count, let digit = hexadecimalDigit(note[at + 2 + digits]) {
        value = value << 4 | digit
        digits += 1
      }
      guard 4...6 ~= digits, let scalar = Unicode.Scalar(value), isPublic(scalar) else { continue }
      return String(scalar)
    }
    return nil
  }

  /// Excludes controls, private-use characters and noncharacters, by ranges that are stable across Unicode versions.
  private static func isPublic(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x20, 0x7F...0x9F, 0xE000...0xF8FF, 0xFDD0...0xFDEF, 0x40000...: false
    default: scalar.value & 0xFFFE != 0xFFFE
    }
  }

  private static func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case 0x30...0x39: UInt32(byte - 0x30)
    case 0x41...0x46: UInt32(byte - 0x41 + 10)
    case 0x61...0x66: UInt32(byte - 0x61 + 10)
    default: nil
    }
  }

  // MARK: Names

  private static func named(by note: UnsafeBufferPointer<UInt8>, isNested: Bool) -> String? {
    let name = String(decoding: description(of: note, isNested: isNested), as: UTF8.self)
    return AozoraGaijiNames.text(of: name)
  }
}
