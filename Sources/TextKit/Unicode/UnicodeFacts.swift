/// Unicode data from the project's own tables, since the toolchain's may differ between machines.
public enum UnicodeFacts {
  static let lowercase = Dictionary(
    uniqueKeysWithValues: UnicodeData.words(UnicodeData.lowercase).map { ($0.first, $0.values) })

  /// Lower case, scalar by scalar, independent of language.
  public static func lowercased(_ text: String) -> String.UnicodeScalarView {
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      guard let lower = lowercase[scalar.value] else {
        out.append(scalar)
        continue
      }
      out.append(contentsOf: lower.compactMap { Unicode.Scalar($0) })
    }
    return out
  }
}
