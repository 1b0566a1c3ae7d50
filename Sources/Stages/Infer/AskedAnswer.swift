import PipelineKit
import ShardKit

/// What asking about one document has led to: a line of the files between the phases.
enum AskedAnswer: Equatable, Sendable {
  case content(String)
  case drop(DropReason)

  /// The line for a document's answer.
  func line(id: [UInt8]) -> [UInt8] {
    var out = Array(#"{"id":"#.utf8)
    JSONText.append(string: id, to: &out)
    func member(_ key: String, _ text: String) {
      out += #","\#(key)":"#.utf8
      JSONText.append(string: text, to: &out)
    }
    switch self {
    case .content(let content): member("answer", content)
    case .drop(let reason):
      member("drop", reason.name)
      if let detail = reason.detail { member("detail", detail) }
      if let value = reason.value { out += #","value":\#(JSONValue.number(value).text())"#.utf8 }
      if let threshold = reason.threshold { out += #","threshold":\#(JSONValue.number(threshold).text())"#.utf8 }
    }
    out += "}\n".utf8
    return out
  }

  /// Reads what `line` wrote; nil for anything else.
  static func read(_ line: [UInt8]) -> (id: [UInt8], answer: AskedAnswer)? {
    guard let json = try? JSONValue.parse(line).value, let id = json["id"]?.string else { return nil }
    if let content = json["answer"]?.string { return (Array(id.utf8), .content(content)) }
    guard let name = json["drop"]?.string else { return nil }
    let reason = DropReason(
      name, value: json["value"]?.double, threshold: json["threshold"]?.double, detail: json["detail"]?.string)
    return (Array(id.utf8), .drop(reason))
  }
}

extension DropReason {
  static let refused = "refused"
  static let filtered = "content-filter"
  static let cut = "answer-cut"
  static let invalid = "invalid-answer"
  static let rejected = "rejected"
  static let unanswered = "no-answer"
  static let missingField = "missing-field"
  static let contextTooLong = "context-too-long"

  /// Reasons that count toward `maximumUnusableFraction`.
  static let unusable: Set<String> = [refused, filtered, cut, invalid, rejected, missingField, contextTooLong]

  static func unusable(_ name: String, _ detail: String) -> DropReason {
    DropReason(name, detail: detail.isEmpty ? nil : detail)
  }
}

/// Counts documents without a usable answer, and ends the task once there are more than the options allow.
struct UnusableCount {
  private let limits: InferLimitOptions
  /// Documents of the file; 0 if that is not known before its end.
  private let total: Int
  private var seen = 0
  private var unanswered = (count: 0, first: "")
  private var unusable = (count: 0, first: "")
  private var tooLong = 0

  /// If so many documents at the beginning have no usable answer, the prompt or the model is at fault.
  private static let beginning = 20

  init(_ limits: InferLimitOptions, total: Int) {
    self.limits = limits
    self.total = total
  }

  mutating func take(_ answer: AskedAnswer, id: [UInt8]) throws {
    seen += 1
    guard case .drop(let reason) = answer else { return }
    let shown = "'\(String(decoding: id, as: UTF8.self))': \(reason.name)\(reason.detail.map { ", \($0)" } ?? "")"
    if reason.name == DropReason.unanswered {
      unanswered.count += 1
      if unanswered.count == 1 { unanswered.first = shown }
    } else if DropReason.unusable.contains(reason.name) {
      unusable.count += 1
      if unusable.count == 1 { unusable.first = shown }
      if reason.name == DropReason.contextTooLong { tooLong += 1 }
    }
    if total > 0 { try check(of: total) }
    if seen == Self.beginning, unusable.count == seen, total > seen, limits.maximumUnusableFraction < 1 {
      throw problem(
        "none of the first \(seen) documents got a usable answer; the first: \(unusable.first)",
        "Check the prompt, the schema and the model, or set \"maximumUnusableFraction\" to 1.")
    }
  }

  func finish() throws { try check(of: max(1, seen)) }

  private func check(of total: Int) throws {
    if Double(unanswered.count) > limits.maximumUnansweredFraction * Double(total) {
      throw StageError(
        .environment, "answers",
        "\(unanswered.count) of \(total) documents got no answer; the first: \(unanswered.first)",
        hint: "Check the server and run again: kept answers are not asked for again. "
          + "\"maximumUnansweredFraction\" allows some.")
    }
    if Double(unusable.count) > limits.maximumUnusableFraction * Double(total) {
      throw problem(
        "\(unusable.count) of \(total) documents got no usable answer; the first: \(unusable.first)",
        "Check the prompt and the model, or raise \"maximumUnusableFraction\".")
    }
  }

  private func problem(_ message: String, _ hint: String) -> StageError {
    StageError(.check, "answers", message, hint: causeOutsideTexts ?? hint)
  }

  /// What to do if most answers are refused for the same reason, which is not in the texts.
  private var causeOutsideTexts: String? {
    if tooLong * 2 > unusable.count {
      return "Give the server a longer context, lower \"maximumTokens\" or \"maximumText\", or raise "
        + "\"maximumUnusableFraction\"."
    }
    guard unusable.first.contains("response_format") else { return nil }
    return "The server does not take what is sent for \"responseFormat\": set it to \"object\" or \"none\"."
  }
}
