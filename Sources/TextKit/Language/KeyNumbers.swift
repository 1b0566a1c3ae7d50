/// Numbers distinct 64-bit keys 0, 1, 2, … in order of arrival, in flat memory that is reused.
///
/// Open addressing; O(1) per key. Complete keys are compared, so two keys are never confused.
public struct KeyNumbers: ~Copyable {
  private var slots: UnsafeMutablePointer<Slot>
  private var capacity = 1 << 10
  private var mask: Int
  /// Distinct keys since `reset`.
  public private(set) var distinct = 0

  private struct Slot {
    var key: UInt64
    /// The key's number plus one; 0 is a free slot.
    var number: UInt32
  }

  public init() {
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(key: 0, number: 0), count: capacity)
    mask = capacity - 1
  }

  deinit { slots.deallocate() }

  /// Clears all keys and makes room for `keys` of them; more are allowed.
  public mutating func reset(expecting keys: Int) {
    distinct = 0
    // Only the slots that will be used are cleared: a small text after a large one stays cheap.
    resize(slots: max(64, (keys * 2).nextPowerOfTwo))
  }

  private mutating func resize(slots needed: Int) {
    if needed > capacity {
      slots.deallocate()
      slots = .allocate(capacity: needed)
      capacity = needed
    }
    slots.update(repeating: Slot(key: 0, number: 0), count: needed)
    mask = needed - 1
  }

  /// The number of a key, known or new.
  @inline(__always)
  public mutating func number(_ key: UInt64) -> Int {
    var i = Int(truncatingIfNeeded: Self.mix(key)) & mask
    while true {
      let number = slots[i].number
      if number == 0 { return add(key, at: i) }
      if slots[i].key == key { return Int(number) &- 1 }
      i = (i &+ 1) & mask
    }
  }

  /// Takes a key in; returns true if it is new.
  @inline(__always)
  public mutating func insert(_ key: UInt64) -> Bool {
    let before = distinct
    _ = number(key)
    return distinct != before
  }

  @inline(__always)
  private static func mix(_ key: UInt64) -> UInt64 {
    let product = (key ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
    return product.high ^ product.low
  }

  @inline(never)
  private mutating func add(_ key: UInt64, at slot: Int) -> Int {
    slots[slot] = Slot(key: key, number: UInt32(distinct + 1))
    distinct += 1
    if distinct * 4 > (mask + 1) * 3 { grow() }
    return distinct - 1
  }

  private mutating func grow() {
    let old = slots, oldCount = mask + 1
    capacity = oldCount * 2
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(key: 0, number: 0), count: capacity)
    mask = capacity - 1
    for i in 0..<oldCount where old[i].number != 0 {
      var place = Int(truncatingIfNeeded: Self.mix(old[i].key)) & mask
      while slots[place].number != 0 { place = (place + 1) & mask }
      slots[place] = old[i]
    }
    old.deallocate()
  }
}

extension Int {
  fileprivate var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
