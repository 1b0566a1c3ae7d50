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
    var keyCount: UInt32 = 0
    var ids: UInt32 = 0
    var idCount: UInt32 = 0
  }

  private static let slotCount = 1 << 14
  private static let longestKey = 96
  private var slots = [Slot](repeating: Slot(), count: slotCount)
  private var used = 0
  private var keys: [UInt8] = []
  private var ids: [UInt32] = []

  static func hash(_ piece: UnsafeBufferPointer<UInt8>) -> UInt64? {
    guard piece.count <= longestKey else { return nil }
    var hash: UInt64 = UInt64(piece.count) &* 0x9E37_79B9_7F4A_7C15
    for byte in piece { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return (hash ^ hash >> 29) | 1
  }

  /// Appends the ids of a piece; false if it is not known.
  func append(_ piece: UnsafeBufferPointer<UInt8>, _ hash: UInt64, to out: inout TokenBuffer) -> Bool {
    slots.withUnsafeBufferPointer { slots in
      var place = Int(truncatingIfNeeded: hash >> 7) & (Self.slotCount - 1)
      while slots[place].hash != 0 {
        let slot = slots[place]
        if slot.hash == hash, Int(slot.keyCount) == piece.count, equals(piece, Int(slot.key)) {
          ids.withUnsafeBufferPointer { ids in
            for i in Int(slot.ids)..<Int(slot.ids + slot.idCount) { out.append(ids[i]) }
          }
          return true
        }
        place = (place &+ 1) & (Self.slotCount - 1)
      }
      return false
    }
  }

  private func equals(_ piece: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    keys.withUnsafeBufferPointer { keys in
      for i in 0..<piece.count where keys[start &+ i] != piece[i] { return false }
      return true
    }
  }

  mutating func add(_ piece: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ tokens: [UInt32]) {
    if used * 2 >= Self.slotCount {
      slots = [Slot](repeating: Slot(), count: Self.slotCount)
      keys.removeAll(keepingCapacity: true)
      ids.removeAll(keepingCapacity: true)
      used = 0
    }
    var place = Int(truncatingIfNeeded: hash >> 7) & (Self.slotCount - 1)
    while slots[place].hash != 0 { place = (place &+ 1) & (Self.slotCount - 1) }
    slots[place] = Slot(
      hash: hash, key: UInt32(keys.count), keyCount: UInt32(piece.count), ids: UInt32(ids.count),
      idCount: UInt32(tokens.count))
    keys.append(contentsOf: piece)
    ids.append(contentsOf: tokens)
    used += 1
  }
}
