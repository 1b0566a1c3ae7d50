import PipelineKit
import ShardKit

/// One text of a retrieval collection: MIRACL's, BEIR's and JMTEB's names of its fields are known.
struct TextRecord: Equatable, Sendable {
  var id: String
  var text: String

  init(id: String, text: String) {
    self.id = id
    self.text = text
  }

  init?(_ json: JSONValue) {
    guard let text = ["text", "query", "contents"].lazy.compactMap({ json[$0]?.string }).first else { return nil }
    let title = json["title"]?.string ?? ""
    self.text = title.isEmpty ? text : "\(title)\n\(text)"
    let keys = ["_id", "id", "docid", "qid", "query_id"]
    id = keys.lazy.compactMap { key in json[key]?.string ?? json[key]?.integer.map(String.init) }.first ?? ""
  }

  /// Calls `body` with each record of JSON lines.
  static func forEach(_ path: String, _ body: (TextRecord) throws -> Void) throws {
    let lines = LineReader(try openSource(path), maximumLineBytes: 16 << 20)
    while let line = try lines.next() {
      guard !line.isEmpty else { continue }
      let json: JSONValue
      do { json = try JSONValue.parse(Array(line)).value } catch {
        throw StageError(.input, "\(path):\(lines.number)", "is no JSON at byte \(error.offset): \(error.message)")
      }
      guard let record = TextRecord(json) else {
        throw StageError(.input, "\(path):\(lines.number)", "has no 'text'")
      }
      try body(record)
    }
  }
}

/// Which documents answer which query: TREC's four columns, or JSON lines.
enum Judgements {
  static func read(_ path: String) throws -> [String: [String: Double]] {
    var judged: [String: [String: Double]] = [:]
    let lines = LineReader(try openSource(path), maximumLineBytes: 1 << 20)
    while let line = try lines.next() {
      guard !line.isEmpty else { continue }
      let bytes = Array(line)
      guard let (query, document, relevance) = bytes.first == UInt8(ascii: "{") ? json(bytes) : columns(bytes) else {
        // BEIR's tables begin with a line of names.
        if lines.number == 1 { continue }
        throw StageError(
          .input, "\(path):\(lines.number)", "is no judgement",
          hint:
            "Give 'query 0 document relevance', 'query document relevance', or JSON with query-id, corpus-id, score.")
      }
      judged[query, default: [:]][document] = relevance
    }
    return judged
  }

  private static func json(_ line: [UInt8]) -> (String, String, Double)? {
    guard let json = try? JSONValue.parse(line).value else { return nil }
    func name(_ keys: [String]) -> String? {
      keys.lazy.compactMap { key in json[key]?.string ?? json[key]?.integer.map(String.init) }.first
    }
    guard let query = name(["query-id", "query_id", "query", "qid"]),
      let document = name(["corpus-id", "corpus_id", "document", "docid"])
    else { return nil }
    return (query, document, json["score"]?.double ?? json["relevance"]?.double ?? 1)
  }

  private static func columns(_ line: [UInt8]) -> (String, String, Double)? {
    let words = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D })
    guard words.count == 3 || words.count == 4,
      let relevance = Double(String(decoding: words.last!, as: UTF8.self))
    else { return nil }
    return (
      String(decoding: words[0], as: UTF8.self), String(decoding: words[words.count - 2], as: UTF8.self), relevance
    )
  }
}
