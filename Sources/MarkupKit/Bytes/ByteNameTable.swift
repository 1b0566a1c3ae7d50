/// A fixed map from short byte names to values: open addressing over one blob of keys.
///
/// Lookups fold ASCII case, treat `_` as a space, as MediaWiki does with names, and do not allocate.
/// A name inserted twice keeps the later value. Built once, then readable from any thread.
struct ByteNameTable<Value: Sendable>: Sendable {
  private var slots: [Int32]
  private var keys: [UInt8] = []
  private var bounds: [(start: Int32, end: Int32)] = []
  private var values: [Value] = []

  init() { slots = Array(repeating: -1, count: 16) }

  /// Builds a table in which every word of a whitespace-separated list has the same value.
  init(words: String, value: Value) {
    self.init()
    insert(words: words, value)
  }

  var count: Int { values.count }
  var allValues: [Value] { values }

  mutating func insert(words: String, _ value: Value) {
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) { insert(String(word), value) }
  }

  mutating func insert(_ name: String, _ value: Value) {
    var name = name
    name.withUTF8 { bytes in
      guard let base = bytes.baseAddress else { return }
      let slot = find(base, bytes.count)
      if slots[slot] >= 0 {
        values[Int(slots[slot])] = value
        return
      }
      slots[slot] = Int32(values.count)
      let start = Int32(keys.count)
      for byte in bytes { keys.append(Self.folded(byte)) }
      bounds.append((start, Int32(keys.count)))
      values.append(value)
    }
    if values.count * 2 > slots.count { grow() }
  }

  /// The value of a name, or nil. Cost: linear in the name's length.
  @inline(__always)
  func value(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Value? {
    let index = slots[find(bytes, count)]
    return index < 0 ? nil : values[Int(index)]
  }

  func value(_ name: [UInt8]) -> Value? {
    name.withUnsafeBufferPointer { $0.baseAddress.flatMap { value($0, name.count) } }
  }

  private func find(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var slot = Int(truncatingIfNeeded: Self.hash(bytes, count)) & (slots.count - 1)
    while slots[slot] >= 0, !matches(Int(slots[slot]), bytes, count) { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }

  private func matches(_ index: Int, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    let bound = bounds[index]
    guard Int(bound.end - bound.start) == count else { return false }
    return keys.withUnsafeBufferPointer { keys in
      for offset in 0..<count where keys[Int(bound.start) + offset] != Self.folded(bytes[offset]) { return false }
      return true
    }
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: slots.count * 2)
    keys.withUnsafeBufferPointer { keys in
      guard let base = keys.baseAddress else { return }
      for (index, bound) in bounds.enumerated() {
        let hash = Self.hash(base + Int(bound.start), Int(bound.end - bound.start))
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Int32(index)
      }
    }
  }

  @inline(__always)
  static func folded(_ byte: UInt8) -> UInt8 {
    if byte &- 0x41 < 26 { return byte | 0x20 }
    return byte == UInt8(ascii: "_") ? 0x20 : byte
  }

  /// FNV-1a over folded bytes, with a final mix so that the low bits depend on all of it.
  @inline(__always)
  private static func hash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for offset in 0..<count { hash = (hash ^ UInt64(folded(bytes[offset]))) &* 0x100_0000_01b3 }
    return hash ^ (hash >> 29)
  }
}

extension ByteNameTable<String> {
  /// Builds a table from words in pairs: a name and its value.
  init(pairs: String) {
    self.init()
    let words = pairs.split(whereSeparator: { $0 == " " || $0 == "\n" })
    for index in stride(from: 0, to: words.count - 1, by: 2) { insert(String(words[index]), String(words[index + 1])) }
  }
}
