/// A Japanese telephone number in a text: 0 followed by nine or ten digits in the usual groups, or +81; or 81 without a
/// plus sign if dashes separate four groups.
///
/// Digits and separators may be of either width. A number in three groups (03-1234-5678, 03(1234)5678, 090.1234.5678)
/// may touch a word (TEL03-…); digits without groups may do so only if the word indicates a telephone.
struct PhoneNumber {
  /// Starts at the opening bracket of (03)1234-5678 or at the first digit.
  private(set) var range: Range<Int>
  private(set) var digits = 0
  private var groups: [Int] = []
  /// The first digits, from the left; numbers have at most 13.
  private var leading: [UInt8] = []
  /// An opening bracket within it has no closing one yet: `024004 (2019` is none.
  private var isBracketOpen = false
  private var hasDashes = false, hasDots = false, hasSpaces = false, hasSlashes = false, hasMiddleDots = false
  private var isInternational = false
  /// 81 without a plus sign.
  private var isBare = false
  private let mayBreakLines: Bool

  /// 0120, 0800, 0570 and 0990 as a group of its own, or without groups: numbers of services, which nobody has at home.
  var isServiceNumber: Bool { !isInternational && !isBare && isService && (groups[0] == 4 || groups.count == 1) }

  /// The number that starts at a digit or a plus sign.
  /// - Parameter mayBreakLines: whether a line may end behind one of its dashes.
  init?(in text: UnsafeBufferPointer<UInt8>, at start: Int, mayBreakLines: Bool = false) {
    self.mayBreakLines = mayBreakLines
    let first = PhoneUnit(text, start)
    guard first.kind == .plus || first.kind == .digit && (first.digit == 0 || first.digit == 8),
      PhoneUnit(text, start + first.width).kind == .digit, PhoneUnit.before(text, start).kind != .digit
    else { return nil }
    range = start..<start
    isInternational = first.kind == .plus
    isBare = first.digit == 8
    var i = isInternational ? start + first.width : start
    while groups.count < 5, let end = readGroup(text, i) {
      i = end
      range = start..<end
      if isWhole, mayFollow(text, start), mayPrecede(text, end) {
        takeBracket(text)
        return
      }
      guard let next = readSeparators(text, end) else { return nil }
      i = next
    }
    return nil
  }

  /// The end of the digits starting at `i`; nil if there are none or too many.
  private mutating func readGroup(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    var end = i, count = 0
    while case let unit = PhoneUnit(text, end), unit.kind == .digit {
      guard digits < 13 else { return nil }
      leading.append(unit.digit)
      digits += 1
      count += 1
      end += unit.width
    }
    groups.append(count)
    return count > 0 && (digits > 1 || isInternational) ? end : nil
  }

  /// One to three characters between groups; nil if there are others or no digit follows.
  private mutating func readSeparators(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
    var i = start
    for count in 0...3 {
      let unit = PhoneUnit(text, i)
      switch unit.kind {
      case .digit: return count > 0 ? i : nil
      case .dash, .longVowel: hasDashes = true
      case .opening, .closing: (hasDashes, isBracketOpen) = (true, unit.kind == .opening)
      case .dot: hasDots = true
      case .middleDot: (hasDots, hasMiddleDots) = (true, true)
      case .slash: hasSlashes = true
      case .space: hasSpaces = true
      case .other where mayBreakLines && hasDashes && unit.isLineEnd(text, i): break
      default: return nil
      }
      i += unit.width
    }
    return nil
  }

  /// Includes the bracket before 03 in (03)1234-5678.
  private mutating func takeBracket(_ text: UnsafeBufferPointer<UInt8>) {
    let before = PhoneUnit.before(text, range.lowerBound)
    guard before.kind == .opening else { return }
    var i = range.lowerBound
    while PhoneUnit(text, i).kind == .digit { i += PhoneUnit(text, i).width }
    guard PhoneUnit(text, i).kind == .closing else { return }
    range = range.lowerBound - before.width..<range.upperBound
  }

  // MARK: Shape

  /// Whether the digits read so far are a number.
  private var isWhole: Bool {
    if isBracketOpen { return false }
    if isInternational { return leading.starts(with: [8, 1]) && 11...13 ~= digits && groups.last! >= 3 }
    if isBare { return isWholeWithoutPlus }
    guard digits >= 10, leading[0] == 0, leading[1] != 0, digits == (isLong ? 11 : 10) else { return false }
    let area = groups[0], last = groups.last!
    switch groups.count {
    case 1: return true
    case 2: return 2...6 ~= area && last >= 4 && !hasDots && !hasSlashes
    case 3: return 2...5 ~= area && groups[1] <= 4 && 3...4 ~= last && isOfOneSeparator
    case 4: return area == 4 && isService && last >= 2 && !hasDots && !hasSlashes
    default: return false
    }
  }

  /// Dots and slashes are not combined with other separators.
  private var isOfOneSeparator: Bool {
    hasDots ? !hasDashes && !hasSpaces && !hasSlashes : !hasSlashes || !hasDashes && !hasSpaces
  }

  /// 81-3-1234-5678, 81-90-1234-5678: only with dashes, since other numbers can start the same way.
  private var isWholeWithoutPlus: Bool {
    guard groups.count == 4, leading[0] == 8, leading[1] == 1, leading[2] != 0, !hasDots, !hasSlashes, !hasSpaces else {
      return false
    }
    let isMobile = groups[1] == 2 && leading[3] == 0 && leading[2] >= 5
    return groups[0] == 2 && groups[1] <= 4 && groups[3] == 4 && digits == (isMobile ? 12 : 11)
  }

  /// Whether it has eleven digits: mobile and IP telephones, and 0800.
  private var isLong: Bool { leading[2] == 0 && (leading[1] == 2 || leading[1] >= 5) }
  /// 0120, 0570, 0800, 0990: service numbers, with any grouping.
  private var isService: Bool {
    [[1, 2, 0], [5, 7, 0], [8, 0, 0], [9, 9, 0]].contains { leading[1..<4].elementsEqual($0) }
  }

  /// Whether the groups alone show that it is a number.
  private var isPlain: Bool { isInternational || groups.count >= 3 && (hasDashes || hasDots || hasSlashes) }
  private var hasOnlySpaces: Bool { groups.count > 1 && !hasDashes && !hasDots && !hasSlashes }

  // MARK: Surroundings

  private func mayFollow(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    let before = PhoneUnit.before(text, start)
    let beyond = PhoneUnit.before(text, start - before.width)
    if isBare || hasSlashes, [.dash, .longVowel, .dot, .middleDot, .slash, .equals].contains(before.kind) {
      return beyond.kind == .letter && PhoneWord(text, endingAt: start - before.width).isOfPhones
    }
    switch before.kind {
    case .digit, .plus, .underscore: return false
    case .letter:
      return PhoneWord(text, endingAt: start).mayPrecede(isPlain: isPlain && !isBare && !hasSlashes)
    case .longVowel: return beyond.kind != .digit
    case .dash, .dot:
      if beyond.kind == .letter {
        let word = PhoneWord(text, endingAt: start - before.width)
        return before.kind == .dot ? word.mayPrecede(isPlain: isPlain) : word.isOfPhones
      }
      return isPlain && beyond.kind != .digit && beyond.kind != .underscore
    case .slash:
      return isPlain || beyond.kind == .letter && PhoneWord(text, endingAt: start - before.width).isOfPhones
    case .equals: return isPlain
    case .space: return !hasOnlySpaces || beyond.kind != .digit
    case .middleDot: return !hasMiddleDots || beyond.kind != .digit
    case .opening, .closing, .other: return true
    }
  }

  private func mayPrecede(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    let after = PhoneUnit(text, end)
    let beyond = PhoneUnit(text, end + after.width)
    switch after.kind {
    case .digit, .underscore: return false
    case .letter: return isPlain && beyond.kind == .letter
    case .dash: return beyond.kind != .digit && beyond.kind != .letter
    case .longVowel, .dot: return beyond.kind != .digit
    case .space: return !hasOnlySpaces || beyond.kind != .digit
    case .slash: return !hasSlashes || beyond.kind != .digit
    case .middleDot: return !hasMiddleDots || beyond.kind != .digit
    default: return true
    }
  }
}

/// The ASCII letters before a number.
private struct PhoneWord {
  private let letters: String
  private let isInName: Bool

  init(_ text: UnsafeBufferPointer<UInt8>, endingAt end: Int) {
    var start = end
    while start > 0, end - start < 12, text[start - 1].isASCIILetter { start -= 1 }
    letters = String(decoding: text[start..<end].map { $0 | 0x20 }, as: UTF8.self)
    isInName = ![.space, .other, .slash, .dot, .middleDot, .opening, .closing].contains(
      PhoneUnit.before(text, start).kind)
  }

  private static let words: Set = [
    "tel", "fax", "telfax", "phone", "telephone", "mobile", "cell", "call", "dial", "free", "freedial", "t", "f", "p",
    "m",
  ]
  var isOfPhones: Bool { Self.words.contains(letters) && (!isInName || letters.utf8.count > 2) }

  func mayPrecede(isPlain: Bool) -> Bool { isOfPhones || isPlain && !isInName && letters.utf8.count > 1 }
}
