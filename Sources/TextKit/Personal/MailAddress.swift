/// A mail address as people write it: either width and both mixed, `[at]` and `(at)` for @, and the local parts with
/// dots at the end or in a row that Japanese carriers gave out.
struct MailAddress {
  let range: Range<Int>
  /// In lower case, as ASCII.
  private let local: [UInt8]
  private let domain: [UInt8]

  /// The @ that starts at `i`, in any of its forms; nil if there is none.
  static func at(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Range<Int>? {
    let character = WideByte(text, i)
    switch character.byte {
    case 0x40: return i..<i + character.width
    case 0x25:  // %40
      return i + 2 < text.count && text[i + 1] == 0x34 && text[i + 2] == 0x30 ? i..<i + 3 : nil
    default:
      guard let closing = closing(of: character.byte) else { return nil }
      let a = WideByte(text, i + character.width)
      let t = WideByte(text, i + character.width + a.width)
      let end = i + character.width + a.width + t.width
      if a.byte == 0x40, t.byte == closing { return i..<end }
      let last = WideByte(text, end)
      guard a.byte | 0x20 == 0x61, t.byte | 0x20 == 0x74, last.byte == closing else { return nil }
      return i..<end + last.width
    }
  }

  private static func closing(of opening: UInt8) -> UInt8? {
    switch opening {
    case 0x28: 0x29
    case 0x5B: 0x5D
    case 0x7B: 0x7D
    case 0x3C: 0x3E
    default: nil
    }
  }

  /// - Parameter floor: where the address before it ended; it begins behind that.
  init?(_ text: UnsafeBufferPointer<UInt8>, at: Range<Int>, floor: Int) {
    guard let start = Self.localStart(text, Self.skipSpace(text, before: at), floor: floor),
      let (end, domain) = Self.domain(text, Self.skipSpace(text, after: at))
    else { return nil }
    range = start..<end
    self.domain = domain
    local = Self.narrow(text, start..<at.lowerBound)
  }

  /// One space may stand on either side of a spelled-out @.
  private static func skipSpace(_ text: UnsafeBufferPointer<UInt8>, before at: Range<Int>) -> Int {
    let isSpelled = at.count > 3
    return isSpelled && at.lowerBound > 0 && text[at.lowerBound - 1] == 0x20 ? at.lowerBound - 1 : at.lowerBound
  }

  private static func skipSpace(_ text: UnsafeBufferPointer<UInt8>, after at: Range<Int>) -> Int {
    let isSpelled = at.count > 3
    return isSpelled && at.upperBound < text.count && text[at.upperBound] == 0x20 ? at.upperBound + 1 : at.upperBound
  }

  // MARK: Local part

  private static let isLocalByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "!#$&'*+^_`{|}~.-".utf8.contains(byte)
  }

  /// The first letter or digit of the local part; nil if there is none, or an @ precedes it (an account of a network).
  private static func localStart(_ text: UnsafeBufferPointer<UInt8>, _ end: Int, floor: Int) -> Int? {
    if let quoted = quotedStart(text, end), quoted >= floor { return quoted }
    var i = end, found: Int?
    for _ in 0..<64 where i > floor {
      let before = WideByte(text, before: i)
      guard before.width > 0, before.byte != 0, isLocalByte[Int(before.byte)] else {
        if before.byte == 0x40 { return nil }
        break
      }
      i -= before.width
      if before.byte.isASCIIAlphanumeric || before.byte == 0x5F { found = i }
    }
    return found
  }

  /// `"a..b"@example.jp`.
  private static func quotedStart(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Int? {
    guard end > 2, text[end - 1] == 0x22 else { return nil }
    var i = end - 1
    while i > 0, end - i < 66 {
      i -= 1
      if text[i] == 0x22 { return i < end - 2 ? i : nil }
      guard isLocalByte[Int(text[i])] || text[i] == 0x40 else { return nil }
    }
    return nil
  }

  // MARK: Domain

  /// Labels with dots between them; the last one is a name of letters, or an encoded one (xn--).
  private static func domain(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> (end: Int, name: [UInt8])? {
    var i = start, name: [UInt8] = [], label = 0, found: (Int, Int)?
    while i < text.count, name.count < 255 {
      let character = WideByte(text, i)
      if isDot(text, i) {
        if name.count == label { break }
        name.append(0x2E)
        label = name.count
      } else if character.byte.isASCIIAlphanumeric {
        name.append(character.byte.isASCIILetter ? character.byte | 0x20 : character.byte)
      } else if character.byte == 0x2D, name.count > label {
        name.append(0x2D)
      } else if let width = kanjiWidth(text, i, isFirstLabel: label == 0) {
        name.append(contentsOf: text[i..<i + width])
      } else {
        break
      }
      i += character.width
      if label > 0, isTopLevel(name[label...]) { found = (i, name.count) }
    }
    guard let found else { return nil }
    let whole = Array(name[..<found.1])
    return isFileName(whole) ? nil : (found.0, whole)
  }

  /// `.`, `．` or `。` between letters.
  private static func isDot(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    let character = WideByte(text, i)
    guard character.byte == 0x2E else { return false }
    return WideByte(text, i + character.width).byte.isASCIIAlphanumeric
  }

  /// Names in kanji or kana, as in `…@日本語.jp`: only as the first label, up to a dot.
  private static func kanjiWidth(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, isFirstLabel: Bool) -> Int? {
    guard isFirstLabel, isName(text[i]), i + 2 < text.count else { return nil }
    var end = i
    while end + 2 < text.count, end - i < 60, isName(text[end]) { end += 3 }
    return end < text.count && text[end] == 0x2E && end + 2 < text.count && text[end + 1].isASCIILetter ? 3 : nil
  }

  private static func isName(_ lead: UInt8) -> Bool { 0xE3...0xE9 ~= lead }

  private static func isTopLevel(_ label: ArraySlice<UInt8>) -> Bool {
    label.count >= 2 && (label.allSatisfy(\.isASCIILetter) || label.count > 5 && label.starts(with: "xn--".utf8))
  }

  /// `icon@2x.png` is none.
  private static func isFileName(_ domain: [UInt8]) -> Bool {
    guard let dot = domain.lastIndex(of: 0x2E) else { return true }
    return files.contains(Array(domain[(dot + 1)...]))
  }

  private static let files: Set<[UInt8]> = Set(
    "png jpg jpeg gif svg webp bmp ico css js mjs ts tsx json xml html htm php txt csv pdf zip gz mp3 mp4 avif tgz swf"
      .split(separator: " ").map { Array($0.utf8) })

  private static func narrow(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> [UInt8] {
    var out: [UInt8] = []
    var i = range.lowerBound
    while i < range.upperBound {
      let character = WideByte(text, i)
      out.append(character.byte.isASCIILetter ? character.byte | 0x20 : character.byte)
      i += character.width
    }
    return out
  }
}

// MARK: Addresses of nobody

extension MailAddress {
  func isExempt(_ exemptions: PersonalExemptions) -> Bool {
    if exemptions.exampleDomains, isExample { return true }
    if exemptions.roleAddresses, Self.roles.contains(local) { return true }
    return isWithin(exemptions.mailDomains)
  }

  /// RFC 2606, RFC 6761, and the reserved example names of .jp.
  private var isExample: Bool {
    let labels = domain.split(separator: 0x2E).map { String(decoding: $0, as: UTF8.self) }
    guard let top = labels.last else { return false }
    if ["example", "test", "invalid", "localhost", "local"].contains(top) { return true }
    let second = labels.dropLast().last ?? "", third = labels.dropLast(2).last ?? ""
    if ["com", "net", "org", "jp"].contains(top), second == "example" { return true }
    return top == "jp" && third == "example" && ["co", "ne", "or", "ac", "go", "ed", "gr", "ad", "lg"].contains(second)
  }

  private func isWithin(_ domains: Set<String>) -> Bool {
    guard !domains.isEmpty else { return false }
    var rest = domain[...]
    while true {
      if domains.contains(String(decoding: rest, as: UTF8.self)) { return true }
      guard let dot = rest.firstIndex(of: 0x2E) else { return false }
      rest = rest[(dot + 1)...]
    }
  }

  private static let roles: Set<[UInt8]> = Set(
    """
    abuse admin administrator billing contact customer customerservice editor enquiries feedback git help helpdesk
    hostmaster info information inquiry jobs mail mailer-daemon marketing media no-reply noreply office postmaster press
    privacy recruit reply root sales security service shop staff support system toiawase webmaster
    """
    .split { $0 == " " || $0 == "\n" }.map { Array($0.utf8) })
}
