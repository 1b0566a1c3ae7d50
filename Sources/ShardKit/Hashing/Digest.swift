/// A SHA-256 content identity, written as 64 hexadecimal digits.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let hex: String

  public init?(hex: String) {
    guard hex.utf8.count == 64, hex.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 >= 97 && $0 <= 102) }) else {
      return nil
    }
    self.hex = hex
  }

  init(trusted hex: String) { self.hex = hex }

  public var description: String { hex }
  /// The first 16 digits: enough to name a folder, short enough to read.
  public var short: String { String(hex.prefix(16)) }
  public static func < (a: Digest, b: Digest) -> Bool { a.hex < b.hex }
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
      withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hash.update($0) }
      hash.update(UnsafeRawBufferPointer(bytes))
    }
  }

  public func finish() -> Digest { Digest(trusted: hexadecimal(hash.finish())) }

  public static func digest(_ bytes: [UInt8]) -> Digest {
    var digester = Digester()
    bytes.withUnsafeBytes { digester.update($0) }
    return digester.finish()
  }

  /// Digest of a file's bytes, read in blocks of 1 MiB.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if it is not a regular file.
  public static func digest(file path: String) throws(ShardError) -> Digest {
    let source = try FileSource(path)
    var digester = Digester()
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
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
