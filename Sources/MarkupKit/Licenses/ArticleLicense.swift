/// The licenses that `jats.extract` distinguishes, without versions.
public enum LicenseName: String, CaseIterable, Sendable {
  case zero = "CC0"
  case publicDomain = "public domain"
  case by = "CC BY"
  case bySA = "CC BY-SA"
  case byND = "CC BY-ND"
  case byNC = "CC BY-NC"
  case byNCSA = "CC BY-NC-SA"
  case byNCND = "CC BY-NC-ND"
}

/// The conditions of a license, and its version if known.
public struct ArticleLicense: Equatable, Sendable {
  /// Conditions in the order in which they are written.
  public struct Conditions: OptionSet, Hashable, Sendable {
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public let rawValue: UInt8
    static let by = Conditions(rawValue: 1)
    static let nc = Conditions(rawValue: 2)
    static let nd = Conditions(rawValue: 4)
    static let sa = Conditions(rawValue: 8)
  }

  public var conditions: Conditions
  /// The text was never protected, as opposed to a waiver.
  public var isPublicDomain = false
  /// `4.0`; empty if unknown.
  var version = ""

  static let zero = ArticleLicense(conditions: [])
  static let publicDomain = ArticleLicense(conditions: [], isPublicDomain: true)

  public var name: LicenseName {
    if conditions.isEmpty { return isPublicDomain ? .publicDomain : .zero }
    if conditions.contains(.nc) {
      // Share-alike concerns the distribution of adaptations; if none may be distributed, it has no effect.
      if conditions.contains(.nd) { return .byNCND }
      return conditions.contains(.sa) ? .byNCSA : .byNC
    }
    if conditions.contains(.nd) { return .byND }
    return conditions.contains(.sa) ? .bySA : .by
  }

  /// `CC BY 4.0`, `CC BY-NC`, `CC0`, `public domain`.
  public var text: String { version.isEmpty || isPublicDomain ? name.rawValue : "\(name.rawValue) \(version)" }

  /// What applies if two sources differ: the conditions of both.
  public func stricter(than other: ArticleLicense) -> ArticleLicense {
    let both = conditions.union(other.conditions)
    if both == conditions && (both != other.conditions || version >= other.version) { return self }
    if both == other.conditions { return other }
    return ArticleLicense(conditions: both)
  }

  /// From a Creative Commons URL, such as `http://creativecommons.org/licenses/by-nc/3.0/deed.en`; nil for others.
  ///
  /// Forms: https://creativecommons.org/licenses/list.en
  init?(url: String) {
    let whole = url.lowercased()
    // Schemes are mistyped in many ways, so only the host counts.
    guard let host = whole.firstRange(of: "creativecommons.org/") else { return nil }
    let before = whole[..<host.lowerBound]
    guard before.isEmpty || before.hasSuffix("www.") || before.hasSuffix("/") || before.last!.isWhitespace,
      before.allSatisfy({ "htps:/w.".contains($0) || $0.isWhitespace })
    else { return nil }
    let url = whole[host.lowerBound...]
    let parts = url.split(whereSeparator: { "/?#".contains($0) || $0.isWhitespace }).dropFirst().map { $0 }
    guard parts.count >= 2 else { return nil }
    switch (parts[0], parts[1]) {
    case ("publicdomain", "zero"): self = .zero
    case ("publicdomain", "mark"), ("licenses", "publicdomain"): self = .publicDomain
    case ("licenses", let code), ("licences", let code):
      guard let conditions = Conditions(code: code) ?? ArticleLicense(code: "cc" + code)?.conditions else { return nil }
      self.init(conditions: conditions)
    default: return nil
    }
    if parts.count > 2, Self.isVersion(parts[2]) { version = String(parts[2]) }
  }

  /// From a code, as in the list of files and some attributes: `CC BY-NC-SA`, `cc-by-4.0`, `ccbyncndlicense`, `CC0`.
  public init?(code: String) {
    let version = code.split(whereSeparator: { !$0.isNumber && $0 != "." }).first { Self.isVersion($0) }
    var rest = code.lowercased().filter { $0.isLetter || $0 == "0" }[...]
    if code.lowercased().filter(\.isLetter) == "publicdomain" {
      self = .publicDomain
      return
    }
    if let conditions = Conditions(words: code) {
      self.init(conditions: conditions, version: version.map(String.init) ?? "")
      return
    }
    guard rest.hasPrefix("cc") else { return nil }
    rest = rest.dropFirst(2)
    if rest.hasPrefix("0") || rest.hasPrefix("zero") {
      self = .zero
      return
    }
    var conditions: Conditions = []
    while let found = Self.codes.first(where: { rest.hasPrefix($0.0) }) {
      conditions.insert(found.1)
      rest = rest.dropFirst(2)
    }
    let suffixes = ["", "0", "license", "licence", "0license", "0licence"]
    guard conditions.contains(.by), suffixes.contains(String(rest)) else { return nil }
    self.init(conditions: conditions)
    self.version = version.map(String.init) ?? ""
  }

  public init(conditions: Conditions, isPublicDomain: Bool = false, version: String = "") {
    self.conditions = conditions
    self.isPublicDomain = isPublicDomain
    self.version = version
  }

  fileprivate static let codes: [(String, Conditions)] = [("by", .by), ("nc", .nc), ("nd", .nd), ("sa", .sa)]

  static func isVersion(_ text: some StringProtocol) -> Bool {
    let digits = Array(text.utf8.prefix(4))
    return digits.count == 3 && (49...57).contains(digits[0]) && digits[1] == 46 && (48...57).contains(digits[2])
  }
}

extension ArticleLicense.Conditions {
  /// `CC BY-NC 4.0 International`, `by-nc`: the code, then words without effect. "by permission" is not a license.
  fileprivate init?(words: String) {
    var parts = words.lowercased().split { !$0.isLetter }.drop { $0 == "cc" }
    self = []
    while let part = parts.first, let found = ArticleLicense.codes.first(where: { $0.0 == part }) {
      insert(found.1)
      parts = parts.dropFirst()
    }
    guard contains(.by), parts.allSatisfy({ $0.utf8.count == 2 || Self.idleWords.contains($0) }) else { return nil }
  }

  /// Words that may follow the code, in addition to a two-letter country code.
  private static let idleWords: Set<Substring> = [
    "international", "unported", "generic", "license", "licence", "igo", "deed", "legalcode", "v", "version",
  ]

  /// `by-nc-sa`; the first versions also had licenses without `by`, which are read as if they had it.
  init?(code: some StringProtocol) {
    self = [.by]
    for part in code.split(separator: "-") {
      guard let found = ArticleLicense.codes.first(where: { $0.0 == part }) else { return nil }
      insert(found.1)
    }
  }
}
