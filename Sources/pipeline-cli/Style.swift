import Glibc

/// Colors and weights for terminals that support them: never in a file or a pipe, or if `NO_COLOR` is set
/// (https://no-color.org).
///
/// Until `Console` writes it, a sequence carries a random number chosen per process, so that escape sequences in data
/// are never mistaken for one of these.
struct Style {
  let isOn: Bool

  init(_ descriptor: Int32) {
    let refused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
    isOn = !refused && Console.isTerminal(descriptor)
  }

  func bold(_ text: String) -> String { wrap("1", text) }
  func dim(_ text: String) -> String { wrap("2", text) }
  func red(_ text: String) -> String { wrap("31", text) }
  func green(_ text: String) -> String { wrap("32", text) }
  func yellow(_ text: String) -> String { wrap("33", text) }
  func cyan(_ text: String) -> String { wrap("36", text) }

  private static let opening = "\u{1B}\(UInt64.random(in: .min ... .max))["

  private func wrap(_ code: String, _ text: String) -> String {
    isOn ? "\(Self.opening)\(code)m\(text)\(Self.opening)0m" : text
  }

  /// The end of one of this process's sequences at the start of a text; nil if there is none.
  static func sequence(at text: Substring.UnicodeScalarView) -> String.Index? {
    guard text.starts(with: opening.unicodeScalars) else { return nil }
    return text.firstIndex(of: "m").map { text.index(after: $0) }
  }

  /// The sequences in the form that a terminal reads.
  static func forTerminal(_ text: String) -> String {
    text.utf8.contains(0x1B) ? text.replacing(opening, with: "\u{1B}[") : text
  }
}
