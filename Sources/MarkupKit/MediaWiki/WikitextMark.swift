/// Bytes below a space that the first pass writes for the second. None can come from a page: it drops controls.
enum WikitextMark {
  /// A heading; the next byte is its level plus `headingLevel`.
  static let heading: UInt8 = 0x01
  static let headingLevel: UInt8 = 0x10
  /// An item of a `*` or `#` list.
  static let item: UInt8 = 0x02
  /// A figure is missing here, so that the sentence makes no sense.
  static let hole: UInt8 = 0x03
  /// Something was removed here.
  static let removed: UInt8 = 0x05
  /// A line whose spaces are kept (`<pre>`).
  static let verbatim: UInt8 = 0x06
}
