import Glibc

/// Colors and weights of text, on a terminal that wants them: never in a file, a pipe, or with `NO_COLOR` set
/// (https://no-color.org).
///
/// A sequence carries a number that is drawn anew in every process until `Console` writes it, so that sequences in data
/// are never taken for one of these.
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

  /// Where a sequence of this process ends that begins a text; nil if none does.
  static func sequence(at text: Substring.UnicodeScalarView) -> String.Index? {
    guard text.starts(with: opening.unicodeScalars) else { return nil }
    return text.firstIndex(of: "m").map { text.index(after: $0) }
  }

  /// The sequences as a terminal takes them.
  static func forTerminal(_ text: String) -> String {
    text.utf8.contains(0x1B) ? text.replacing(opening, with: "\u{1B}[") : text
  }
}
