import NetKit

/// Which URLs are selected: patterns for the complete URL, in which `*` matches any characters. A pattern without `*`
/// is a prefix. Both are compared in normalized form.
struct AddressPatterns: Sendable {
  private let included: [[UInt8]]
  private let excluded: [[UInt8]]

  init(include: [String], exclude: [String]) {
    included = include.map { Array(WebURL.normalized($0).utf8) }
    excluded = exclude.map { Array(WebURL.normalized($0).utf8) }
  }

  func takes(_ url: String) -> Bool {
    let url = Array(url.utf8)
    if excluded.contains(where: { Self.matches($0, url) }) { return false }
    return included.isEmpty || included.contains { Self.matches($0, url) }
  }

  /// Time at most the product of the lengths: backtracks only to the last star.
  static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    let star = UInt8(ascii: "*")
    guard pattern.contains(star) else { return text.starts(with: pattern) }
    var (p, t) = (0, 0)
    var back: (pattern: Int, text: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == star {
        back = (p, t)
        p += 1
      } else if p < pattern.count, pattern[p] == text[t] {
        p += 1
        t += 1
      } else if let last = back {
        back = (last.pattern, last.text + 1)
        p = last.pattern + 1
        t = last.text + 1
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == star }
  }
}
