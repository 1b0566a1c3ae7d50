/// What the project's own tables say of scalars, where the toolchain's would say it differently on another machine.
public enum UnicodeFacts {
  static let lowercase = Dictionary(
    uniqueKeysWithValues: UnicodeData.words(UnicodeData.lowercase).map { ($0.first, $0.values) })

  /// In lower case, scalar by scalar, in no language's own way.
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
