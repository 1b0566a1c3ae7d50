/// A kind of personal data that `PersonalScanner` finds by its form.
public enum PersonalKind: Int, CaseIterable, Sendable {
  case mail, phone, ip, myNumber, card, bankAccount, address

  /// As in metadata and metrics: `my-number`.
  public var name: String {
    switch self {
    case .mail: "mail"
    case .phone: "phone"
    case .ip: "ip"
    case .myNumber: "my-number"
    case .card: "card"
    case .bankAccount: "bank-account"
    case .address: "address"
    }
  }

  /// What stands in a text instead: `<MY_NUMBER>`.
  public var token: String {
    switch self {
    case .mail: "<MAIL>"
    case .phone: "<PHONE>"
    case .ip: "<IP>"
    case .myNumber: "<MY_NUMBER>"
    case .card: "<CARD>"
    case .bankAccount: "<BANK_ACCOUNT>"
    case .address: "<ADDRESS>"
    }
  }
}

/// One place in a text, in bytes.
public struct PersonalSpan: Equatable, Sendable {
  public var kind: PersonalKind
  public var range: Range<Int>

  public init(_ kind: PersonalKind, _ range: Range<Int>) {
    self.kind = kind
    self.range = range
  }
}

/// What has the form of personal data and belongs to no person.
public struct PersonalExemptions: Equatable, Sendable {
  /// Mail addresses in example.com, example.jp and their like, and below .example, .test, .invalid, .localhost, .local.
  public var exampleDomains = true
  /// info@, support@, noreply@ and their like.
  public var roleAddresses = false
  /// 0120, 0800, 0570, 0990 and +800 numbers.
  public var serviceNumbers = true
  /// Addresses for private use, documentation, loopback, link-local and multicast; public resolvers such as 8.8.8.8.
  public var specialNetworks = true
  /// The card numbers that payment services publish for tests.
  public var testCards = true
  /// Domains whose mail addresses are kept, including those of their subdomains; in lower case.
  public var mailDomains: Set<String> = []
  private var values: Set<[UInt8]> = []

  public init() {}

  /// Keeps one value, however it is written: width, case, spaces and separators do not matter.
  public mutating func keep(_ value: String) {
    Array(value.utf8).withUnsafeBufferPointer { _ = values.insert(Self.folded($0[...])) }
  }

  func keeps(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    !values.isEmpty && values.contains(Self.folded(value))
  }

  /// Letters in lower case and digits, both as ASCII, and characters of other scripts.
  private static func folded(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
    let text = UnsafeBufferPointer(rebasing: value)
    var out: [UInt8] = []
    var i = 0
    while i < text.count {
      let character = WideByte(text, i)
      if character.byte.isASCIIAlphanumeric {
        out.append(character.byte.isASCIILetter ? character.byte | 0x20 : character.byte)
      } else if character.byte == 0x40 {
        out.append(0x40)
      } else if character.byte == 0, PhoneUnit(text, i).kind == .other {
        out.append(contentsOf: text[i..<i + character.width])
      }
      i += character.width
    }
    return out
  }
}

/// A character as the ASCII character that it is, in either width; `byte` is 0 for all others.
struct WideByte {
  let byte: UInt8
  let width: Int

  /// The character at `i`; 0 with the width 1 after the end.
  @inline(__always)
  init(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) {
    guard i < text.count else {
      (byte, width) = (0, 1)
      return
    }
    let a = text[i]
    if a < 0x80 {
      (byte, width) = (a, 1)
    } else if a == 0xEF, i + 2 < text.count {
      switch (text[i + 1], text[i + 2]) {
      case (0xBC, 0x81...0xBF): (byte, width) = (text[i + 2] - 0x60, 3)
      case (0xBD, 0x80...0x9E): (byte, width) = (text[i + 2] - 0x20, 3)
      default: (byte, width) = (0, 3)
      }
    } else {
      let length = a >= 0xF0 ? 4 : a >= 0xE0 ? 3 : a >= 0xC0 ? 2 : 1
      (byte, width) = (0, min(length, text.count - i))
    }
  }

  /// The character that ends at `end`; 0 with the width 0 before the start.
  @inline(__always)
  init(_ text: UnsafeBufferPointer<UInt8>, before end: Int) {
    guard end > 0 else {
      (byte, width) = (0, 0)
      return
    }
    if text[end - 1] < 0x80 {
      (byte, width) = (text[end - 1], 1)
      return
    }
    var start = end - 1
    while start > 0, end - start < 4, text[start].isContinuation { start -= 1 }
    let character = WideByte(text, start)
    (byte, width) = (character.byte, end - start)
  }
}
