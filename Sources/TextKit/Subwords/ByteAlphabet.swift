/// The characters that stand for bytes in the tokens of a byte-level vocabulary (GPT-2): printable Latin-1 for itself,
/// the other bytes from U+0100 on.
enum ByteAlphabet {
  static let scalars: [UInt32] = {
    var scalars: [UInt32] = []
    var next: UInt32 = 0x100
    for byte in UInt32(0)...255 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: scalars.append(byte)
      default:
        scalars.append(next)
        next += 1
      }
    }
    return scalars
  }()

  /// All bytes, by their characters.
  static let order = (UInt32(0)...255).sorted { scalars[Int($0)] < scalars[Int($1)] }

  private static let bytes = Dictionary(
    uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8($0)) })

  /// The bytes that a token stands for; nil if it has another character.
  static func bytes(of token: [UInt8]) -> [UInt8]? {
    var out: [UInt8] = []
    var isWhole = true
    token.withUnsafeBufferPointer { token in
      UTF8Scanning.forEachScalar(token) { scalar, _, _ in
        if let byte = bytes[scalar] { out.append(byte) } else { isWhole = false }
      }
    }
    return isWhole ? out : nil
  }

  /// The token for bytes.
  static func token(for bytes: some Sequence<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    for byte in bytes { UTF8Scanning.append(scalars[Int(byte)], to: &out) }
    return out
  }
}
