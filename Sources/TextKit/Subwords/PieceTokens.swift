import Glibc

/// The tokens of one piece of a text, each with the number of bytes that it takes of the piece.
struct PieceTokens {
  private(set) var ids: [UInt32] = []
  private(set) var lengths: [UInt32] = []

  @inline(__always)
  mutating func append(_ id: UInt32, _ length: Int) {
    ids.append(id)
    lengths.append(UInt32(truncatingIfNeeded: length))
  }

  mutating func reverse(from start: Int) {
    ids[start...].reverse()
    lengths[start...].reverse()
  }

  mutating func removeAll() {
    ids.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
  }
}

/// The tokens of pieces seen before. Bounded: when it is full, it starts anew.
struct PieceCache: ~Copyable {
  private struct Slot {
    var hash: UInt64 = 0
    var key: UInt32 = 0
    var keyCount: UInt16 = 0
    var idCount: UInt16 = 0
    /// Up to four ids, or where they start.
    var ids: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
  }

  private static let slotCount = 1 << 18
  private static let longestKey = 96
  private let slots: UnsafeMutablePointer<Slot>
  private var used = 0
  private var keys: [UInt8] = []
  private var ids: [UInt32] = []

  init() {
    slots = .allocate(capacity: Self.slotCount)
    slots.initialize(repeating: Slot(), count: Self.slotCount)
  }

  deinit { slots.deallocate() }

  /// nil if the piece is too long to be kept.
  @inline(__always)
  static func hash(_ piece: UnsafeBufferPointer<UInt8>) -> UInt64? {
    guard piece.count <= longestKey else { return nil }
    var hash = UInt64(piece.count) &* 0x9E37_79B9_7F4A_7C15
    var i = 0
    let start = UnsafeRawPointer(piece.baseAddress)
    while i &+ 8 <= piece.count {
      let word = start!.loadUnaligned(fromByteOffset: i, as: UInt64.self)
      hash = mixed(hash ^ word)
      i &+= 8
    }
    var rest: UInt64 = 0
    while i < piece.count {
      rest = rest << 8 | UInt64(piece[i])
      i &+= 1
    }
    return mixed(hash ^ rest) | 1
  }

  @inline(__always)
  private static func mixed(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
    return product.high ^ product.low
  }

  @inline(__always)
  private static func place(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 7) & (slotCount - 1) }

  /// Appends the ids of a piece.
  /// - Returns: whether they are known.
  @inline(__always)
  func append(_ piece: UnsafeBufferPointer<UInt8>, _ hash: UInt64, to out: inout TokenBuffer) -> Bool {
    var place = Self.place(hash)
    while slots[place].hash != 0 {
      let slot = slots + place
      if slot.pointee.hash == hash, Int(slot.pointee.keyCount) == piece.count, equals(piece, Int(slot.pointee.key)) {
        append(slot, to: &out)
        return true
      }
      place = (place &+ 1) & (Self.slotCount - 1)
    }
    return false
  }

  @inline(__always)
  private func append(_ slot: UnsafeMutablePointer<Slot>, to out: inout TokenBuffer) {
    let count = Int(slot.pointee.idCount)
    if count == 1 { return out.append(slot.pointee.ids.0) }
    if count <= 4 {
      withUnsafeBytes(of: slot.pointee.ids) { bytes in
        let ids = bytes.assumingMemoryBound(to: UInt32.self)
        for i in 0..<count { out.append(ids[i]) }
      }
      return
    }
    let start = Int(slot.pointee.ids.0)
    ids.withUnsafeBufferPointer { ids in
      for i in start..<(start &+ count) { out.append(ids[i]) }
    }
  }

  @inline(__always)
  private func equals(_ piece: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    keys.withUnsafeBufferPointer { memcmp($0.baseAddress! + start, piece.baseAddress!, piece.count) == 0 }
  }

  mutating func add(_ piece: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ tokens: [UInt32]) {
    if used * 2 >= Self.slotCount {
      slots.update(repeating: Slot(), count: Self.slotCount)
      keys.removeAll(keepingCapacity: true)
      ids.removeAll(keepingCapacity: true)
      used = 0
    }
    var place = Self.place(hash)
    while slots[place].hash != 0 { place = (place &+ 1) & (Self.slotCount - 1) }
    var slot = Slot(
      hash: hash, key: UInt32(keys.count), keyCount: UInt16(piece.count), idCount: UInt16(tokens.count))
    if tokens.count <= 4 {
      withUnsafeMutableBytes(of: &slot.ids) { ids in tokens.withUnsafeBytes { ids.copyMemory(from: $0) } }
    } else {
      slot.ids.0 = UInt32(ids.count)
      ids.append(contentsOf: tokens)
    }
    slots[place] = slot
    keys.append(contentsOf: piece)
    used += 1
  }
}
