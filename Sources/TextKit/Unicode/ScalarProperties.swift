/// The Unicode properties of a scalar that the filters need.
public struct ScalarProperties: OptionSet, Equatable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Script=Han: kanji of every plane, 々, 〆, 〇, radicals.
  public static let han = ScalarProperties(rawValue: 0x01)
  public static let hiragana = ScalarProperties(rawValue: 0x02)
  /// Script=Katakana; ー (U+30FC) has script Common and is not included.
  public static let katakana = ScalarProperties(rawValue: 0x04)
  /// General category P.
  public static let punctuation = ScalarProperties(rawValue: 0x08)
  /// The property White_Space.
  public static let whitespace = ScalarProperties(rawValue: 0x10)
  /// General category Cc: C0, DEL and C1.
  public static let control = ScalarProperties(rawValue: 0x20)
  /// General category L.
  public static let letter = ScalarProperties(rawValue: 0x40)
  /// General category Nd.
  public static let digit = ScalarProperties(rawValue: 0x80)

  /// The Unicode version of the properties.
  public static let unicodeVersion = UnicodeData.version

  public static let table = ScalarTable<UInt8>(
    rest: 0, UnicodeData.words(UnicodeData.properties).map { ($0.range, UInt8($0.values[0])) })

  /// Properties of a scalar; malformed text has none.
  @inline(__always)
  public init(of scalar: UInt32) { self.init(rawValue: Self.table[scalar]) }
}
