import TextKit

/// Recognizes licenses in sentences, as publishers write them inside `<license>` or after the copyright sign.
///
/// A Creative Commons license is accepted only if it is named, but a condition is accepted anywhere, so that a sentence
/// that is not understood makes a license stricter, never freer.
enum LicenseWording {
  static func license(_ text: String) -> ArticleLicense? {
    let words = normalized(text)
    let found = [named(words) ?? freeOfRights(words), linked(text)].compactMap { $0 }
    var license = found.dropFirst().reduce(found.first) { $0?.stricter(than: $1) }
    // A URL names the license; conditions in the sentence still apply.
    if let named = license, !named.conditions.isEmpty {
      license = named.stricter(
        than: ArticleLicense(conditions: named.conditions.union(LicenseConditions.all(in: words))))
    } else if license != nil, LicenseConditions.isReserved(words) {
      license = nil
    }
    return license.flatMap { $0.conditions.isEmpty && concernsData(text) ? nil : $0 }
  }

  /// Whether a waiver only concerns the data of an article, as some publishers add to any license of the text.
  static func concernsData(_ text: String) -> Bool {
    let words = normalized(text)
    return [
      "to the data", "to data", "to any data", "any data", "data waiver", "data associated", "data are", "data is",
      "data set", "dataset", "data made available",
    ].contains { words.contains($0) }
  }

  /// URLs written in the text, whatever surrounds them.
  private static func linked(_ text: String) -> ArticleLicense? {
    var found: [ArticleLicense] = []
    var rest = text.lowercased()[...]
    while let hit = rest.firstRange(of: "creativecommons.org/") {
      let isQuery = hit.lowerBound > rest.startIndex && "=?&".contains(rest[rest.index(before: hit.lowerBound)])
      guard !isQuery else {
        rest = rest[hit.upperBound...]
        continue
      }
      let url = rest[hit.lowerBound...].prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "./-_".contains($0)) }
      if let license = ArticleLicense(url: String(url.hasSuffix(".") ? url.dropLast() : url)) { found.append(license) }
      rest = rest[hit.upperBound...]
    }
    return found.dropFirst().reduce(found.first) { $0?.stricter(than: $1) }
  }

  /// Lower case, single hyphens and spaces, British spelling folded: the form of the patterns below.
  private static func normalized(_ text: String) -> String {
    var out: [UInt8] = []
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2212}", "-": out.append(45)
      // A soft hyphen is not part of the word.
      case "\u{AD}": break
      case _ where ScalarProperties(of: scalar.value).contains(.whitespace): if out.last != 32 { out.append(32) }
      default: out.append(contentsOf: String(scalar).lowercased().utf8)
      }
    }
    var words = String(decoding: out, as: UTF8.self)
    for (old, new) in [
      ("- ", "-"), ("licence", "license"), ("noncommercial", "non-commercial"), ("non commercial", "non-commercial"),
      ("no deriv", "no-deriv"), ("noderiv", "no-deriv"), ("non-derivative", "no-derivative"),
      ("sharealike", "share-alike"), ("share alike", "share-alike"), ("creative commons by", "cc by"),
    ] { words = words.replacing(old, with: new) }
    return words
  }

  // MARK: Creative Commons

  private static func named(_ words: String) -> ArticleLicense? {
    guard let (conditions, end) = longName(words) ?? code(words) else { return nil }
    var license = ArticleLicense(conditions: conditions)
    if let code = code(words)?.0 { license.conditions.formUnion(code) }
    guard !conditions.isEmpty else { return LicenseConditions.isReserved(words) ? nil : license }
    license.conditions.formUnion(LicenseConditions.all(in: words))
    license.version =
      words[end...].prefix(60).split(whereSeparator: { !$0.isNumber && $0 != "." })
      .map { $0.hasSuffix(".") ? $0.dropLast() : $0 }.first(where: ArticleLicense.isVersion).map(String.init) ?? ""
    return license
  }

  /// "Creative Commons Attribution …"; its conditions are searched in the entire text.
  private static func longName(_ words: String) -> (ArticleLicense.Conditions, String.Index)? {
    for name in ["creative commons attribution", "creative commons non-commercial", "creative commons no-deriv"] {
      if let found = words.firstRange(of: name) { return ([.by], found.upperBound) }
    }
    return nil
  }

  /// "CC BY-NC", "CC-BY 4.0", "CC0".
  private static func code(_ words: String) -> (ArticleLicense.Conditions, String.Index)? {
    var zero: String.Index?
    var all: (ArticleLicense.Conditions, String.Index)?
    var start = words.startIndex
    while let hit = words[start...].firstRange(of: "cc") {
      start = hit.upperBound
      guard hit.lowerBound == words.startIndex || !words[words.index(before: hit.lowerBound)].isLetter else { continue }
      var rest = words[hit.upperBound...].drop { $0 == " " || $0 == "-" }
      if rest.hasPrefix("0") || rest.hasPrefix("zero") { zero = zero ?? rest.startIndex }
      guard rest.hasPrefix("by") else { continue }
      var conditions: ArticleLicense.Conditions = []
      while let next = ArticleLicense.Conditions(part: rest.prefix(2)) {
        conditions.insert(next)
        rest = rest.dropFirst(2)
        let behind = rest.drop { "-_/ (,".contains($0) }
        if ArticleLicense.Conditions(part: behind.prefix(2)) != nil,
          !(behind.dropFirst(2).first?.isLetter ?? false)
            || behind.startIndex == rest.startIndex
        {
          rest = behind
        }
      }
      if let next = rest.first, next.isLetter { continue }
      // Of several, the conditions of all: a text and its figures may have different licenses.
      all = (conditions.union(all?.0 ?? []), all?.1 ?? rest.startIndex)
    }
    return all ?? zero.map { ([], $0) }
  }

  // MARK: Public domain

  private static func freeOfRights(_ words: String) -> ArticleLicense? {
    guard !LicenseConditions.isReserved(words) else { return nil }
    let dedications = ["creative commons cc0", "creative commons zero", "public domain dedication"]
    if dedications.contains(where: { words.contains($0) }) { return .zero }
    let freedoms = [
      "lies in the public domain", "is in the public domain", "are in the public domain", "placed in the public domain",
      "creative commons public domain", "public domain declaration", "public domain mark",
      "is a work of the u.s. government", "is a u.s. government work",
      "work of the united states government", "public domain in the usa",
    ]
    return freedoms.contains { words.contains($0) } ? .publicDomain : nil
  }
}

extension ArticleLicense.Conditions {
  /// One element of a code: `by`, `nc`, `nd`, `sa`.
  fileprivate init?(part: some StringProtocol) {
    switch part {
    case "by": self = .by
    case "nc": self = .nc
    case "nd": self = .nd
    case "sa": self = .sa
    default: return nil
    }
  }
}
