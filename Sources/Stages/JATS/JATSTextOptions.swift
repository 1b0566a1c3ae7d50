import PipelineKit

/// Which parts of an article become text.
struct JATSTextOptions: Sendable {
  var translatedAbstracts: [String] = ["ja"]
  var abstracts = JATSExtract.Part.keep
  var acknowledgements = JATSExtract.Part.drop
  var footnotes = JATSExtract.Part.drop
  var backMatter = JATSExtract.Part.drop
  var formulas = JATSExtract.Formulas.drop
  var scripts = JATSExtract.Scripts.unicode

  /// Whether a translation into this language is kept: its primary subtag counts, so `ja` takes `ja-JP`.
  func keepsTranslation(into language: String?) -> Bool {
    guard let language else { return false }
    let primary = language.lowercased().prefix { $0 != "-" && $0 != "_" }
    return translatedAbstracts.contains {
      $0 == "*" || $0.lowercased() == primary || $0.lowercased() == language.lowercased()
    }
  }
}
