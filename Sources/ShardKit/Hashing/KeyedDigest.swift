import COpenSSL

/// HMAC-SHA-256 (RFC 2104).
public enum KeyedDigest {
  public static func sha256(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { out, count in
      var length: UInt32 = 0
      // An empty key needs a non-null pointer too: nil would reuse the key of the previous call.
      (key + [0]).withUnsafeBytes {
        _ = HMAC(EVP_sha256(), $0.baseAddress, Int32(key.count), message, message.count, out.baseAddress, &length)
      }
      count = Int(length)
    }
  }
}

extension Checksum {
  /// The digest in Base64 (RFC 4648), as used in header fields.
  public var base64: String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let digits = Array(hex.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
    let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    var out: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 { out.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : 61) }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
