import PipelineKit
import ShardKit
import TrainerCore

/// Which documents are relevant to which query: TREC's columns, or JSON lines.
///
/// A pair may be judged repeatedly only with the same relevance.
struct Judgments {
  /// Relevance by query and document.
  private(set) var relevance: [ExactText: [ExactText: Double]] = [:]
  /// Number of repeated, equal judgments.
  private(set) var repeated = 0

  static func read(_ paths: [String]) throws -> Judgments {
    var judgments = Judgments()
    for path in paths { try judgments.read(path) }
    return judgments
  }

  private mutating func read(_ path: String) throws {
    let lines = LineReader(try openSource(path), maximumLineBytes: 1 << 20)
    while let line = try lines.next() {
      guard !line.isEmpty else { continue }
      let bytes = Array(line)
      guard let judgment = bytes.first == UInt8(ascii: "{") ? Self.json(bytes) : Self.columns(bytes) else {
        // BEIR's tables begin with a header.
        if lines.number == 1, Self.isHeader(bytes) { continue }
        throw StageError(
          .input, "\(path):\(lines.number)", "is not a judgment",
          hint:
            "Give 'query 0 document relevance', 'query document relevance', or JSON with query-id, corpus-id, score.")
      }
      try add(judgment, "\(path):\(lines.number)")
    }
  }

  private typealias Judgment = (query: String, document: String, relevance: Double)

  private mutating func add(_ judgment: Judgment, _ place: String) throws {
    let (query, document, value) = judgment
    guard value.isFinite, abs(value) <= 1e6 else {
      throw StageError(.input, place, "its relevance is \(value)", hint: "Give numbers of at most a million.")
    }
    guard let before = relevance[ExactText(query), default: [:]].updateValue(value, forKey: ExactText(document))
    else { return }
    guard before == value else {
      throw StageError(
        .input, place, "judges document '\(document)' for query '\(query)' as \(value), judged before as \(before)",
        hint: "Keep one judgment per pair.")
    }
    repeated += 1
  }

  private static func json(_ line: [UInt8]) -> Judgment? {
    guard let json = try? JSONValue.parse(line).value else { return nil }
    func name(_ keys: [String]) -> String? { keys.lazy.compactMap { json[$0].flatMap(TextRecord.name) }.first }
    guard let query = name(["query-id", "query_id", "query", "qid"]),
      let document = name(["corpus-id", "corpus_id", "document", "docid"])
    else { return nil }
    guard let value = json["score"] ?? json["relevance"] else { return (query, document, 1) }
    return value.double.map { (query, document, $0) }
  }

  private static func columns(_ line: [UInt8]) -> Judgment? {
    let words = words(line)
    guard words.count == 3 || words.count == 4, let relevance = Double(words.last!) else { return nil }
    return (words[0], words[words.count - 2], relevance)
  }

  private static func isHeader(_ line: [UInt8]) -> Bool { line.first != UInt8(ascii: "{") && words(line).count > 2 }

  private static func words(_ line: [UInt8]) -> [String] {
    line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }).map { String(decoding: $0, as: UTF8.self) }
  }
}
