/// Counts by pair of symbols: an open-addressed table of 64-bit keys.
struct PairCounts: ~Copyable {
  private struct Slot {
    var key: UInt64
    var count: Int64
  }

  private static let free = UInt64.max
  private var slots: UnsafeMutableBufferPointer<Slot>
  private(set) var count = 0

  init(minimumCapacity: Int) {
    var capacity = 1 << 10
    while capacity < minimumCapacity * 2 { capacity *= 2 }
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(key: Self.free, count: 0))
  }

  deinit { slots.deallocate() }

  static func key(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }

  private func place(_ key: UInt64) -> Int {
    let mask = slots.count &- 1
    var hash = key &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 32
    var place = Int(truncatingIfNeeded: hash) & mask
    while slots[place].key != key && slots[place].key != Self.free { place = (place &+ 1) & mask }
    return place
  }

  /// nil for a pair that was never added.
  subscript(_ key: UInt64) -> Int64? {
    let slot = slots[place(key)]
    return slot.key == key ? slot.count : nil
  }

  /// Decreases the count of a pair; pairs that are not in the table are ignored.
  mutating func subtract(_ amount: Int64, from key: UInt64) {
    let place = place(key)
    if slots[place].key == key { slots[place].count &-= amount }
  }

  /// Returns the new count, and whether the pair already existed.
  mutating func add(_ amount: Int64, to key: UInt64) -> (count: Int64, existed: Bool) {
    let place = place(key)
    if slots[place].key == key {
      slots[place].count &+= amount
      return (slots[place].count, true)
    }
    slots[place] = Slot(key: key, count: amount)
    count += 1
    if count * 4 > slots.count * 3 { grow() }
    return (amount, false)
  }

  private mutating func grow() {
    let old = slots
    slots = .allocate(capacity: old.count * 2)
    slots.initialize(repeating: Slot(key: Self.free, count: 0))
    for slot in old where slot.key != Self.free { slots[place(slot.key)] = slot }
    old.deallocate()
  }
}
