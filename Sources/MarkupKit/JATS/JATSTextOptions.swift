/// Which sections of an article become text.
public struct JATSTextOptions: Sendable {
  public enum Part: String, CaseIterable, Sendable { case keep, drop }
  public enum Formulas: String, CaseIterable, Sendable { case drop, tex }
  public enum Scripts: String, CaseIterable, Sendable { case unicode, plain }

  var translatedAbstracts: [String] = ["ja"]
  var abstracts = Part.keep
  var acknowledgements = Part.drop
  var footnotes = Part.drop
  var backMatter = Part.drop
  var formulas = Formulas.drop
  var scripts = Scripts.unicode

  public init(
    translatedAbstracts: [String] = ["ja"], abstracts: Part = Part.keep, acknowledgements: Part = Part.drop,
    footnotes: Part = Part.drop, backMatter: Part = Part.drop, formulas: Formulas = Formulas.drop,
    scripts: Scripts = Scripts.unicode
  ) {
    self.translatedAbstracts = translatedAbstracts
    self.abstracts = abstracts
    self.acknowledgements = acknowledgements
    self.footnotes = footnotes
    self.backMatter = backMatter
    self.formulas = formulas
    self.scripts = scripts
  }

  /// Whether a translation into this language is kept: the primary subtag counts, so `ja` includes `ja-JP`.
  func keepsTranslation(into language: String?) -> Bool {
    guard let language else { return false }
    let primary = language.lowercased().prefix { $0 != "-" && $0 != "_" }
    return translatedAbstracts.contains {
      $0 == "*" || $0.lowercased() == primary || $0.lowercased() == language.lowercased()
    }
  }
}
