/// What `TextCleaner` changes. Each rule is independent of the others.
public struct CleaningRules: Equatable, Sendable {
  public enum Treatment: Sendable { case keep, remove, mask }

  /// Unicode form KC: ＡＢＣ → ABC, ｶﾞ → ガ, か + U+3099 → が. Dakuten are composed, never dropped; standalone marks are kept
  /// (`NFKC.cleaning`).
  public var nfkc = true
  /// ，→、 and ．→。 if the text uses ， more often than 、, and ． more often than 。; never between digits or Latin letters
  /// (１，０００ and ３．１４ stay). This is Swallow's rule with that exception added.
  public var unifiesPunctuation = true
  /// Runs of spaces (including ideographic ones) become one space, lines are trimmed, and at most one blank line is
  /// kept between two lines and none at the ends; CR, VT, FF, NEL, U+2028 and U+2029 are line ends.
  public var tidiesWhitespace = true
  /// Removes C0 (except TAB, LF, CR), DEL, C1, zero-width characters, bidirectional marks, soft hyphens and
  /// noncharacters. ZWJ and ZWNJ are kept where emoji, Arabic and Indic scripts need them.
  public var removesControls = true
  /// `http://`, `https://`, `ftp://` and `www.` addresses: ASCII, up to a space, a quote or any other script, in the
  /// text as written; addresses that start in full-width characters may continue in them. `mask` writes `<url>`.
  public var urls = Treatment.remove
  /// `mask` writes `<email>`.
  public var emails = Treatment.keep
  /// Japanese numbers of 10 or 11 digits that start with 0, or with 81 followed by 9 or 10 digits, grouped like
  /// telephone numbers (`PhoneNumber`). `mask` writes X for the last four digits; `remove` removes the number.
  public var phones = Treatment.keep
  /// Brackets that contain only spaces and commas: （）「」『』【】〔〕〈〉《》 and (), unless an ASCII word precedes them, so that
  /// `main()` is kept. Also 、 directly after an opening round bracket.
  public var removesEmptyBrackets = true
  /// Lines of navigation, sharing and copyright among the first and last `boilerplateLines` lines.
  public var boilerplate: Boilerplate? = .japaneseWeb
  /// Number of non-blank lines at each end.
  public var boilerplateLines = 6

  public init() {}

  /// Changes nothing.
  public static var none: CleaningRules {
    var rules = CleaningRules()
    rules.nfkc = false
    rules.unifiesPunctuation = false
    rules.tidiesWhitespace = false
    rules.removesControls = false
    rules.urls = .keep
    rules.removesEmptyBrackets = false
    rules.boilerplate = nil
    return rules
  }
}

/// The rules that remove or replace characters, with counts.
public enum CleaningRule: Int, CaseIterable, Sendable {
  case whitespace, controls, urls, emails, phones, brackets, boilerplate, punctuation

  public var name: String { "\(self)" }
}

/// Characters (Unicode scalars) removed or replaced by each rule.
public struct CleaningCounts: Equatable, Sendable {
  private var counts = [Int](repeating: 0, count: CleaningRule.allCases.count)

  public init() {}

  public subscript(rule: CleaningRule) -> Int {
    get { counts[rule.rawValue] }
    set { counts[rule.rawValue] = newValue }
  }

  public static func += (a: inout CleaningCounts, b: CleaningCounts) {
    for i in a.counts.indices { a.counts[i] += b.counts[i] }
  }
}
