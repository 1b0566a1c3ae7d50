/// Where a piece of a text can be cut so that the tokens of the parts are those of the whole: between two characters that
/// no token has side by side. Texts are cut into a few characters each, whose tokens are found once and remembered.
final class PieceJoints: @unchecked Sendable {
  /// Bits by hash of what stands before and behind a place within a token. A wrong one only means that a piece is not cut.
  private let bits: UnsafeMutablePointer<UInt64>
  private static let bitCount = 1 << 20
  /// Tokens begin or end within characters.
  private let hasParts: Bool
  /// The characters that are tokens of their own; the tokens of others may depend on what is beside them. nil: all are.
  private let known: ScalarIds?

  /// - Parameters:
  ///   - tokens: those of several characters, as bytes of the text.
  ///   - known: the characters that are tokens of their own; nil if texts are bytes.
  init(_ tokens: some Sequence<[UInt8]>, known: ScalarIds?) {
    self.known = known
    bits = .allocate(capacity: Self.bitCount / 64)
    bits.initialize(repeating: 0, count: Self.bitCount / 64)
    var hasParts = false
    for token in tokens {
      var start = 0
      for i in 1..<max(1, token.count) where !Self.continues(token[i]) {
        var end = i + 1
        while end < token.count, Self.continues(token[end]) { end += 1 }
        let place = Self.place(Self.packed(token[start..<i]), Self.packed(token[i..<end]))
        bits[place >> 6] |= 1 << UInt64(place & 63)
        hasParts = hasParts || Self.continues(token[start]) || end - i < Self.width(token[i])
        start = i
      }
    }
    self.hasParts = hasParts
  }

  deinit { bits.deallocate() }

  private static func continues(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

  @inline(__always)
  static func width(_ lead: UInt8) -> Int { lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4 }

  private static func packed(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The bytes of a character as one number.
  @inline(__always)
  static func character(_ text: UnsafeBufferPointer<UInt8>, at i: Int) -> (packed: UInt32, width: Int) {
    let lead = UInt32(text[i])
    if lead < 0x80 { return (lead, 1) }
    let width = min(Self.width(text[i]), text.count &- i)
    var packed = lead
    for k in 1..<max(1, width) { packed = packed << 8 | UInt32(text[i &+ k]) }
    return (packed, width)
  }

  private static func place(_ first: UInt32, _ second: UInt32) -> Int {
    var hash = (UInt64(first) << 32 | UInt64(second)) &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 32
    return Int(truncatingIfNeeded: (hash &* 0xD6E8_FEB8_6659_FD93) >> 40) & (bitCount - 1)
  }

  private func contains(_ first: UInt32, _ second: UInt32) -> Bool {
    let place = Self.place(first, second)
    return bits[place >> 6] >> UInt64(place & 63) & 1 != 0
  }

  enum Joint {
    /// No token has both characters or parts of them.
    case none
    /// Tokens with both have both of them whole.
    case whole
    /// A token may begin or end within one of them, or what becomes of them depends on both.
    case parts
  }

  /// How tokens may reach from the one character into the next.
  func joint(_ first: UInt32, _ second: UInt32) -> Joint {
    if let known, known[Self.scalar(first)] == nil || known[Self.scalar(second)] == nil { return .parts }
    if hasParts, joinsParts(first, second) { return .parts }
    return contains(first, second) ? .whole : .none
  }

  private func joinsParts(_ first: UInt32, _ second: UInt32) -> Bool {
    // Every beginning of the second character with every end of the first one.
    var ending = first
    while true {
      var beginning = second
      while beginning > 0 {
        if ending != first || beginning != second, contains(ending, beginning) { return true }
        beginning >>= 8
      }
      // Without its first byte.
      let rest = ending & (ending > 0xFF_FFFF ? 0xFF_FFFF : ending > 0xFFFF ? 0xFFFF : ending > 0xFF ? 0xFF : 0)
      if rest == 0 { return false }
      ending = rest
    }
  }

  @inline(__always)
  private static func scalar(_ packed: UInt32) -> UInt32 {
    let (a, b, c, d) = (packed >> 24, packed >> 16 & 0x3F, packed >> 8 & 0x3F, packed & 0x3F)
    if packed < 0x80 { return packed }
    if packed < 0x1_0000 { return (packed >> 8 & 0x1F) << 6 | d }
    if packed < 0x100_0000 { return (packed >> 16 & 0x0F) << 12 | c << 6 | d }
    return (a & 7) << 18 | b << 12 | c << 6 | d
  }
}

/// Answers of `PieceJoints` that one thread had already.
struct KnownJoints: ~Copyable {
  private static let count = 1 << 16
  /// Of four bytes' characters only the first of their two leading bits is needed; the other ones are the answer.
  private static let joined: UInt64 = 1 << 62
  private static let inParts: UInt64 = 1 << 30
  private let slots: UnsafeMutablePointer<UInt64>

  init() {
    slots = .allocate(capacity: Self.count)
    slots.initialize(repeating: .max, count: Self.count)
  }

  deinit { slots.deallocate() }

  @inline(__always)
  func joint(_ first: UInt32, _ second: UInt32, _ joints: PieceJoints) -> PieceJoints.Joint {
    let key = (UInt64(first) << 32 | UInt64(second)) & ~(Self.joined | Self.inParts)
    let slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 48)
    let known = slots[slot]
    if known & ~(Self.joined | Self.inParts) == key {
      return known & Self.joined == 0 ? .none : known & Self.inParts == 0 ? .whole : .parts
    }
    let joint = joints.joint(first, second)
    slots[slot] = key | (joint == .none ? 0 : Self.joined) | (joint == .parts ? Self.inParts : 0)
    return joint
  }
}
