/// A SHA-256 content identity, written as 64 hexadecimal digits.
///
/// Kept as its 32 bytes: a plan of a million files has millions of them.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The bytes, most significant first.
  private let words: SIMD4<UInt64>

  public init?(hex: String) {
    var hex = hex
    guard let digest = hex.withUTF8({ Digest(digits: UnsafeRawBufferPointer($0)) }) else { return nil }
    self = digest
  }

  /// The same from bytes of text.
  init?(digits: UnsafeRawBufferPointer) {
    guard digits.count == 64 else { return nil }
    var words = SIMD4<UInt64>()
    for word in 0..<4 {
      guard let high = EightDigits.value(digits, at: word * 16),
        let low = EightDigits.value(digits, at: word * 16 + 8)
      else { return nil }
      words[word] = UInt64(high) << 32 | UInt64(low)
    }
    self.words = words
  }

  /// - Parameter bytes: 32 of them.
  init(bytes: [UInt8]) {
    var words = SIMD4<UInt64>()
    for (place, byte) in bytes.enumerated() { words[place / 8] = words[place / 8] << 8 | UInt64(byte) }
    self.words = words
  }

  public var hex: String { text(digits: 64) }
  public var description: String { hex }
  /// The first 16 digits: enough to name a folder, short enough to read.
  public var short: String { text(digits: 16) }

  private func text(digits: Int) -> String {
    String(unsafeUninitializedCapacity: digits) {
      write(digits: digits, to: UnsafeMutableRawBufferPointer($0))
      return digits
    }
  }

  fileprivate func write(digits: Int, to out: UnsafeMutableRawBufferPointer) {
    for place in stride(from: 0, to: digits, by: 8) {
      EightDigits.write(UInt32(truncatingIfNeeded: words[place / 16] >> (place % 16 == 0 ? 32 : 0)), to: out, at: place)
    }
  }

  public static func < (a: Digest, b: Digest) -> Bool {
    for word in 0..<4 where a.words[word] != b.words[word] { return a.words[word] < b.words[word] }
    return false
  }
}

/// Hexadecimal digits, eight at a time: manifests of a million files have some hundred million of them.
private enum EightDigits {
  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let lowHalves: UInt64 = 0x0F0F_0F0F_0F0F_0F0F

  /// Nil if one is none in lower case.
  @inline(__always)
  static func value(_ text: UnsafeRawBufferPointer, at place: Int) -> UInt32? {
    let digits = UInt64(bigEndian: text.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    let letters = digits >> 6 & ones
    var value = (digits & lowHalves) &+ letters &* 9
    guard value & ~lowHalves == 0, written(value) == digits else { return nil }
    value = (value | value >> 4) & 0x00FF_00FF_00FF_00FF
    value = (value | value >> 8) & 0x0000_FFFF_0000_FFFF
    return UInt32(truncatingIfNeeded: value | value >> 16)
  }

  @inline(__always)
  static func write(_ value: UInt32, to out: UnsafeMutableRawBufferPointer, at place: Int) {
    var digits = UInt64(value)
    digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
    digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
    digits = (digits | digits << 4) & lowHalves
    out.storeBytes(of: written(digits).bigEndian, toByteOffset: place, as: UInt64.self)
  }

  /// As ASCII, from a value in each byte: 0 to 9, and 39 further on a to f.
  @inline(__always)
  private static func written(_ values: UInt64) -> UInt64 {
    values &+ ones &* 48 &+ ((values &+ ones &* 6) >> 4 & ones) &* 39
  }
}

extension Digest: Codable {
  /// Reads the digits.
  /// - Throws: `DecodingError` if the string is not 64 hexadecimal digits; what the decoder throws.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let hex = try container.decode(String.self)
    guard let digest = Digest(hex: hex) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "should be 64 hexadecimal digits, not '\(hex)'")
    }
    self = digest
  }

  /// Writes the digits.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }
}

/// Computes a `Digest` incrementally.
public struct Digester {
  private var hash = MessageDigest(.sha256)

  public init() {}

  public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }

  /// Adds a field with its length, so that ("ab", "c") and ("a", "bc") differ.
  public mutating func update(field: String) {
    var field = field
    field.withUTF8 { bytes in
      guard bytes.count > Self.mostTogether else {
        return update(count: bytes.count) { $0.copyMemory(from: UnsafeRawBufferPointer(bytes)) }
      }
      withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hash.update($0) }
      hash.update(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Adds a digest's 64 digits as a field.
  public mutating func update(field: Digest) { update(count: 64) { field.write(digits: 64, to: $0) } }

  /// Fields up to so many bytes are hashed together with their length: a call costs as much as hashing a hundred bytes.
  private static let mostTogether = 1024

  private mutating func update(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: count + 8, alignment: 8) { room in
      room.storeBytes(of: UInt64(count).littleEndian, as: UInt64.self)
      fill(UnsafeMutableRawBufferPointer(rebasing: room[8...]))
      hash.update(UnsafeRawBufferPointer(room))
    }
  }

  public func finish() -> Digest { Digest(bytes: hash.finish()) }

  public static func digest(_ bytes: [UInt8]) -> Digest {
    var digester = Digester()
    bytes.withUnsafeBytes { digester.update($0) }
    return digester.finish()
  }

  /// Digest of a file's bytes.
  /// - Parameters:
  ///   - blockBytes: how much is read at a time.
  ///   - length: bytes of it, if they are known.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if it is not a regular file.
  public static func digest(
    file path: String, blockBytes: Int = 1 << 20, length: Int64 = .max
  ) throws(ShardError) -> Digest {
    let source = try FileSource(path, length: length)
    var digester = Digester()
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(64, blockBytes), alignment: 64)
    defer { block.deallocate() }
    while true {
      let count = try source.read(into: block)
      if count == 0 { return digester.finish() }
      digester.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
    }
  }
}

/// Lower-case hexadecimal digits of a byte sequence.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var out: [UInt8] = []
  for byte in bytes {
    out.append(digits[Int(byte >> 4)])
    out.append(digits[Int(byte & 15)])
  }
  return String(decoding: out, as: UTF8.self)
}
