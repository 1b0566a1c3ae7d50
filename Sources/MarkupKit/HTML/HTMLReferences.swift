import TextKit

/// Character references as in the HTML standard (13.2.5.72 and on): all its names, those allowed without a semicolon,
/// and numbers with their corrections.
struct HTMLReferences: Sendable {
  static let shared = HTMLReferences()

  /// Reads the reference that begins at an `&`.
  /// - Parameters:
  ///   - isAttribute: in attributes, a name without semicolon before `=`, a letter or a digit is not a reference.
  ///   - out: receives the characters, which are at most as many bytes as the reference plus four.
  /// - Returns: the length of the reference in bytes; 0 if there is none.
  func read(
    _ bytes: UnsafePointer<UInt8>, _ at: Int, _ end: Int, isAttribute: Bool = false, into out: inout [UInt8]
  ) -> Int {
    guard at + 1 < end else { return 0 }
    if bytes[at + 1] == UInt8(ascii: "#") { return number(bytes, at, end, into: &out) }
    var stop = at + 1
    let limit = min(end, at + 1 + longestName)
    while stop < limit, Self.isAlphanumeric(bytes[stop]) { stop += 1 }
    guard stop > at + 1 else { return 0 }
    if stop < end, bytes[stop] == UInt8(ascii: ";"), let name = find(bytes + at + 1, stop - at - 1) {
      append(name, to: &out)
      return stop + 1 - at
    }
    var count = min(stop - at - 1, longestBareName)
    while count > 1 {
      if let name = find(bytes + at + 1, count), entries[name].isBare {
        let next = at + 1 + count
        if isAttribute, next < end, bytes[next] == UInt8(ascii: "=") || Self.isAlphanumeric(bytes[next]) { return 0 }
        append(name, to: &out)
        return count + 1
      }
      count -= 1
    }
    return 0
  }

  /// A text with its references decoded.
  func decoded(_ bytes: UnsafeBufferPointer<UInt8>, isAttribute: Bool) -> [UInt8] {
    guard let base = bytes.baseAddress else { return [] }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var at = 0
    while at < bytes.count {
      if base[at] == UInt8(ascii: "&") {
        let count = read(base, at, bytes.count, isAttribute: isAttribute, into: &out)
        if count > 0 {
          at += count
          continue
        }
      }
      out.append(base[at])
      at += 1
    }
    return out
  }

  @inline(__always)
  static func isAlphanumeric(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 }

  // MARK: Numbers

  private func number(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, into out: inout [UInt8]) -> Int {
    var at = start + 2
    let isHex = at < end && bytes[at] | 0x20 == UInt8(ascii: "x")
    if isHex { at += 1 }
    let first = at
    var value: UInt32 = 0
    while at < end, let digit = Self.digit(bytes[at], isHex) {
      value = min(value * (isHex ? 16 : 10) + digit, 0x110_0000)
      at += 1
    }
    guard at > first else { return 0 }
    if at < end, bytes[at] == UInt8(ascii: ";") { at += 1 }
    UTF8Scanning.append(Self.scalar(value), to: &out)
    return at - start
  }

  @inline(__always)
  private static func digit(_ byte: UInt8, _ isHex: Bool) -> UInt32? {
    if byte &- 0x30 < 10 { return UInt32(byte &- 0x30) }
    return isHex && (byte | 0x20) &- 0x61 < 6 ? UInt32((byte | 0x20) &- 0x61 + 10) : nil
  }

  /// The character of a number. Invisible control characters become spaces, as when they are written
  /// directly.
  private static func scalar(_ value: UInt32) -> UInt32 {
    switch value {
    case 0, 0xD800...0xDFFF, 0x11_0000...: return 0xFFFD
    case 1...8, 0x0B, 0x0E...0x1F: return 0x20
    case 0x80...0x9F: return windows1252[Int(value - 0x80)]
    default: return value
    }
  }

  private static let windows1252: [UInt32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D,
    0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,
    0x017E, 0x0178,
  ]

  // MARK: Names

  private struct Entry {
    var start: Int32, count: Int32
    var value: (Int32, Int32)
    var isBare: Bool
  }

  /// Names, then values, concatenated.
  private var blob: [UInt8] = []
  private var entries: [Entry] = []
  private var slots = [Int16](repeating: -1, count: 8192)
  private var longestName = 0
  private var longestBareName = 0

  private init() {
    for entry in Self.names.utf8.split(separator: UInt8(ascii: ",")) {
      let words = entry.split { $0 <= 32 }
      let isBare = words[0].last == UInt8(ascii: "!")
      let name = isBare ? words[0].dropLast() : words[0]
      let start = blob.count
      blob += name
      let value = blob.count
      for word in words.dropFirst() { UTF8Scanning.append(UInt32(Substring(word), radix: 16)!, to: &blob) }
      let slot = blob.withUnsafeBufferPointer { free($0.baseAddress! + start, name.count) }
      slots[slot] = Int16(entries.count)
      entries.append(
        Entry(
          start: Int32(start), count: Int32(name.count), value: (Int32(value), Int32(blob.count)), isBare: isBare))
      longestName = max(longestName, name.count)
      if isBare { longestBareName = max(longestBareName, name.count) }
    }
  }

  private func append(_ name: Int, to out: inout [UInt8]) {
    out.append(contentsOf: blob[Int(entries[name].value.0)..<Int(entries[name].value.1)])
  }

  private func find(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    var slot = Self.hash(name, count)
    while slots[slot] >= 0 {
      let entry = entries[Int(slots[slot])]
      if Int(entry.count) == count,
        blob.withUnsafeBufferPointer({ blob in (0..<count).allSatisfy { blob[Int(entry.start) + $0] == name[$0] } })
      {
        return Int(slots[slot])
      }
      slot = (slot + 1) & 8191
    }
    return nil
  }

  private func free(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var slot = Self.hash(name, count)
    while slots[slot] >= 0 { slot = (slot + 1) & 8191 }
    return slot
  }

  @inline(__always)
  private static func hash(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var hash: UInt32 = 0x811C_9DC5
    for offset in 0..<count { hash = (hash ^ UInt32(name[offset])) &* 0x0100_0193 }
    return Int((hash ^ hash >> 15) & 8191)
  }
}
