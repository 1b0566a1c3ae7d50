import PipelineKit
import ShardKit

/// Which sites' pages are kept: domains including their subdomains, from `jp` to `www.example.co.jp`.
struct HostFilter: Sendable {
  private let allowed: Set<String>
  private let denied: Set<String>

  init(allowed: [String], denied: [String]) {
    self.allowed = Set(allowed.compactMap(Self.domain))
    self.denied = Set(denied.compactMap(Self.domain))
  }

  /// In lower case, without leading dots and stars; nil if nothing remains.
  private static func domain(_ text: String) -> String? {
    let name = text.filter { $0 > " " }.lowercased().drop { $0 == "." || $0 == "*" }
    return name.isEmpty ? nil : String(name)
  }

  func takes(_ host: String) -> Bool {
    if allowed.isEmpty && denied.isEmpty { return true }
    var isAllowed = allowed.isEmpty
    var rest = host[...]
    while !rest.isEmpty {
      let name = String(rest)
      if denied.contains(name) { return false }
      isAllowed = isAllowed || allowed.contains(name)
      guard let dot = rest.firstIndex(of: ".") else { break }
      rest = rest[rest.index(after: dot)...]
    }
    return isAllowed
  }

  /// The host of a URL in lower case; empty if there is none.
  static func host(_ url: String) -> String {
    let bytes = Array(url.utf8)
    guard let colon = bytes.firstRange(of: Array("://".utf8)) else { return "" }
    let authority = bytes[colon.upperBound...].prefix { ![0x2F, 0x3F, 0x23].contains($0) }
    let host = authority[((authority.lastIndex(of: 0x40).map { $0 + 1 }) ?? authority.startIndex)...]
    let name = host.prefix { $0 != 0x3A }
    return String(decoding: name.last == 0x2E ? name.dropLast() : name, as: UTF8.self).lowercased()
  }
}
