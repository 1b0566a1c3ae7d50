/// An article's own statements about its license, in words and attributes.
public struct LicenseStatements: Equatable {
  /// `license/@xlink:href` and links inside the license.
  var urls: [String] = []
  /// `<ali:license_ref>` (NISO RP-22): its text.
  var references: [String] = []
  /// `license/@license-type`, and the content types of references.
  var types: [String] = []
  /// Sentences inside `<license>` and `<copyright-statement>`.
  var wording: [String] = []
  /// Statements were truncated, so the kept ones may be freer than all of them.
  var isCut = false

  static let maximumEach = 64
}

/// The license of an article, from all statements about it.
public struct LicenseDecision: Equatable {
  public var license: ArticleLicense?
  /// Which of `href`, `license_ref`, `license-type`, `wording` and `list` stated it, joined by `+`.
  public var source = ""
  /// Set if two sources state different licenses: "href says CC BY 4.0, wording says CC BY-NC".
  public var disagreement: String?
  /// For an unknown license: what was written instead.
  public var unknown = ""

  /// - Parameter listed: the license in the list of files; nil if it has none.
  public init(_ statements: LicenseStatements, listed: ArticleLicense?) {
    guard !statements.isCut else {
      unknown = "the license statements are too long: \(Self.written(statements))"
      return
    }
    let isDataWaiver = statements.wording.contains(where: LicenseWording.concernsData)
    let urls = statements.urls.compactMap { ArticleLicense(url: $0) }.filter { !isDataWaiver || !$0.conditions.isEmpty }
    let said: [(source: String, license: ArticleLicense)] = [
      ("href", Self.strictest(urls)),
      (
        "license_ref",
        Self.strictest(
          statements.references.compactMap { ArticleLicense(url: $0) }.filter {
            !isDataWaiver || !$0.conditions.isEmpty
          })
      ),
      ("license-type", Self.strictest(statements.types.compactMap { ArticleLicense(code: $0) })),
      ("wording", Self.strictest(statements.wording.compactMap { LicenseWording.license($0) })),
      ("list", listed),
    ].compactMap { source, license in license.map { (source, $0) } }
    guard let first = said.first else {
      unknown = Self.written(statements)
      return
    }
    let decided = said.dropFirst().reduce(first.license) { $0.stricter(than: $1.license) }
    license = decided
    source =
      said.first { $0.license.conditions == decided.conditions }?.source ?? said.map(\.source).joined(separator: "+")
    if said.contains(where: { $0.license.name != first.license.name }) {
      disagreement = said.map { "\($0.source) says \($0.license.text)" }.joined(separator: ", ")
    }
  }

  private static func strictest(_ licenses: [ArticleLicense]) -> ArticleLicense? {
    licenses.dropFirst().reduce(licenses.first) { $0?.stricter(than: $1) }
  }

  private static func written(_ statements: LicenseStatements) -> String {
    let all = statements.urls + statements.references + statements.wording + statements.types
    guard let first = all.first(where: { !$0.isEmpty }) else { return "no license is stated" }
    let words = first.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return words.unicodeScalars.count > 200
      ? String(String.UnicodeScalarView(words.unicodeScalars.prefix(200))) + "…" : words
  }
}
