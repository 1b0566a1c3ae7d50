/// A digest as published by others next to their files. This project's own identities are `Digest`s.
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

  /// nil if the number of digits does not match the algorithm.
  public init?(_ algorithm: Algorithm, hex: String) {
    let hex = hex.lowercased()
    guard hex.utf8.count == algorithm.digits, hex.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 || $0 >= 97 && $0 <= 102 })
    else { return nil }
    self.algorithm = algorithm
    self.hex = hex
  }

  /// `sha256:…`, or only the digits, whose number determines the algorithm.
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

/// Computes a `Checksum` incrementally.
public struct Checksummer: Sendable {
  public let algorithm: Checksum.Algorithm
  private var digest: MessageDigest

  public init(_ algorithm: Checksum.Algorithm) {
    self.algorithm = algorithm
    digest =
      switch algorithm {
      case .md5: MessageDigest(.md5)
      case .sha1: MessageDigest(.sha1)
      case .sha256: MessageDigest(.sha256)
      }
  }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) { digest.update(bytes) }

  public func finish() -> Checksum { Checksum(algorithm, hex: hexadecimal(digest.finish()))! }

  public static func checksum(_ bytes: [UInt8], _ algorithm: Checksum.Algorithm) -> Checksum {
    var sum = Checksummer(algorithm)
    bytes.withUnsafeBytes { sum.update($0) }
    return sum.finish()
  }
}
