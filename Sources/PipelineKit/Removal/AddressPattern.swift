import ShardKit

/// Which web addresses to take down: `example.com` with all domains below it, `example.com/blog` with all below that
/// path on these domains, or `https://example.com/blog` with all below that very address.
struct AddressPattern: Sendable {
  /// The parts of an address, as bytes.
  private struct Address: Sendable {
    var scheme: [UInt8]
    /// In lower case, without user and port.
    var host: [UInt8]
    var port: [UInt8]
    /// Path, query and fragment; `/` at least.
    var rest: [UInt8]

    init?(_ text: String) {
      let bytes = Array(text.utf8)
      guard let mark = bytes.firstRange(of: Array("://".utf8)) else { return nil }
      scheme = bytes[..<mark.lowerBound].map(Self.lowered)
      let after = bytes[mark.upperBound...]
      let end = after.firstIndex { "/?#".utf8.contains($0) } ?? bytes.endIndex
      var authority = after[..<end]
      if let user = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(user + 1)...] }
      // The colons of an address in brackets are none of a port.
      let colon = authority.lastIndex(of: UInt8(ascii: ":")).flatMap { place in
        authority[place...].contains(UInt8(ascii: "]")) ? nil : place
      }
      host = authority[..<(colon ?? authority.endIndex)].map(Self.lowered)
      if host.last == UInt8(ascii: ".") { host.removeLast() }
      port = colon.map { Array(authority[($0 + 1)...]) } ?? []
      if [Array("http80".utf8), Array("https443".utf8)].contains(scheme + port) { port = [] }
      rest = Array(PercentEncoding.normalized(bytes[end...]))
      if rest.first != UInt8(ascii: "/") { rest.insert(UInt8(ascii: "/"), at: 0) }
      if host.isEmpty { return nil }
    }

    private static func lowered(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte + 32 : byte }
  }

  private let pattern: Address
  private let hasScheme: Bool
  private let normalize: @Sendable (String) -> String?

  /// - Parameter normalize: the normal form of an address; nil if it is none.
  init?(_ text: String, _ normalize: @escaping @Sendable (String) -> String? = { _ in nil }) {
    hasScheme = text.contains("://")
    let full = hasScheme ? text : "https://\(text)"
    guard let pattern = Address(normalize(full) ?? full) else { return nil }
    self.pattern = pattern
    self.normalize = normalize
  }

  func matches(_ text: String) -> Bool {
    guard text.utf8.contains(UInt8(ascii: ":")), let address = Address(normalize(text) ?? text) else { return false }
    if hasScheme {
      guard address.scheme == pattern.scheme, address.host == pattern.host, address.port == pattern.port else {
        return false
      }
    } else {
      let isBelow = address.host.suffix(pattern.host.count + 1) == [UInt8(ascii: ".")] + pattern.host
      guard address.host == pattern.host || isBelow else { return false }
      guard pattern.port.isEmpty || address.port == pattern.port else { return false }
    }
    return begins(address.rest)
  }

  /// Whether a path is the pattern's, or below it: it goes on only behind the end of a part.
  private func begins(_ rest: [UInt8]) -> Bool {
    let wanted = pattern.rest
    guard rest.starts(with: wanted) else { return false }
    let ends = Array((wanted.contains(UInt8(ascii: "?")) ? "/?#&" : "/?#").utf8)
    return rest.count == wanted.count || ends.contains(wanted[wanted.count - 1]) || ends.contains(rest[wanted.count])
  }
}
