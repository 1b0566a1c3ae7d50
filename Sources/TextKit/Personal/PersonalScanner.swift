/// Finds personal data in texts by its form: addresses of mail and networks, telephone numbers, My Numbers, payment
/// cards, bank accounts, postal addresses.
///
/// One pass over the bytes of a text in the order of reading. What starts a number or an address (a digit, @, +, :, 〒,
/// 丁目) is looked at more closely, within bounds, so that the time is linear in the text. Digits, letters and separators
/// may be of either width. Spans are in order and do not overlap.
///
/// Numbers that only their surroundings give a meaning are told by words: a number of 12 digits is a My Number if its
/// check digit is right and a word says so, or if it is written in three groups of four and no word says otherwise.
public struct PersonalScanner: Sendable {
  public let exemptions: PersonalExemptions
  private let kinds: [Bool]

  public init(_ kinds: some Sequence<PersonalKind>, exemptions: PersonalExemptions = PersonalExemptions()) {
    self.exemptions = exemptions
    let wanted = Set(kinds)
    self.kinds = PersonalKind.allCases.map(wanted.contains)
  }

  /// Replaces `spans` with what the text contains.
  public func scan(_ text: UnsafeBufferPointer<UInt8>, into spans: inout [PersonalSpan]) {
    spans.removeAll(keepingCapacity: true)
    var pass = PersonalPass(text, kinds, exemptions, spans)
    spans = []
    pass.run()
    spans = pass.spans
  }

  /// What a text contains.
  public func scan(_ text: String) -> [PersonalSpan] {
    var spans: [PersonalSpan] = []
    Array(text.utf8).withUnsafeBufferPointer { scan($0, into: &spans) }
    return spans
  }
}

/// The pass over one text.
struct PersonalPass {
  let text: UnsafeBufferPointer<UInt8>
  let exemptions: PersonalExemptions
  private let kinds: [Bool]
  private(set) var spans: [PersonalSpan]
  /// Where the last postal code ended.
  private var codeEnd = -1
  /// Where the last mail address ended, also one that is kept.
  private var mailEnd = 0
  /// Behind the `://` of the last web address.
  private var authority = -1
  /// The path of a web address ends here: digits before it are no numbers of persons.
  private var pathEnd = 0

  init(
    _ text: UnsafeBufferPointer<UInt8>, _ kinds: [Bool], _ exemptions: PersonalExemptions, _ spans: [PersonalSpan]
  ) {
    self.text = text
    self.kinds = kinds
    self.exemptions = exemptions
    self.spans = spans
  }

  /// No span found later starts before this.
  var floor: Int { spans.last?.range.upperBound ?? 0 }

  private func wants(_ kind: PersonalKind) -> Bool { kinds[kind.rawValue] }

  mutating func run() {
    guard let bytes = text.baseAddress else { return }
    let end = text.count
    let isTrigger = Self.isTrigger
    var i = 0
    while i < end {
      let a = bytes[i]
      if isTrigger[Int(a)] {
        i = look(i, a)
      } else {
        i += a >= 0xE4 && a <= 0xED ? 3 : 1
      }
    }
  }

  // ASCII, the lead bytes of full-width forms, of 〒, of 丁 and of 番.
  private static let isTrigger = ByteTable { byte in
    byte.isASCIIDigit || "@+:%[({<".utf8.contains(byte) || [0xE3, 0xE4, 0xE7, 0xEF].contains(byte)
  }

  private mutating func look(_ i: Int, _ a: UInt8) -> Int {
    switch a {
    case 0xE3: return postalMark(i)
    case 0xE4, 0xE7: return kanjiBlock(i)
    default: break
    }
    let character = WideByte(text, i)
    switch character.byte {
    case 0x30...0x39, 0x2B: return number(i)
    case 0x40, 0x25, 0x28, 0x5B, 0x7B, 0x3C: return mail(i, character.width)
    case 0x3A: return colon(i, character.width)
    default: return i + character.width
    }
  }

  // MARK: What starts where

  private mutating func mail(_ i: Int, _ width: Int) -> Int {
    guard wants(.mail), let at = MailAddress.at(text, i), let mail = MailAddress(text, at: at, floor: mailEnd),
      !isUser(of: mail, at.lowerBound)
    else { return i + width }
    mailEnd = mail.range.upperBound
    guard !mail.isExempt(exemptions), !exemptions.keeps(text[mail.range]) else { return mail.range.upperBound }
    // Digits of its local part may have looked like a number.
    while let last = spans.last, last.range.upperBound > mail.range.lowerBound {
      guard last.kind != .mail else { return i + width }
      spans.removeLast()
    }
    spans.append(PersonalSpan(.mail, mail.range))
    return mail.range.upperBound
  }

  /// Whether this is the user of a web address: `https://key@host/`.
  private func isUser(of mail: MailAddress, _ at: Int) -> Bool {
    if at < pathEnd, authority >= 0, at - authority < 256,
      !text[authority..<at].contains(where: { "/,;=".utf8.contains($0) })
    {
      return true
    }
    let start = mail.range.lowerBound
    return start >= 2 && text[start - 1] == 0x2F && (text[start - 2] == 0x2F || text[start - 2] == 0x5C)
  }

  private mutating func colon(_ i: Int, _ width: Int) -> Int {
    if WideByte(text, i + width).byte == 0x2F { return webAddress(i, width) }
    guard wants(.ip), width == 1, let address = IPv6Address(text, colon: i, from: floor) else { return i + width }
    if !(exemptions.specialNetworks && address.isSpecial) { add(.ip, address.range) }
    return address.range.upperBound
  }

  /// `://host/path`: the path is not searched for numbers, a query is.
  private mutating func webAddress(_ i: Int, _ width: Int) -> Int {
    guard width == 1, i + 2 < text.count, text[i + 2] == 0x2F else { return i + width }
    authority = i + 3
    // An address within the path of another does not make it longer.
    var end = max(pathEnd, i + 3)
    while end < text.count, text[end] < 0x80, text[end].isASCIIAlphanumeric || "-._~/:@%+=!".utf8.contains(text[end]) {
      end += 1
    }
    pathEnd = end
    return i + 3
  }

  private mutating func add(_ kind: PersonalKind, _ range: Range<Int>) {
    guard range.lowerBound >= floor, !exemptions.keeps(text[range]) else { return }
    spans.append(PersonalSpan(kind, range))
  }

  // MARK: Numbers

  /// At a digit or a plus sign that no digit precedes.
  private mutating func number(_ i: Int) -> Int {
    let run = DigitRun(text, at: i)
    if let end = ip(i, run) { return end }
    if i < pathEnd { return run.firstEnd }
    if let end = phone(i) ?? foreignPhone(i, run) { return end }
    guard run.count > 0 else { return run.firstEnd }
    if let end = card(run) ?? myNumber(run) ?? bankAccount(run) { return end }
    if let part = run.leading, let end = card(part) ?? myNumber(part) ?? bankAccount(part) { return end }
    return address(i) ?? run.firstEnd
  }

  private mutating func ip(_ i: Int, _ run: DigitRun) -> Int? {
    guard wants(.ip), run.mayBeIP, let address = IPv4Address(text, at: i) else { return nil }
    if !(exemptions.specialNetworks && address.isSpecial) { add(.ip, address.range) }
    return address.range.upperBound
  }

  private mutating func phone(_ i: Int) -> Int? {
    guard wants(.phone), let number = PhoneNumber(in: text, at: i, mayBreakLines: true),
      !ForeignPhoneNumber.isBookNumber(text, number.range)
    else { return nil }
    if !(exemptions.serviceNumbers && number.isServiceNumber) { add(.phone, number.range) }
    return number.range.upperBound
  }

  private mutating func foreignPhone(_ i: Int, _ run: DigitRun) -> Int? {
    guard wants(.phone), let number = ForeignPhoneNumber(text, run, at: i) else { return nil }
    if !(exemptions.serviceNumbers && number.isService) { add(.phone, number.range) }
    return number.range.upperBound
  }

  private mutating func card(_ run: DigitRun) -> Int? {
    guard wants(.card), let card = CardNumber(text, run) else { return nil }
    if !(exemptions.testCards && card.isForTests) { add(.card, card.range) }
    return card.range.upperBound
  }

  private mutating func myNumber(_ run: DigitRun) -> Int? {
    guard wants(.myNumber), let range = MyNumber.find(text, run) else { return nil }
    add(.myNumber, range)
    return range.upperBound
  }

  private mutating func bankAccount(_ run: DigitRun) -> Int? {
    guard wants(.bankAccount), let range = BankAccount.find(text, run) else { return nil }
    add(.bankAccount, range)
    return range.upperBound
  }

  // MARK: Postal addresses

  private mutating func address(_ i: Int) -> Int? {
    let code = codeEnd == floor ? codeEnd : nil
    guard wants(.address), let address = PostalAddress(text, block: i, from: floor, code: code) else { return nil }
    addAddress(address.range)
    return address.range.upperBound
  }

  /// At E3: 〒 and a code.
  private mutating func postalMark(_ i: Int) -> Int {
    guard i + 2 < text.count, text[i + 1] == 0x80, text[i + 2] == 0x92, wants(.address),
      let code = PostalAddress.markedCode(text, i)
    else { return i + 3 }
    add(.address, code.range)
    if code.isBare { codeEnd = floor }
    return code.range.upperBound
  }

  /// At 丁 or 番 behind a kanji numeral.
  private mutating func kanjiBlock(_ i: Int) -> Int {
    guard wants(.address), let start = PostalAddress.kanjiBlockStart(text, i) else { return i + 3 }
    return address(start).map { max($0, i + 3) } ?? i + 3
  }

  /// Joins an address to the postal code before it.
  private mutating func addAddress(_ range: Range<Int>) {
    guard codeEnd == floor, let last = spans.last, last.kind == .address,
      PostalAddress.joins(text, last.range.upperBound..<range.lowerBound)
    else { return add(.address, range) }
    spans[spans.count - 1].range = last.range.lowerBound..<range.upperBound
  }
}
