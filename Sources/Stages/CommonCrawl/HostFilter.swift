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

  /// In lower case and Punycode, without leading dots and stars; nil if nothing remains.
  private static func domain(_ text: String) -> String? {
    let name = WebAddress.domain(String(text.filter { $0 > " " }.drop { $0 == "." || $0 == "*" }))
    return name.isEmpty ? nil : name
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

  /// The host of a URL in lower case and Punycode; empty if there is none.
  static func host(_ url: String) -> String { url.contains("://") ? WebAddress(url).host : "" }
}
