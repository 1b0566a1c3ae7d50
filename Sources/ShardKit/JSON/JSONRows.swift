import Glibc

/// Reads records of a JSON text in the form in which this program writes them: the members in order, no white space, strings
/// without escapes. Whoever finds another form reads the text in the general way, which takes thirty times as long.
public struct JSONRows {
  private let text: UnsafeRawBufferPointer
  /// The offset of what is read next.
  public private(set) var at: Int

  public init(_ text: UnsafeRawBufferPointer, at: Int = 0) {
    self.text = text
    self.at = at
  }

  /// The offset of a member's value in the object that begins at `at`, of the members in it but not in what is nested.
  public func value(of key: StaticString) -> Int? {
    var rows = self
    guard rows.skip("{") else { return nil }
    while true {
      guard let name = rows.slice(), rows.skip(":") else { return nil }
      if name.elementsEqual(UnsafeRawBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)) {
        return rows.at
      }
      guard rows.skipValue(), rows.skip(",") else { return nil }
    }
  }

  /// Moves past these bytes; false if others are there.
  public mutating func skip(_ written: StaticString) -> Bool {
    let count = written.utf8CodeUnitCount
    guard text.count - at >= count, memcmp(text.baseAddress! + at, written.utf8Start, count) == 0 else { return false }
    at += count
    return true
  }

  public mutating func string() -> String? {
    slice().flatMap { String(validating: $0.bindMemory(to: UInt8.self), as: UTF8.self) }
  }

  public mutating func digest() -> Digest? { slice().flatMap(Digest.init(digits:)) }

  /// An integer of at most 18 digits that is not negative.
  public mutating func integer() -> Int64? {
    let start = at
    var value: Int64 = 0
    while at < text.count, case let digit = text[at], digit >= 48, digit <= 57, at - start < 18 {
      value = value * 10 + Int64(digit - 48)
      at += 1
    }
    let isNumber = at > start && (at == start + 1 || text[start] != 48)
    return isNumber && at < text.count && (text[at] == 0x2C || text[at] == 0x7D || text[at] == 0x5D) ? value : nil
  }

  /// The rest of a list, from its opening bracket on.
  /// - Parameter row: reads an element.
  /// - Returns: nil if an element is nil, or anything but commas is between them.
  public mutating func list<Row>(_ row: (inout JSONRows) -> Row?) -> [Row]? {
    guard skip("[") else { return nil }
    var rows: [Row] = []
    if skip("]") { return rows }
    while let next = row(&self) {
      rows.append(next)
      if skip("]") { return rows }
      guard skip(",") else { return nil }
    }
    return nil
  }

  /// What is between the quotes of a string.
  private mutating func slice() -> UnsafeRawBufferPointer? {
    guard at < text.count, text[at] == 0x22 else { return nil }
    var end = at + 1
    while end < text.count, case let byte = text[end], byte != 0x22 {
      guard byte >= 32, byte != 0x5C else { return nil }
      end += 1
    }
    guard end < text.count else { return nil }
    defer { at = end + 1 }
    return UnsafeRawBufferPointer(rebasing: text[at + 1..<end])
  }

  /// Moves to the end of a value, whatever it is: brackets and strings are scanned.
  private mutating func skipValue() -> Bool {
    var depth = 0
    while at < text.count {
      switch text[at] {
      case 0x22:
        at += 1
        while at < text.count, text[at] != 0x22 { at += text[at] == 0x5C ? 2 : 1 }
      case 0x7B, 0x5B: depth += 1
      case 0x2C: if depth == 0 { return true }
      case 0x7D, 0x5D:
        if depth == 0 { return true }
        depth -= 1
      default: break
      }
      at += 1
    }
    return false
  }
}
