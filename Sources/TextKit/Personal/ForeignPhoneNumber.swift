/// A telephone number outside Japan: a plus sign and a country code (ITU-T E.164), or a North American one as
/// `(415) 555-2671`, or as `415-555-2671` behind a word for telephones.
struct ForeignPhoneNumber {
  let range: Range<Int>
  /// +800 and the like.
  let isService: Bool

  init?(_ text: UnsafeBufferPointer<UInt8>, _ run: DigitRun, at start: Int) {
    if run.hasPlus {
      guard let (end, digits, groups) = Self.international(text, start), Self.isWhole(digits, groups),
        Self.mayFollow(text, start), Self.mayPrecede(text, end)
      else { return nil }
      range = start..<end
      isService = digits.starts(with: [8, 0, 0]) || digits.starts(with: [1, 8, 0, 0])
    } else {
      guard let range = Self.northAmerican(text, run, start) else { return nil }
      self.range = range
      isService = run.digits.starts(with: [8, 0, 0])
    }
  }

  /// Groups of digits with one or two separators between them: space, dash, dot, bracket.
  private static func international(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Int
  ) -> (end: Int, digits: [UInt8], groups: Int)? {
    var i = start + PhoneUnit(text, start).width, digits: [UInt8] = [], groups = 0, end = i
    while true {
      let before = digits.count
      while case let unit = PhoneUnit(text, i), unit.kind == .digit {
        guard digits.count < 15 else { return nil }
        digits.append(unit.digit)
        i += unit.width
      }
      guard digits.count > before else { break }
      groups += 1
      end = i
      guard let next = separators(text, i) else { break }
      i = next
    }
    return digits.isEmpty ? nil : (end, digits, groups)
  }

  private static func separators(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
    var i = start
    for count in 0...2 {
      let unit = PhoneUnit(text, i)
      switch unit.kind {
      case .digit: return count > 0 ? i : nil
      case .space, .dash, .dot, .opening, .closing: i += unit.width
      default: return nil
      }
    }
    return nil
  }

  /// Whether the digits are a country code and a number of a length that it may have.
  private static func isWhole(_ digits: [UInt8], _ groups: Int) -> Bool {
    guard digits.count >= 8, digits[0] != 0, groups <= 6 else { return false }
    if digits[0] == 1 { return digits.count == 11 && digits[1] >= 2 && digits[4] >= 2 }
    if digits[0] == 8, digits[1] == 1 { return false }
    let code = isTwoDigitCode(Int(digits[0]) * 10 + Int(digits[1])) ? 2 : digits[0] == 7 ? 1 : 3
    let national = digits.count - code
    return groups > 1 ? 7...12 ~= national : 8...12 ~= national
  }

  private static func isTwoDigitCode(_ code: Int) -> Bool {
    switch code {
    case 20, 27, 30...34, 36, 39...41, 43...49, 51...58, 60...66, 81, 82, 84, 86, 90...95, 98: true
    default: false
    }
  }

  private static func northAmerican(
    _ text: UnsafeBufferPointer<UInt8>, _ run: DigitRun, _ start: Int
  ) -> Range<Int>? {
    guard run.count >= 3, run.groups[0] == 3, run.digits[0] >= 2 else { return nil }
    let before = PhoneUnit.before(text, start)
    if run.groups == [3, 3, 4], run.hasDashes, Set(run.digits).count > 1, run.digits[3] >= 2, run.standsAlone(text),
      words.stand(in: text, before: start, within: 24)
    {
      return run.range
    }
    guard run.groups.count == 1, run.count == 3, before.kind == .opening else { return nil }
    var i = start + (run.firstEnd - start)
    guard PhoneUnit(text, i).kind == .closing else { return nil }
    i += PhoneUnit(text, i).width
    while PhoneUnit(text, i).kind == .space { i += PhoneUnit(text, i).width }
    guard PhoneUnit(text, i).kind == .digit else { return nil }
    let rest = DigitRun(text, at: i)
    guard rest.groups == [3, 4], rest.hasDashes, rest.digits[0] >= 2, Set(run.digits + rest.digits).count > 1,
      !isPart(text, rest.range.upperBound)
    else {
      return nil
    }
    return start - before.width..<rest.range.upperBound
  }

  /// Whether ten digits without groups are the number of a book, or 0123456789.
  static func isBookNumber(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
    let run = DigitRun(text, at: range.lowerBound)
    guard run.groups.count == 1, run.count == 10 else { return false }
    return run.digits.elementsEqual(0...9) || books.stand(in: text, before: range.lowerBound, within: 15)
  }

  private static let books = NearbyWords("isbn issn")
  private static let words = NearbyWords("tel 電話 phone fax call ☎ ℡")

  private static func isPart(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool { !mayPrecede(text, end) }

  private static func mayFollow(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    switch PhoneUnit.before(text, start).kind {
    case .digit, .plus, .underscore, .equals, .closing: false
    default: true
    }
  }

  private static func mayPrecede(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    switch PhoneUnit(text, end).kind {
    case .digit, .letter, .underscore, .plus, .equals: false
    case .dot, .dash: PhoneUnit(text, end + PhoneUnit(text, end).width).kind != .digit
    default: true
    }
  }
}
