import ShardKit
import TextKit

/// Reads what a model has written: as text, as the code in it, or as JSON that follows a schema.
struct AnswerReader: Sendable {
  enum Reading: Equatable {
    case text(String)
    case json(JSONValue)
    /// What is wrong with it.
    case unusable(String)
  }

  let form: InferEndpoint.AnswerForm
  let schema: JSONSchema?
  /// What stands before the last such text is the model's reasoning; empty: nothing is.
  let reasoningEnd: String

  func read(_ content: String) -> Reading {
    var content = Substring(content)
    if !reasoningEnd.isEmpty, let mark = content.ranges(of: reasoningEnd).last { content = content[mark.upperBound...] }
    let text = Self.trimmed(content)
    guard !text.isEmpty else { return .unusable("it is empty") }
    switch form {
    case .text: return .text(String(text))
    case .code: return Self.code(text)
    case .json: return json(Self.unfenced(text))
    }
  }

  private func json(_ text: Substring) -> Reading {
    let value: JSONValue
    do throws(JSONSyntaxError) { value = try JSONValue.parse(Array(text.utf8)).value } catch {
      return .unusable("it is not valid JSON: \(error)")
    }
    if let problem = schema?.problem(in: value) { return .unusable("it does not follow the schema: \(problem)") }
    return .json(value)
  }

  // MARK: Code

  /// The longest block between fences of backticks, with one line end behind it.
  private static func code(_ text: Substring) -> Reading {
    let blocks = fencedBlocks(text)
    if blocks.isOpen { return .unusable("a block of code is not closed") }
    guard let longest = blocks.closed.max(by: { $0.utf8.count < $1.utf8.count }) else {
      return .unusable("it has no block of code between ``` and ```")
    }
    guard let last = longest.unicodeScalars.lastIndex(where: { !isSpace($0) }) else {
      return .unusable("its block of code is empty")
    }
    return .text(String(longest.unicodeScalars[...last]) + "\n")
  }

  /// CommonMark's fences: three backticks or more at the beginning of a line, closed by as many or more.
  private static func fencedBlocks(_ text: Substring) -> (closed: [String], isOpen: Bool) {
    var closed: [String] = []
    var open: (ticks: Int, lines: [Substring])?
    // By bytes: to Swift, a line end of two characters is one character.
    for bytes in text.utf8.split(separator: 10, omittingEmptySubsequences: false) {
      let plain = Substring(bytes.last == 13 ? bytes.dropLast() : bytes)
      let content = plain.drop { $0 == " " }
      let ticks = content.prefix { $0 == "`" }.count
      let isFence = ticks >= 3 && plain.count - content.count < 4
      if let block = open {
        if isFence, ticks >= block.ticks, content.dropFirst(ticks).allSatisfy(\.isWhitespace) {
          closed.append(block.lines.joined(separator: "\n"))
          open = nil
        } else {
          open!.lines.append(plain)
        }
      } else if isFence, !content.dropFirst(ticks).contains("`") {
        open = (ticks, [])
      }
    }
    return (closed, open != nil)
  }

  /// JSON that a model has put between fences although it was not asked to.
  private static func unfenced(_ text: Substring) -> Substring {
    guard text.hasPrefix("```"), let block = fencedBlocks(text).closed.first else { return text }
    return Substring(block)
  }

  private static func trimmed(_ text: Substring) -> Substring {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }), let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return Substring(scalars[first...last])
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    ScalarProperties(of: scalar.value).contains(.whitespace)
  }
}

/// The parts of an answer that options name: `answer`, or `answer.KEY` for JSON.
struct AnswerPath: Equatable, Sendable {
  let text: String
  private let keys: [String]

  /// nil unless it begins with `answer`.
  init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.first == "answer", !parts.contains("") else { return nil }
    self.text = text
    keys = Array(parts.dropFirst())
  }

  /// Whether it leads into a JSON answer.
  var hasKeys: Bool { !keys.isEmpty }

  /// nil if the answer has no such part.
  func value(in answer: JSONValue) -> JSONValue? {
    var value = answer
    for key in keys {
      guard let next = value[key] else { return nil }
      value = next
    }
    return value
  }
}
