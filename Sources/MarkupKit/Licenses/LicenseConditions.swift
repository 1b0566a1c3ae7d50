/// Conditions stated in sentences, whatever license they name. Text that is not understood counts as a condition.
enum LicenseConditions {
  /// - Parameter words: normalized by `LicenseWording`.
  static func all(in words: String) -> ArticleLicense.Conditions {
    var found: ArticleLicense.Conditions = []
    if isNonCommercial(words) { found.insert(.nc) }
    if unchanged.contains(where: { words.contains($0) }) { found.insert(.nd) }
    if alike.contains(where: { words.contains($0) }) { found.insert(.sa) }
    return found
  }

  /// Whether the text reserves rights, or frees only a part of the article.
  static func isReserved(_ words: String) -> Bool {
    // The end of the public domain declaration itself.
    let words = words.replacing("or otherwise used by anyone", with: "")
    return reservations.contains { words.contains($0) }
  }

  private static let reservations = [
    "all rights reserved", "permission is required", "not in the public domain", "no part of", "none of", "otherwise",
    "except", "unless", "figure", "image", "photograph", "portions", "some of", "parts of", "part of this",
    "part of the",
  ]

  private static let unchanged = [
    "no-deriv", "改変禁止", "no modification", "without modification", "without alteration", "no alteration",
    "no adaptation", "not be altered", "not altered", "not be changed", "not be modified", "not modified",
    "not be adapted", "not be transformed", "unmodified", "unaltered", "unchanged", "to share adapted material",
    "not permitted to adapt", "no changes are made", "verbatim",
  ]

  private static let alike = [
    "share-alike", "継承", "same license", "identical license", "license identical", "identical terms",
  ]

  /// Whether only noncommercial uses are permitted. A mention of commercial use permits it only in the phrases below:
  /// not in "commercial use is prohibited" or "for commercial re-use, please contact".
  private static func isNonCommercial(_ words: String) -> Bool {
    if words.contains("非営利") { return true }
    var rest = words
    for phrase in permitted { rest = rest.replacing(phrase, with: "") }
    return rest.contains("commercial")
  }

  private static let permitted = [
    "commercial and non-commercial", "commercial or non-commercial", "commercial as well as non-commercial",
    "commercial, and non-commercial", "commercially and non-commercially", "commercially or non-commercially",
    "non-commercial and commercial", "non-commercial or commercial", "non-commercial as well as commercial",
    "even commercially", "even commercial", "including commercially", "including commercial", "includes commercial",
    "for commercial use, provided", "for commercial purposes, provided", "commercial use is permitted",
    "commercial use is allowed", "commercial re-use is permitted", "commercial reuse is permitted",
    "commercial re-use is allowed", "commercial reuse is allowed", "commercial use permitted",
    "commercial use allowed", "commercial use of the article is permitted",
  ]
}
