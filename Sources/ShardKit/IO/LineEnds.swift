/// What ends a line.
public enum LineEnds: Sendable {
  /// LF, with or without a CR before it: JSON lines, and everything that this project writes.
  case feed
  /// LF, CR and CRLF: texts from any system.
  case any

  /// Replaces every CRLF and every lone CR with LF, in place.
  public static func unify(_ text: inout [UInt8]) {
    guard let first = text.firstIndex(of: 13) else { return }
    var kept = first
    text.withUnsafeMutableBufferPointer { text in
      var i = first
      while i < text.count {
        let isReturn = text[i] == 13
        text[kept] = isReturn ? 10 : text[i]
        kept += 1
        i += isReturn && i + 1 < text.count && text[i + 1] == 10 ? 2 : 1
      }
    }
    text.removeSubrange(kept...)
  }
}
