/// A text as a key, compared by its bytes.
///
/// Swift strings are equal if they are canonically equivalent, so a composed and a decomposed `が` are the same
/// dictionary key. To file systems, buckets, file formats and other programs they are two different names.
public struct ExactText: Hashable, Sendable, CustomStringConvertible {
  public let text: String

  public init(_ text: String) { self.text = text }
  public init(_ text: Substring) { self.text = String(text) }

  public var description: String { text }

  public static func == (a: ExactText, b: ExactText) -> Bool { a.text.isExactly(b.text) }

  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension ExactText: Comparable {
  public static func < (a: ExactText, b: ExactText) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}

extension ExactText: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.text = text }
}

extension StringProtocol {
  /// Whether the bytes are the same; `==` compares by canonical equivalence.
  public func isExactly(_ other: some StringProtocol) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }

  /// Whether it ends with the same bytes.
  public func endsExactly(in other: some StringProtocol) -> Bool {
    utf8.count >= other.utf8.count && utf8.suffix(other.utf8.count).elementsEqual(other.utf8)
  }
}
