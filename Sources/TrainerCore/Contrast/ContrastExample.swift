import ShardKit

/// An example of contrastive training: a text, one that belongs to it, and any number that do not.
///
/// A line of JSON has `anchor` (or `query`, `text`); `positive` (or `pos`), a text or a list of texts, each of which makes
/// an example; and `negatives` (or `negative`, `neg`), a text or a list. Without a positive the text belongs to itself,
/// as in unsupervised SimCSE (Gao et al. 2021, arXiv:2104.08821): it is encoded twice with different dropout. A line of
/// JSTS or JNLI has `sentence1`, `sentence2` and a `label`: a number, or `entailment` for those that belong together.
public struct ContrastExample: Equatable, Sendable {
  public var anchor: String
  /// nil: the anchor itself.
  public var positive: String?
  public var negatives: [String] = []

  /// The examples of a line; nil if it is none.
  /// - Parameter minimumScore: of a pair with a number as its label.
  static func examples(_ json: JSONValue, minimumScore: Double) -> [ContrastExample]? {
    if let anchor = json["sentence1"]?.string, let positive = json["sentence2"]?.string, let label = json["label"] {
      guard !anchor.isEmpty, !positive.isEmpty, label.string != nil || label.double != nil else { return nil }
      let belongs = label.double.map { $0 >= minimumScore } ?? (label.string == "entailment")
      return belongs ? [ContrastExample(anchor: anchor, positive: positive)] : []
    }
    func first(_ names: [String]) -> JSONValue? { names.lazy.compactMap { json[$0] }.first { $0 != .null } }
    guard let anchor = first(["anchor", "query", "text"])?.string, !anchor.isEmpty,
      let positives = texts(first(["positive", "pos"])), let negatives = texts(first(["negatives", "negative", "neg"]))
    else { return nil }
    guard !positives.isEmpty else { return [ContrastExample(anchor: anchor, positive: nil, negatives: negatives)] }
    return positives.map { ContrastExample(anchor: anchor, positive: $0, negatives: negatives) }
  }

  /// A text, or a list of texts, none of them empty.
  private static func texts(_ value: JSONValue?) -> [String]? {
    guard let value else { return [] }
    let texts = value.string.map { [$0] } ?? value.array?.compactMap(\.string)
    guard let texts, texts.count == value.array?.count ?? 1, !texts.contains(where: \.isEmpty) else { return nil }
    return texts
  }

  /// The examples of files, in their order.
  /// - Parameters:
  ///   - limit: the first ones that count; 0: all.
  ///   - minimumScore: of pairs with a number as their label.
  /// - Throws: `ShardError` if a file cannot be read, or a line is not an example.
  public static func read(_ paths: [String], limit: Int = 0, minimumScore: Double = 4) throws -> [ContrastExample] {
    var all: [ContrastExample] = []
    for path in paths {
      let lines = LineReader(try openLines(path), maximumLineBytes: 256 << 20)
      while let line = try lines.next() {
        guard !line.isEmpty else { continue }
        let place = "\(path):\(lines.number)"
        let json: JSONValue
        do { json = try JSONValue.parse(Array(line)).value } catch {
          throw ShardError(.malformed, place, "is not JSON at byte \(error.offset): \(error.message)")
        }
        guard let examples = examples(json, minimumScore: minimumScore) else {
          throw ShardError(
            .malformed, place,
            "is not an example: it needs 'anchor', and may have 'positive' and 'negatives', texts that are not empty")
        }
        all += examples
        if limit > 0, all.count >= limit { return Array(all.prefix(limit)) }
      }
    }
    return all
  }
}
