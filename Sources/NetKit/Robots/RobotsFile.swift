import ShardKit

/// A site's robots.txt by RFC 9309, with the common extensions `Crawl-delay` and `Sitemap`.
public struct RobotsFile: Equatable, Sendable {
  struct Rule: Equatable, Sendable {
    var allows: Bool
    /// Normalized; may contain `*`, and `$` at its end.
    var pattern: [UInt8]
  }

  /// The rules for one agent: those of all groups that name it, otherwise those of the groups for `*`.
  public struct Rules: Equatable, Sendable {
    var rules: [Rule] = []
    public fileprivate(set) var crawlDelaySeconds: Double?

    public static let allowAll = Rules()
    public static let disallowAll = Rules(rules: [Rule(allows: false, pattern: [UInt8(ascii: "/")])])

    /// Whether a path with its query may be requested: the longest matching pattern decides, and `Allow` if two have
    /// the same length. /robots.txt itself is always allowed.
    public func allows(_ target: String) -> Bool {
      let path = PercentEncoding.normalized(target.utf8)
      if path == Array("/robots.txt".utf8) { return true }
      var best: Rule?
      for rule in rules where RobotsFile.matches(rule.pattern, path) {
        let longest = best?.pattern.count ?? -1
        if rule.pattern.count > longest || rule.pattern.count == longest && rule.allows { best = rule }
      }
      return best?.allows ?? true
    }
  }

  private struct Group: Equatable, Sendable {
    var agents: [String] = []
    var rules = Rules()
  }

  private var groups: [Group] = []
  public private(set) var sitemaps: [String] = []

  /// Maximum bytes to parse; the remaining ones are ignored (RFC 9309, 2.5, requires at least 500 KiB).
  public static let maximumBytes = 500 << 10

  public init(_ bytes: [UInt8]) {
    var text = bytes[...]
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
    if text.count > Self.maximumBytes {
      // Up to the last complete line.
      text = text.prefix(Self.maximumBytes)
      text = text.prefix(upTo: (text.lastIndex { $0 == 10 || $0 == 13 }) ?? text.startIndex)
    }
    var isInsideAgents = false
    for line in text.split(whereSeparator: { $0 == 10 || $0 == 13 }) { take(line, &isInsideAgents) }
  }

  private mutating func take(_ line: ArraySlice<UInt8>, _ isInsideAgents: inout Bool) {
    let line = line.prefix { $0 != UInt8(ascii: "#") }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
    let key = String(decoding: Self.trimmed(line[..<colon]), as: UTF8.self).lowercased()
    let value = Self.trimmed(line[(colon + 1)...])
    switch key {
    case "user-agent":
      if !isInsideAgents { groups.append(Group()) }
      isInsideAgents = true
      groups[groups.count - 1].agents.append(Self.token(value))
    case "allow", "disallow":
      isInsideAgents = false
      guard !groups.isEmpty, !value.isEmpty else { return }
      groups[groups.count - 1].rules.rules.append(Rule(allows: key == "allow", pattern: Self.pattern(value)))
    case "crawl-delay":
      isInsideAgents = false
      guard !groups.isEmpty, let seconds = Double(String(decoding: value, as: UTF8.self)), seconds >= 0 else { return }
      let known = groups[groups.count - 1].rules.crawlDelaySeconds ?? 0
      groups[groups.count - 1].rules.crawlDelaySeconds = max(known, min(seconds, 86_400))
    case "sitemap": sitemaps.append(String(decoding: value, as: UTF8.self))
    default: break
    }
  }

  /// The rules for an agent by its product token (`pipeline`), which is case-insensitive.
  public func rules(for agent: String) -> Rules {
    let agent = agent.lowercased()
    var chosen = groups.filter { $0.agents.contains(agent) }
    if chosen.isEmpty { chosen = groups.filter { $0.agents.contains("*") } }
    return chosen.reduce(into: Rules()) { sum, group in
      sum.rules += group.rules.rules
      if let delay = group.rules.crawlDelaySeconds { sum.crawlDelaySeconds = max(sum.crawlDelaySeconds ?? 0, delay) }
    }
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text.drop { $0 == 32 || $0 == 9 }
    while let last = text.last, last == 32 || last == 9 { text.removeLast() }
    return text
  }

  /// `Pipeline/1.0 (…)` → `pipeline`; `*` is kept.
  private static func token(_ value: ArraySlice<UInt8>) -> String {
    if value.first == UInt8(ascii: "*") { return "*" }
    let token = value.prefix { byte in
      byte | 32 >= UInt8(ascii: "a") && byte | 32 <= UInt8(ascii: "z") || byte == 0x2D || byte == 0x5F
    }
    return String(decoding: token, as: UTF8.self).lowercased()
  }

  // MARK: Matching

  /// A pattern that does not begin with `/` or `*` is treated as if it began with `/`.
  private static func pattern(_ value: ArraySlice<UInt8>) -> [UInt8] {
    let isRooted = value.first == UInt8(ascii: "/") || value.first == UInt8(ascii: "*")
    return PercentEncoding.normalized((isRooted ? [] : [UInt8(ascii: "/")]) + value)
  }

  /// Whether a pattern matches the beginning of a path, or with `$` the complete path, in at most pattern × path steps.
  static func matches(_ pattern: [UInt8], _ path: [UInt8]) -> Bool {
    let isAnchored = pattern.last == UInt8(ascii: "$")
    let pattern = isAnchored ? pattern.dropLast() : pattern[...] + [UInt8(ascii: "*")]
    var (p, s) = (0, 0)
    var star: (pattern: Int, path: Int)?
    while s < path.count {
      if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
        star = (p, s)
        p += 1
        if p == pattern.count { return true }
      } else if p < pattern.count, pattern[p] == path[s] {
        p += 1
        s += 1
      } else if let last = star {
        star = (last.pattern, last.path + 1)
        (p, s) = (last.pattern + 1, last.path + 1)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
