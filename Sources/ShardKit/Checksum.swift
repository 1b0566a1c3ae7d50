import Crypto

/// A digest as others publish it beside their files. Our own identities are `Digest`s.
public struct Checksum: Hashable, Sendable, CustomStringConvertible {
  public enum Algorithm: String, Sendable, CaseIterable {
    case md5, sha1, sha256

    var digits: Int {
      switch self {
      case .md5: 32
      case .sha1: 40
      case .sha256: 64
      }
    }
  }

  public let algorithm: Algorithm
  /// Lower-case hexadecimal.
  public let hex: String

  /// nil where the digits are not as many as the algorithm's.
  public init?(_ algorithm: Algorithm, hex: String) {
    let hex = hex.lowercased()
    guard hex.utf8.count == algorithm.digits, hex.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 || $0 >= 97 && $0 <= 102 })
    else { return nil }
    self.algorithm = algorithm
    self.hex = hex
  }

  /// `sha256:…`, or the digits alone, whose number tells the algorithm.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1)
    if parts.count == 2 {
      guard let algorithm = Algorithm(rawValue: parts[0].lowercased()) else { return nil }
      self.init(algorithm, hex: String(parts[1]))
    } else {
      guard let algorithm = Algorithm.allCases.first(where: { $0.digits == text.utf8.count }) else { return nil }
      self.init(algorithm, hex: text)
    }
  }

  public var description: String { "\(algorithm.rawValue):\(hex)" }
}

/// Computes a `Checksum` step by step.
public struct Checksummer: Sendable {
  public let algorithm: Checksum.Algorithm
  private var md5 = Insecure.MD5()
  private var sha1 = Insecure.SHA1()
  private var sha256 = SHA256()

  public init(_ algorithm: Checksum.Algorithm) { self.algorithm = algorithm }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch algorithm {
    case .md5: md5.update(bufferPointer: bytes)
    case .sha1: sha1.update(bufferPointer: bytes)
    case .sha256: sha256.update(bufferPointer: bytes)
    }
  }

  public func finish() -> Checksum {
    let hex =
      switch algorithm {
      case .md5: hexadecimal(md5.finalize())
      case .sha1: hexadecimal(sha1.finalize())
      case .sha256: hexadecimal(sha256.finalize())
      }
    return Checksum(algorithm, hex: hex)!
  }

  public static func checksum(_ bytes: [UInt8], _ algorithm: Checksum.Algorithm) -> Checksum {
    var sum = Checksummer(algorithm)
    bytes.withUnsafeBytes { sum.update($0) }
    return sum.finish()
  }
}
