/// Digits in groups, as cards, accounts and other numbers are written: `4539 1488-0343`, of either width.
///
/// Groups are separated by one dash or one space. At most `maximum` digits are read.
struct DigitRun {
  static let maximum = 24
  private(set) var range: Range<Int>
  private(set) var digits: [UInt8] = []
  /// The number of digits in each group.
  private(set) var groups: [Int] = []
  private(set) var hasDashes = false, hasSpaces = false
  /// Behind the first group, or behind the plus sign if no digit follows.
  private(set) var firstEnd: Int
  /// Whether a dot follows a first group of at most three digits.
  private(set) var mayBeIP = false
  let hasPlus: Bool
  /// Whether more digits follow than were read.
  private(set) var isLonger = false
  /// Whether a space and more digits follow, which are taken for another number.
  private(set) var isCut = false
  /// Behind each group, and whether a space follows there.
  private var ends: [(place: Int, isSpace: Bool)] = []

  var count: Int { digits.count }
  /// Spaces and dashes are not combined.
  var isOfOneSeparator: Bool { !(hasDashes && hasSpaces) }

  /// At a digit or a plus sign.
  init(_ text: UnsafeBufferPointer<UInt8>, at start: Int) {
    let first = PhoneUnit(text, start)
    hasPlus = first.kind == .plus
    range = start..<start
    firstEnd = start + first.width
    var i = hasPlus ? start + first.width : start
    digits.reserveCapacity(Self.maximum)
    while let end = readGroup(text, i) {
      if groups.count == 1 {
        firstEnd = end
        mayBeIP = !hasPlus && groups[0] <= 3 && PhoneUnit(text, end).kind == .dot
      }
      range = start..<end
      let separator = PhoneUnit(text, end)
      guard separator.kind == .dash || separator.kind == .space || separator.kind == .longVowel,
        PhoneUnit(text, end + separator.width).kind == .digit
      else { return }
      ends.append((end, separator.kind == .space))
      hasSpaces = hasSpaces || separator.kind == .space
      hasDashes = hasDashes || separator.kind != .space
      i = end + separator.width
    }
  }

  /// Shapes of numbers that stand before others: cards, accounts, My Numbers.
  private static let leadingShapes: [[Int]] = [
    [4, 4, 4, 4], [4, 6, 5], [4, 4, 4], [16], [15], [14], [12], [8], [7], [6],
  ]

  /// The groups before a space that have the shape of a number of their own: a card before its date of expiry.
  var leading: DigitRun? {
    guard hasSpaces, !hasPlus else { return nil }
    for shape in Self.leadingShapes where groups.count > shape.count && groups.starts(with: shape) {
      let last = shape.count - 1
      guard ends[last].isSpace else { continue }
      var cut = self
      cut.digits.removeLast(digits.count - shape.reduce(0, +))
      cut.groups = shape
      cut.range = range.lowerBound..<ends[last].place
      cut.hasSpaces = ends[..<last].contains { $0.isSpace }
      cut.hasDashes = ends[..<last].contains { !$0.isSpace }
      (cut.isCut, cut.isLonger) = (true, false)
      return cut
    }
    return nil
  }

  private mutating func readGroup(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    var end = i, count = 0
    while case let unit = PhoneUnit(text, end), unit.kind == .digit {
      guard digits.count < Self.maximum else {
        isLonger = true
        if groups.isEmpty { skipDigits(text, end) }
        return nil
      }
      digits.append(unit.digit)
      count += 1
      end += unit.width
    }
    guard count > 0 else { return nil }
    groups.append(count)
    return end
  }

  /// A single long group is passed as a whole, so that its end is not looked at again.
  private mutating func skipDigits(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) {
    var end = start
    while case let unit = PhoneUnit(text, end), unit.kind == .digit { end += unit.width }
    firstEnd = end
    digits.removeAll()
  }

  /// Whether nothing touches the number that would make it part of something longer: digits, letters, dots, slashes.
  func standsAlone(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let before = PhoneUnit.before(text, range.lowerBound)
    let after = PhoneUnit(text, range.upperBound)
    let beyond = PhoneUnit(text, range.upperBound + after.width)
    switch before.kind {
    case .digit, .letter, .underscore, .dash, .slash, .equals, .plus: return false
    case .space where hasSpaces && PhoneUnit.before(text, range.lowerBound - before.width).kind == .digit: return false
    case .dot:
      let further = PhoneUnit.before(text, range.lowerBound - before.width).kind
      if further == .digit || further == .letter && before.width == 1 && letters(text) > 3 { return false }
    default: break
    }
    switch after.kind {
    case .digit, .letter, .underscore: return false
    case .dash, .dot, .slash, .equals: return beyond.kind != .digit && beyond.kind != .letter
    case .space: return isCut || !hasSpaces || beyond.kind != .digit
    default: return true
    }
  }

  /// ASCII letters before the dot before the number: `No.` has two, a file name may have more.
  private func letters(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    var i = range.lowerBound - 1, count = 0
    while i > 0, count < 8, text[i - 1].isASCIILetter {
      i -= 1
      count += 1
    }
    return count
  }

  func value(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + Int($1) } }
}

/// Words near a number that say what it is. Case and width of Latin letters do not matter; Latin words are whole words.
struct NearbyWords: Sendable {
  private let words: [[UInt8]]
  private let leads: [Bool]

  /// - Parameter list: words separated by blanks; `_` in a word is a blank.
  init(_ list: String) {
    words = list.split { $0 == " " || $0 == "\n" }.map(Self.folded)
    var leads = [Bool](repeating: false, count: 256)
    for word in words { leads[Int(word[0])] = true }
    self.leads = leads
  }

  /// Whether one of them starts within the `bytes` before `end`. Does not look beyond a blank line.
  func stand(in text: UnsafeBufferPointer<UInt8>, before end: Int, within bytes: Int) -> Bool {
    var i = end
    let limit = max(0, end - bytes)
    while i > limit {
      i -= 1
      if text[i] == 0x0A, i > 0, text[i - 1] == 0x0A { return false }
      let character = WideByte(text, i)
      let byte = character.byte == 0 ? text[i] : Self.lower(character.byte)
      if leads[Int(byte)], words.contains(where: { Self.matches(text, i, end, $0) }) { return true }
    }
    return false
  }

  /// Whether one of them starts within the `bytes` from `start` on.
  func stand(in text: UnsafeBufferPointer<UInt8>, after start: Int, within bytes: Int) -> Bool {
    let limit = min(text.count, start + bytes)
    var i = start
    while i < limit, text[i] != 0x0A {
      let character = WideByte(text, i)
      let byte = character.byte == 0 ? text[i] : Self.lower(character.byte)
      if leads[Int(byte)], words.contains(where: { Self.matches(text, i, text.count, $0) }) { return true }
      i += 1
    }
    return false
  }

  private static func folded(_ word: Substring) -> [UInt8] {
    var out = String.UnicodeScalarView()
    for scalar in word.unicodeScalars {
      let isWide = 0xFF01...0xFF5E ~= scalar.value
      out.append(isWide ? Unicode.Scalar(UInt8(scalar.value - 0xFEE0)) : scalar == "_" ? " " : scalar)
    }
    return Array(String(UnicodeFacts.lowercased(String(out))).utf8)
  }

  private static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  private static func matches(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ word: [UInt8]) -> Bool {
    var i = start, k = 0
    while k < word.count {
      guard i < end else { return false }
      let character = WideByte(text, i)
      if character.byte != 0 {
        guard lower(character.byte) == word[k] else { return false }
        i += character.width
      } else {
        guard text[i] == word[k] else { return false }
        i += 1
      }
      k += 1
    }
    if word[0].isASCIILetter, WideByte(text, before: start).byte.isASCIILetter { return false }
    return !(word[k - 1].isASCIILetter && i < text.count && WideByte(text, i).byte.isASCIILetter)
  }
}
