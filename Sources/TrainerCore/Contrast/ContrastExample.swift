import ShardKit

/// An example of contrastive training: a text, one that belongs to it, and any number that do not.
///
/// A line of JSON has `anchor` (or `query`, `text`); `positive` (or `pos`), a text or a list of texts, each of which makes
/// an example; and `negatives` (or `negative`, `neg`), a text or a list. Without a positive the text belongs to itself,
/// as in unsupervised SimCSE (Gao et al. 2021, arXiv:2104.08821): it is encoded twice with different dropout. A line of
/// JSTS or JNLI has `sentence1`, `sentence2` and a `label`: a number, or one of JNLI's names, of which `entailment` is for
/// those that belong together.
public struct ContrastExample: Equatable, Sendable {
  public var anchor: String
  /// nil: the anchor itself.
  public var positive: String?
  public var negatives: [String] = []

  /// The examples of a line, none if it is a pair that does not belong together; nil if the line is no example.
  /// - Parameter minimumScore: of a pair with a number as its label.
  static func examples(_ json: JSONValue, minimumScore: Double) -> [ContrastExample]? {
    if let anchor = json["sentence1"]?.string, let positive = json["sentence2"]?.string, let label = json["label"] {
      guard !anchor.isEmpty, !positive.isEmpty, let belongs = belongs(label, minimumScore) else { return nil }
      return belongs ? [ContrastExample(anchor: anchor, positive: positive)] : []
    }
    func first(_ names: [String]) -> JSONValue? { names.lazy.compactMap { json[$0] }.first { $0 != .null } }
    guard let anchor = first(["anchor", "query", "text"])?.string, !anchor.isEmpty,
      let positives = texts(first(["positive", "pos"])), let negatives = texts(first(["negatives", "negative", "neg"]))
    else { return nil }
    guard !positives.isEmpty else { return [ContrastExample(anchor: anchor, positive: nil, negatives: negatives)] }
    return positives.map { ContrastExample(anchor: anchor, positive: $0, negatives: negatives) }
  }

  private static func belongs(_ label: JSONValue, _ minimumScore: Double) -> Bool? {
    if let score = label.double { return score >= minimumScore }
    guard let name = label.string, JGLUEBenchmark.entailments.contains(where: name.isExactly) else { return nil }
    return name.isExactly(JGLUEBenchmark.entailments[0])
  }

  /// A text, or a list of texts, none of them empty.
  private static func texts(_ value: JSONValue?) -> [String]? {
    guard let value else { return [] }
    let texts = value.string.map { [$0] } ?? value.array?.compactMap(\.string)
    guard let texts, texts.count == value.array?.count ?? 1, !texts.contains(where: \.isEmpty) else { return nil }
    return texts
  }
}

/// The examples of files, in their order.
public struct ContrastExamples: Sendable {
  public private(set) var examples: [ContrastExample] = []
  /// Pairs that do not belong together: a lower score than the least one, or a label other than `entailment`.
  public private(set) var pairsLeftOut = 0

  /// - Parameters:
  ///   - limit: the first ones that count; 0: all.
  ///   - minimumScore: of pairs with a number as their label.
  /// - Throws: `ShardError` if a file cannot be read, or a line is not an example.
  public init(_ paths: [String], limit: Int = 0, minimumScore: Double = 4) throws {
    for path in paths {
      let lines = LineReader(try openLines(path), maximumLineBytes: 256 << 20)
      while let line = try lines.next() {
        guard !line.isEmpty else { continue }
        let place = "\(path):\(lines.number)"
        let json: JSONValue
        do { json = try JSONValue.parse(Array(line)).value } catch {
          throw ShardError(.malformed, place, "is not JSON at byte \(error.offset): \(error.message)")
        }
        guard let found = ContrastExample.examples(json, minimumScore: minimumScore) else {
          throw Self.noExample(json, place)
        }
        if found.isEmpty { pairsLeftOut += 1 }
        examples += found
        guard limit == 0 || examples.count < limit else {
          examples = Array(examples.prefix(limit))
          return
        }
      }
    }
  }

  private static func noExample(_ json: JSONValue, _ place: String) -> ShardError {
    guard json["sentence1"] == nil || json["sentence2"] == nil else {
      return ShardError(
        .malformed, place,
        "is not a pair: its sentences must not be empty, and its 'label' must be a number or one of "
          + JGLUEBenchmark.entailments.joined(separator: ", "))
    }
    return ShardError(
      .malformed, place,
      "is not an example: it needs 'anchor', and may have 'positive' and 'negatives', texts that are not empty")
  }
}
