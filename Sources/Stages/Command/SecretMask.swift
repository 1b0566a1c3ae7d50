import Glibc

/// Replaces secrets in what a program prints.
struct SecretMask {
  private let secrets: [[UInt8]]
  /// The beginning of a secret, perhaps, at the end of what came last.
  private var held: [UInt8] = []

  private static let stars = Array("***".utf8)
  /// Shorter values, such as "1", stand in every text.
  private static let shortest = 4

  /// - Parameter variables: the names of the environment variables with the secrets.
  init(_ variables: [String]) {
    secrets = variables.compactMap { name in getenv(name).map { Array(String(cString: $0).utf8) } }
      .filter { $0.count >= Self.shortest }.sorted { $0.count > $1.count }
  }

  /// The bytes so far without secrets; what may be the beginning of one waits for the rest.
  mutating func pass(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    held += bytes
    guard !secrets.isEmpty else { return flush() }
    var (out, start) = ([UInt8](), 0)
    while start < held.count {
      let rest = held[start...]
      if let secret = secrets.first(where: { rest.starts(with: $0) }) {
        out += Self.stars
        start += secret.count
      } else if secrets.contains(where: { $0.count > rest.count && $0.starts(with: rest) }) {
        break
      } else {
        out.append(held[start])
        start += 1
      }
    }
    held.removeFirst(start)
    return out
  }

  /// What was held back.
  mutating func flush() -> [UInt8] {
    defer { held = [] }
    return held
  }

  func masking(_ text: String) -> String { String(decoding: masking(text.utf8), as: UTF8.self) }

  /// A whole text without secrets.
  func masking(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var mask = self
    return mask.pass(bytes) + mask.flush()
  }
}
