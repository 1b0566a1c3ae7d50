/// Bytes of a UTF-8 character by its first byte.
@inline(__always)
func utf8Length(_ first: UInt8) -> Int { first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }

extension UnsafeBufferPointer<UInt8> {
  func ends(with text: StaticString) -> Bool { has(text, at: count - text.utf8CodeUnitCount) }
}

extension [UInt8] {
  func ends(with suffix: [UInt8]) -> Bool { self.suffix(suffix.count).elementsEqual(suffix) }

  /// Whether all of it stands between one 「 and its 」.
  var isOneQuotation: Bool {
    withUnsafeBufferPointer { bytes in
      guard bytes.has("「", at: 0), bytes.ends(with: "」") else { return false }
      var depth = 0
      for at in bytes.indices {
        if bytes.has("「", at: at) { depth += 1 }
        if bytes.has("」", at: at) { depth -= 1 }
        if depth == 0 { return at == bytes.count - 3 || at > bytes.count - 3 }
      }
      return false
    }
  }

  func ends(with text: StaticString, from start: Int) -> Bool {
    let offset = count - text.utf8CodeUnitCount
    return offset >= start && withUnsafeBufferPointer { $0.has(text, at: offset) }
  }
}
