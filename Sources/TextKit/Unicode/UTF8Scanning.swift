import CKernels

/// UTF-8 processing in place: decoding, counting, validation. Malformed bytes never trap.
public enum UTF8Scanning {
  /// The result of `scalar(at:)` for invalid UTF-8; one above the last scalar, so that tables have an entry for it.
  public static let malformed: UInt32 = 0x11_0000

  /// The scalar at `i` and its length in bytes. Malformed bytes are consumed one maximal subpart at a time (Unicode
  /// 3.9, U+FFFD substitution), so the length is 1…4 and never exceeds `end`. `i < end`.
  @inlinable @inline(__always)
  public static func scalar(
    at i: Int, in bytes: UnsafePointer<UInt8>, end: Int
  ) -> (value: UInt32, count: Int) {
    let a = UInt32(bytes[i])
    if a < 0x80 { return (a, 1) }
    if a >= 0xE1 && a < 0xF0 && a != 0xED && i &+ 2 < end {
      let b = UInt32(bytes[i &+ 1]) ^ 0x80, c = UInt32(bytes[i &+ 2]) ^ 0x80
      if b | c < 0x40 { return ((a & 0x0F) << 12 | b << 6 | c, 3) }
    }
    return otherScalar(at: i, in: bytes, end: end)
  }

  @usableFromInline
  static func otherScalar(
    at i: Int, in bytes: UnsafePointer<UInt8>, end: Int
  ) -> (value: UInt32, count: Int) {
    let a = UInt32(bytes[i])
    func trail(_ k: Int) -> UInt32? { i + k < end && bytes[i + k] & 0xC0 == 0x80 ? UInt32(bytes[i + k]) & 0x3F : nil }
    guard a >= 0xC2, a <= 0xF4, let b = trail(1) else { return (malformed, 1) }
    if a < 0xE0 { return ((a & 0x1F) << 6 | b, 2) }
    switch a {
    case 0xE0 where b < 0x20, 0xED where b >= 0x20, 0xF0 where b < 0x10, 0xF4 where b >= 0x10: return (malformed, 1)
    default: break
    }
    guard let c = trail(2) else { return (malformed, 2) }
    if a < 0xF0 { return ((a & 0x0F) << 12 | b << 6 | c, 3) }
    guard let d = trail(3) else { return (malformed, 3) }
    return ((a & 0x07) << 18 | b << 12 | c << 6 | d, 4)
  }

  /// Calls `body` with each scalar (including `malformed`) and its byte range.
  @inlinable @inline(__always)
  public static func forEachScalar(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (_ scalar: UInt32, _ start: Int, _ end: Int) -> Void
  ) {
    guard let bytes = text.baseAddress else { return }
    var i = 0
    while i < text.count {
      let (value, count) = scalar(at: i, in: bytes, end: text.count)
      body(value, i, i &+ count)
      i &+= count
    }
  }

  /// The number of scalars in valid UTF-8: the bytes that are not continuation bytes.
  public static func scalarCount(_ text: UnsafeBufferPointer<UInt8>) -> Int { pl_scalars(text.baseAddress, text.count) }

  /// The length of the longest valid prefix: `text.count` if all is valid.
  public static func validPrefix(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    guard let bytes = text.baseAddress else { return 0 }
    var i = 0
    while i < text.count {
      let (value, count) = scalar(at: i, in: bytes, end: text.count)
      if value == malformed { return i }
      i += count
    }
    return i
  }

  /// The largest number of bytes, at most `limit`, that contains only complete characters of a UTF-8 text.
  public static func wholePrefix(_ text: UnsafeBufferPointer<UInt8>, limit: Int) -> UnsafeBufferPointer<UInt8> {
    guard text.count > limit else { return text }
    var end = max(0, limit)
    while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
    return UnsafeBufferPointer(rebasing: text[..<end])
  }

  /// Appends a scalar; `malformed` and surrogates become U+FFFD.
  @inlinable
  public static func append(_ scalar: UInt32, to out: inout [UInt8]) {
    switch scalar {
    case 0..<0x80: out.append(UInt8(scalar))
    case 0x80..<0x800:
      out.append(UInt8(0xC0 | scalar >> 6))
      out.append(UInt8(0x80 | scalar & 0x3F))
    case 0xD800..<0xE000, malformed...: append(0xFFFD, to: &out)
    case 0x800..<0x1_0000:
      out.append(UInt8(0xE0 | scalar >> 12))
      out.append(UInt8(0x80 | scalar >> 6 & 0x3F))
      out.append(UInt8(0x80 | scalar & 0x3F))
    default:
      out.append(UInt8(0xF0 | scalar >> 18))
      out.append(UInt8(0x80 | scalar >> 12 & 0x3F))
      out.append(UInt8(0x80 | scalar >> 6 & 0x3F))
      out.append(UInt8(0x80 | scalar & 0x3F))
    }
  }
}
