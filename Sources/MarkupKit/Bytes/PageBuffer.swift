/// A growable byte buffer without bounds checks when appending.
///
/// The wikitext renderer writes into one and its tidying pass reads it back; both are reused for all pages, so that
/// the steady state allocates nothing.
public struct PageBuffer: ~Copyable {
  private(set) var base: UnsafeMutablePointer<UInt8>
  public private(set) var count = 0
  private var capacity: Int

  public init(capacity: Int = 1 << 16) {
    self.capacity = max(capacity, 64)
    base = .allocate(capacity: self.capacity)
  }

  deinit { base.deallocate() }

  public var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

  /// The last byte, or a newline if the buffer is empty: both mean "a line may start here".
  var last: UInt8 { count == 0 ? 0x0A : base[count - 1] }

  public mutating func removeAll() { count = 0 }
  mutating func truncate(to newCount: Int) { count = newCount }

  @inline(__always)
  mutating func append(_ byte: UInt8) {
    if count == capacity { grow(by: 1) }
    base[count] = byte
    count += 1
  }

  @inline(__always)
  mutating func append(_ source: UnsafePointer<UInt8>, _ length: Int) {
    if capacity - count < length { grow(by: length) }
    (base + count).update(from: source, count: length)
    count += length
  }

  /// Inserts a byte before `position`. Cost: linear in the length of the remainder.
  mutating func insert(_ byte: UInt8, at position: Int) {
    append(byte)
    (base + position + 1).update(from: base + position, count: count - 1 - position)
    base[position] = byte
  }

  /// Inserts a byte before each of the given positions, which ascend. One pass.
  mutating func insert(_ byte: UInt8, at places: [Int]) {
    var end = count
    for _ in places { append(byte) }
    for (index, place) in places.enumerated().reversed() {
      (base + place + index + 1).update(from: base + place, count: end - place)
      base[place + index] = byte
      end = place
    }
  }

  mutating func append(_ text: StaticString) { append(text.utf8Start, text.utf8CodeUnitCount) }

  mutating func append(_ text: [UInt8]) {
    text.withUnsafeBufferPointer { bytes in
      if let start = bytes.baseAddress { append(start, bytes.count) }
    }
  }

  /// Appends a code point as UTF-8; one that is not a scalar value, or is a control character, is dropped.
  mutating func append(scalar value: UInt32) {
    guard value >= 0x20 || value == 0x0A, !(0x7F..<0xA0).contains(value), let scalar = Unicode.Scalar(value) else {
      return
    }
    for byte in UTF8.encode(scalar)! { append(byte) }
  }

  @inline(never)
  private mutating func grow(by length: Int) {
    capacity = max(capacity * 2, count + length)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    larger.update(from: base, count: count)
    base.deallocate()
    base = larger
  }
}
