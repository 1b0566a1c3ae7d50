import TextKit

/// Exact match and F1 of an extracted answer, as JGLUE scores JSQuAD: SQuAD's script on characters, without its English
/// rules, and with trailing 。 removed.
enum AnswerScore {
  /// 1 if the answer equals an allowed one, else 0.
  static func exactMatch(_ answer: String, _ allowed: [String]) -> Double {
    let answer = normalized(answer)
    return allowed.contains { normalized($0) == answer } ? 1 : 0
  }

  /// The best F1 over the allowed answers.
  static func f1(_ answer: String, _ allowed: [String]) -> Double { allowed.map { f1(answer, $0) }.max() ?? 0 }

  private static func f1(_ answer: String, _ gold: String) -> Double {
    let answer = normalized(answer), gold = normalized(gold)
    guard !answer.isEmpty, !gold.isEmpty else { return answer == gold ? 1 : 0 }
    var left: [Unicode.Scalar: Int] = [:]
    for scalar in gold { left[scalar, default: 0] += 1 }
    var same = 0
    for scalar in answer {
      guard let count = left[scalar], count > 0 else { continue }
      left[scalar] = count - 1
      same += 1
    }
    guard same > 0 else { return 0 }
    let precision = Double(same) / Double(answer.count), recall = Double(same) / Double(gold.count)
    return 2 * precision * recall / (precision + recall)
  }

  /// In lower case, without 。 at the end, with runs of white space as one space and none at the ends.
  static func normalized(_ text: String) -> [Unicode.Scalar] {
    var scalars = Array(UnicodeFacts.lowercased(text))
    while scalars.last == "。" { scalars.removeLast() }
    var out: [Unicode.Scalar] = []
    for word in scalars.split(whereSeparator: { ScalarProperties(of: $0.value).contains(.whitespace) }) {
      if !out.isEmpty { out.append(" ") }
      out += word
    }
    return out
  }
}
