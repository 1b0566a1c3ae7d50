import ShardKit

/// An example of contrastive training: a text, one that belongs to it, and any number that do not.
///
/// A line of JSON has `anchor` (or `query`, `text`); `positive` (or `pos`), a text or a list of texts, each of which makes
/// an example; and `negatives` (or `negative`, `neg`), a text or a list. Without a positive the text belongs to itself,
/// as in unsupervised SimCSE (Gao et al. 2021, arXiv:2104.08821): it is encoded twice with different dropout. A line of
/// JSTS or JNLI has `sentence1`, `sentence2` and a `label`: a score, or one of JNLI's names or their numbers, of which
/// `entailment` is for those that belong together.
public struct ContrastExample: Equatable, Sendable {
  public var anchor: String
  /// nil: the anchor itself.
  public var positive: String?
  public var negatives: [String] = []

  /// The examples of a line, none if it is a pair that does not belong together; nil if the line is no example.
  /// - Parameters:
  ///   - minimumScore: of a pair with a score as its label.
  ///   - isClass: whether a number is that of one of JNLI's names.
  /// - Throws: what `isClass` throws.
  static func examples(
    _ json: JSONValue, minimumScore: Double, isClass: (Int) throws -> Bool
  ) throws -> [ContrastExample]? {
    if let anchor = json["sentence1"]?.string, let positive = json["sentence2"]?.string, let label = json["label"] {
      let isEntailment = try label.integer.flatMap { try isClass($0) ? $0 == 0 : nil }
      guard !anchor.isEmpty, !positive.isEmpty, let belongs = isEntailment ?? belongs(label, minimumScore) else {
        return nil
      }
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
  /// - Throws: `ShardError` if a file cannot be read, or a line is not an example, or labels may be scores or classes.
  public init(_ paths: [String], limit: Int = 0, minimumScore: Double = 4) throws {
    for path in paths {
      var labels = NumberedLabels(path: path, minimumScore: minimumScore)
      let lines = LineReader(try openLines(path), maximumLineBytes: 256 << 20)
      while let line = try lines.next() {
        guard !line.isEmpty else { continue }
        let place = "\(path):\(lines.number)"
        let json: JSONValue
        do { json = try JSONValue.parse(Array(line)).value } catch {
          throw ShardError(.malformed, place, "is not JSON at byte \(error.offset): \(error.message)")
        }
        let found = try ContrastExample.examples(json, minimumScore: minimumScore) { try labels.isClass($0) }
        guard let found else { throw Self.noExample(json, place) }
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

/// Whether the numbers that label a file's pairs are JNLI's classes, as in the Hub's Parquet files, or scores.
private struct NumberedLabels {
  let path: String
  let minimumScore: Double
  private var areClasses: Bool?
  private static let classes = 0..<JGLUEBenchmark.entailments.count

  init(path: String, minimumScore: Double) {
    self.path = path
    self.minimumScore = minimumScore
  }

  /// - Throws: `ShardError` if the file cannot be read, or has no scores but not every class.
  mutating func isClass(_ label: Int) throws -> Bool {
    // With such a least score, the numbers of classes would be scores that suffice.
    guard Self.classes.contains(label), minimumScore > Double(Self.classes.upperBound - 1) else { return false }
    if let areClasses { return areClasses }
    let found = try classes()
    areClasses = found != nil
    guard let found, found != Set(Self.classes) else { return found != nil }
    throw ShardError(
      .malformed, path,
      "has no labels but \(found.sorted().map { "\($0)" }.joined(separator: " and ")), which may be scores below "
        + "minimumScore (\(minimumScore)) or classes",
      hint: "Set minimumScore to the least label of pairs that belong together, or give the classes' names: "
        + JGLUEBenchmark.entailments.joined(separator: ", ") + ".")
  }

  /// The numbers of classes that label the file's pairs; nil if there are other numbers.
  private func classes() throws -> Set<Int>? {
    var found: Set<Int> = []
    let lines = LineReader(try openLines(path), maximumLineBytes: 256 << 20)
    while let line = try lines.next() {
      // What is no JSON is an error where the examples are read.
      guard let label = (try? JSONValue.parse(Array(line)).value)?["label"], label.double != nil else { continue }
      guard let number = label.integer, Self.classes.contains(number) else { return nil }
      found.insert(number)
    }
    return found
  }
}

/// How many negatives the examples of files have.
public struct NegativeCounts: Sendable {
  /// Examples by their number of negatives.
  private var examples: [Int: Int] = [:]

  /// What is no example is an error where the examples are read, and counts for nothing here.
  /// - Throws: `ShardError` if a file cannot be read.
  public init(_ paths: [String]) throws {
    for path in paths {
      let lines = LineReader(try openLines(path), maximumLineBytes: 256 << 20)
      while let line = try lines.next() {
        guard let json = try? JSONValue.parse(Array(line)).value,
          let found = try? ContrastExample.examples(json, minimumScore: 0, isClass: { _ in false }),
          let negatives = found.first?.negatives.count
        else { continue }
        examples[negatives, default: 0] += found.count
      }
    }
  }

  /// Negatives of so many examples at most.
  public func most(of count: Int) -> Int {
    var left = count, sum = 0
    for (negatives, number) in examples.sorted(by: { $0.key > $1.key }) {
      let taken = min(left, number)
      sum += taken * negatives
      left -= taken
    }
    return sum
  }
}
