/// Traces of web pages in a text, recognized by their form.
enum WebSigns {
  /// Characters of addresses: `http://…`, `https://…` and `www.…`, up to white space or a non-ASCII character.
  static func addressCharacters(_ text: DecodedText) -> Int {
    var total = 0, i = 0
    while i < text.count {
      guard isAddress(text, i) else {
        i += 1
        continue
      }
      let start = i
      while i < text.count, text.scalars[i] > 0x20, text.scalars[i] < 0x7F { i += 1 }
      total += i - start
    }
    return total
  }

  private static func isAddress(_ text: DecodedText, _ i: Int) -> Bool {
    switch text.scalars[i] {
    case 0x68: starts(text, i, "http://") || starts(text, i, "https://")
    case 0x77: starts(text, i, "www.")
    default: false
    }
  }

  private static func starts(_ text: DecodedText, _ i: Int, _ prefix: StaticString) -> Bool {
    guard i + prefix.utf8CodeUnitCount <= text.count else { return false }
    for k in 0..<prefix.utf8CodeUnitCount where text.scalars[i + k] != UInt32(prefix.utf8Start[k]) { return false }
    return true
  }

  /// Stamps of forums: dates (2019/08/18, 2019年8月18日), weekdays in brackets ((日)) and `ID:` marks.
  static func stamps(_ text: DecodedText) -> Int {
    var total = 0, i = 0
    while i < text.count {
      let length = stampLength(text, i)
      total += length > 0 ? 1 : 0
      i += max(1, length)
    }
    return total
  }

  /// The length of a stamp that starts at `i`; 0 if there is none.
  @inline(__always)
  private static func stampLength(_ text: DecodedText, _ i: Int) -> Int {
    switch text.scalars[i] {
    case 0x28, 0xFF08: weekdayLength(text, i) ?? 0
    case 0x49: markLength(text, i) ?? 0
    case 0x30...0x39, 0xFF10...0xFF19: dateLength(text, i) ?? 0
    default: 0
    }
  }

  private static func dateLength(_ text: DecodedText, _ start: Int) -> Int? {
    guard isDigit(text, start), start == 0 || !isDigit(text, start - 1) else { return nil }
    var i = start
    guard digits(text, &i) == 4, separator(text, &i, 0x5E74) else { return nil }
    guard 1...2 ~= digits(text, &i), separator(text, &i, 0x6708) else { return nil }
    guard 1...2 ~= digits(text, &i) else { return nil }
    return i - start
  }

  private static func isDigit(_ text: DecodedText, _ i: Int) -> Bool {
    i < text.count && text.classes[i] & ScriptClass.digit.rawValue != 0
  }

  private static func digits(_ text: DecodedText, _ i: inout Int) -> Int {
    let start = i
    while isDigit(text, i) { i += 1 }
    return i - start
  }

  /// The given 年 or 月, or one of ./-; spaces may follow.
  private static func separator(_ text: DecodedText, _ i: inout Int, _ unit: UInt32) -> Bool {
    guard i < text.count, [unit, 0x2E, 0x2F, 0x2D].contains(text.scalars[i]) else { return false }
    i += 1
    while i < text.count, text.scalars[i] == 0x20 { i += 1 }
    return true
  }

  private static func weekdayLength(_ text: DecodedText, _ i: Int) -> Int? {
    guard i + 2 < text.count,
      text.scalars[i + 2] == 0x29 || text.scalars[i + 2] == 0xFF09
    else { return nil }
    let weekdays: [UInt32] = [0x6708, 0x706B, 0x6C34, 0x6728, 0x91D1, 0x571F, 0x65E5]
    return weekdays.contains(text.scalars[i + 1]) ? 3 : nil
  }

  private static func markLength(_ text: DecodedText, _ i: Int) -> Int? {
    guard starts(text, i, "ID:"), i + 3 < text.count else { return nil }
    return text.classes[i + 3] & ScriptClass.wordCharacter.rawValue != 0 ? 3 : nil
  }
}
