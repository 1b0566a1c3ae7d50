import CCLD2

/// The languages of a text, detected by CLD2.
public struct LanguageGuess: Equatable, Sendable {
  public struct Part: Equatable, Sendable {
    /// ISO 639, such as `ja`, `zh` or `zh-Hant`; `un` if CLD2 does not know.
    public var code: String
    /// The fraction of the text's letters, in bytes. 0…1.
    public var share: Double
  }

  /// Most frequent first, at most three, none with a fraction of 0.
  public var parts: [Part]
  public var isReliable: Bool

  /// CLD2 on plain text. Thread-safe. Reads at most 2 GiB; pass less (see `sample`).
  public static func cld2(_ text: UnsafeBufferPointer<UInt8>) -> LanguageGuess {
    guard let base = text.baseAddress else { return LanguageGuess(parts: [], isReliable: false) }
    let found = base.withMemoryRebound(to: CChar.self, capacity: text.count) { pl_detect_languages($0, text.count) }
    let percents = [found.percent.0, found.percent.1, found.percent.2]
    let codes = [string(found.code.0), string(found.code.1), string(found.code.2)]
    let parts = zip(codes, percents).filter { $1 > 0 }.map { Part(code: $0, share: Double($1) / 100) }
    return LanguageGuess(parts: parts, isReliable: found.reliable != 0)
  }

  /// The versions of CLD2 and of its tables, which determine its results.
  public static var detectorVersion: String { String(cString: pl_language_detector_version()) }

  private static func string<T>(_ characters: T) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
