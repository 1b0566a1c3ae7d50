import TextKit

/// JIS X 0213 code positions (面区点) as written in notes: `第3水準1-14-92`, `面区点番号1-2-22`, `1-2-22`.
enum AozoraAddress {
  /// The character that a note's code position denotes.
  ///
  /// The first field (separated by 、) that consists of a code position counts; otherwise the first code position after
  /// its level or after a quotation: `「さんずい＋墨」第3水準1-87-25`. Code positions within a nested note are not the note's
  /// own, and `第3水準1-85-57の木へん` refers to another character.
  static func text(in note: UnsafeBufferPointer<UInt8>) -> String? {
    guard let cell = wholeField(of: note) ?? announced(in: note) else { return nil }
    return JISX0213.shared.text(plane: cell[0], row: cell[1], cell: cell[2])
  }

  private static func wholeField(of note: UnsafeBufferPointer<UInt8>) -> [Int]? {
    var start = 0
    while start < note.count {
      var end = start
      while end < note.count && !note.has("、", at: end) { end += 1 }
      let field = UnsafeBufferPointer(rebasing: note[start..<end])
      if let (cell, length) = cell(in: field, at: level(in: field, at: 0)), length == field.count { return cell }
      start = end + 3
    }
    return nil
  }

  private static func announced(in note: UnsafeBufferPointer<UInt8>) -> [Int]? {
    var depth = 0
    var at = 0
    while at < note.count {
      if note.has("［＃", at: at) { depth += 1 } else if note.has("］", at: at) { depth -= 1 }
      let start = note.has("」", at: at) ? level(in: note, at: at + 3) : level(in: note, at: at)
      if depth <= 0, start > at, let (cell, end) = cell(in: note, at: start), isEnd(note, end) { return cell }
      at += utf8Length(note[at])
    }
    return nil
  }

  /// The offset after `第3水準`, `第三水準` or `面区点番号` if one is at `at`, else `at`.
  private static func level(in note: UnsafeBufferPointer<UInt8>, at: Int) -> Int {
    if note.has("面区点番号", at: at) { return at + 15 }
    guard note.has("第", at: at), at + 3 < note.count else { return at }
    let digit = utf8Length(note[at + 3])  // the digit may be full-width or a kanji
    return note.has("水準", at: at + 3 + digit) ? at + 3 + digit + 6 : at
  }

  private static func isEnd(_ note: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    let ends: [StaticString] = ["、", "。", "，", "」", "）", "］", "　", " ", ","]
    return at >= note.count || ends.contains { note.has($0, at: at) }
  }

  /// Plane, row and cell written at `at`, and the offset after them.
  private static func cell(in note: UnsafeBufferPointer<UInt8>, at start: Int) -> ([Int], Int)? {
    var at = start
    var numbers: [Int] = []
    while numbers.count < 3 {
      if !numbers.isEmpty {
        guard let hyphen = hyphen(in: note, at: at) else { return nil }
        at += hyphen
      }
      var (value, digits) = (0, 0)
      while let (digit, length) = digit(in: note, at: at) {
        (value, digits, at) = (value * 10 + digit, digits + 1, at + length)
        guard digits <= 3 else { return nil }
      }
      guard digits > 0 else { return nil }
      numbers.append(value)
    }
    return hyphen(in: note, at: at) == nil ? (numbers, at) : nil
  }

  private static func digit(in note: UnsafeBufferPointer<UInt8>, at: Int) -> (Int, length: Int)? {
    guard at < note.count else { return nil }
    if 0x30...0x39 ~= note[at] { return (Int(note[at] - 0x30), 1) }
    guard note[at] == 0xEF, at + 2 < note.count, note[at + 1] == 0xBC, 0x90...0x99 ~= note[at + 2] else { return nil }
    return (Int(note[at + 2] - 0x90), 3)
  }

  private static func hyphen(in note: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    let hyphens: [StaticString] = ["-", "－", "‐", "−", "–"]
    return hyphens.first { note.has($0, at: at) }.map { $0.utf8CodeUnitCount }
  }
}
