import CKernels

/// The hash algorithms of MDS files that this project computes. Others in an external index are ignored.
public enum MDSHash: String, Sendable, CaseIterable {
  case md5, sha1, sha256, sha384, sha512, xxh32, xxh64, xxh128
  case xxh3x64 = "xxh3_64"
  case xxh3x128 = "xxh3_128"

  /// Lower-case hexadecimal digits, like Python's `hexdigest`.
  public func hex(_ bytes: UnsafeRawBufferPointer) -> String {
    switch self {
    case .md5: hexadecimal(MessageDigest.digest(.md5, bytes))
    case .sha1: hexadecimal(MessageDigest.digest(.sha1, bytes))
    case .sha256: hexadecimal(MessageDigest.digest(.sha256, bytes))
    case .sha384: hexadecimal(MessageDigest.digest(.sha384, bytes))
    case .sha512: hexadecimal(MessageDigest.digest(.sha512, bytes))
    case .xxh32: Self.bigEndian(pl_xxh32(bytes.baseAddress, bytes.count, 0))
    case .xxh64: Self.bigEndian(pl_xxh64(bytes.baseAddress, bytes.count, 0))
    case .xxh3x64: Self.bigEndian(pl_xxh3(bytes.baseAddress, bytes.count))
    case .xxh128, .xxh3x128: Self.xxh3x128Digits(bytes)
    }
  }

  private static func bigEndian<T: FixedWidthInteger>(_ value: T) -> String {
    withUnsafeBytes(of: value.bigEndian) { hexadecimal($0) }
  }

  private static func xxh3x128Digits(_ bytes: UnsafeRawBufferPointer) -> String {
    let hash = recordHash128(bytes)
    return bigEndian(hash.high) + bigEndian(hash.low)
  }
}
