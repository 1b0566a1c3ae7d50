import COpenSSL

/// A message digest computed incrementally by libcrypto. Copies are independent.
struct MessageDigest: Sendable {
  enum Algorithm: String, Sendable {
    case md5, sha1, sha256, sha384, sha512

    fileprivate var method: OpaquePointer {
      switch self {
      case .md5: EVP_md5()
      case .sha1: EVP_sha1()
      case .sha256: EVP_sha256()
      case .sha384: EVP_sha384()
      case .sha512: EVP_sha512()
      }
    }
  }

  /// `@unchecked Sendable`: only the one value that owns it writes to it (`update` copies a shared one first).
  private final class Context: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ algorithm: Algorithm) {
      pointer = EVP_MD_CTX_new()
      // A libcrypto in FIPS mode has no MD5, with which some external data sets are still published.
      precondition(
        EVP_DigestInit_ex(pointer, algorithm.method, nil) == 1, "libcrypto of this machine does not offer \(algorithm)")
    }

    init(copying other: Context) {
      pointer = EVP_MD_CTX_new()
      precondition(EVP_MD_CTX_copy_ex(pointer, other.pointer) == 1, "libcrypto has no memory")
    }

    deinit { EVP_MD_CTX_free(pointer) }
  }

  private var context: Context

  init(_ algorithm: Algorithm) { context = Context(algorithm) }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    if !isKnownUniquelyReferenced(&context) { context = Context(copying: context) }
    EVP_DigestUpdate(context.pointer, bytes.baseAddress, bytes.count)
  }

  /// The digest of the input so far.
  func finish() -> [UInt8] {
    let last = Context(copying: context)
    return [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { out, count in
      var length: UInt32 = 0
      EVP_DigestFinal_ex(last.pointer, out.baseAddress, &length)
      count = Int(length)
    }
  }

  static func digest(_ algorithm: Algorithm, _ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var digest = MessageDigest(algorithm)
    digest.update(bytes)
    return digest.finish()
  }
}
