/// Length of a UTF-8 character in bytes, by its first byte.
@inline(__always)
func utf8Length(_ first: UInt8) -> Int { first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }

extension UnsafeBufferPointer<UInt8> {
  /// Whether `text` is at an offset.
  @inline(__always)
  func has(_ text: StaticString, at offset: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    guard offset + count <= self.count else { return false }
    let start = text.utf8Start
    for i in 0..<count where self[offset + i] != start[i] { return false }
    return true
  }

  func ends(with text: StaticString) -> Bool { has(text, at: count - text.utf8CodeUnitCount) }
}

extension [UInt8] {
  func ends(with suffix: [UInt8]) -> Bool { self.suffix(suffix.count).elementsEqual(suffix) }

  func ends(with text: StaticString, from start: Int) -> Bool {
    let offset = count - text.utf8CodeUnitCount
    return offset >= start && withUnsafeBufferPointer { $0.has(text, at: offset) }
  }
}
