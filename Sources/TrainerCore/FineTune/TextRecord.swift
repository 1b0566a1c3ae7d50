public import ShardKit

/// One text of a retrieval collection, with the field names of MIRACL, BEIR or JMTEB.
public struct TextRecord: Equatable, Sendable {
  public var id: String
  var text: String
  /// The second text of a pair; nil if none is asked for or there is none.
  var pair: String?

  init(id: String, text: String) {
    self.id = id
    self.text = text
  }

  /// - Parameter pair: the keys that lead to the second text; none: single texts.
  init?(_ json: JSONValue, pair keys: [Substring] = []) {
    guard let text = ["text", "query", "contents"].lazy.compactMap({ json[$0]?.string }).first else { return nil }
    let title = json["title"]?.string ?? ""
    self.text = title.isEmpty ? text : "\(title)\n\(text)"
    if !keys.isEmpty { self.pair = keys.reduce(Optional(json)) { $0?[String($1)] }?.string }
    let names = ["_id", "id", "docid", "qid", "query_id"]
    id = names.lazy.compactMap { json[$0].flatMap(Self.name) }.first ?? ""
  }

  /// A line of a table such as MIRACL's topics: an id, a tab and a text.
  private init?(columns line: some Collection<UInt8>) {
    guard let tab = line.firstIndex(of: 0x09), tab != line.startIndex else { return nil }
    var text = Array(line[line.index(after: tab)...])
    if text.last == 0x0D { text.removeLast() }
    guard !text.isEmpty, !text.contains(0x09) else { return nil }
    id = String(decoding: line[..<tab], as: UTF8.self)
    self.text = String(decoding: text, as: UTF8.self)
  }

  /// An id, as text or as a number.
  public static func name(_ value: JSONValue) -> String? { value.string ?? value.integer.map(String.init) }

  /// Calls `body` with each record of a file of JSON lines, of a Parquet file, or of a table (`.tsv`) of ids and texts.
  /// - Throws: `ShardError` if the file cannot be read or a line is not a record; what `body` throws.
  public static func forEach(_ path: String, _ body: (TextRecord) throws -> Void) throws {
    try forEach(path) { record, _ in try body(record) }
  }

  /// With the number of its line, from 1.
  /// - Parameter pair: keys, joined by dots, that lead to the second text of a pair; empty: single texts.
  /// - Throws: `ShardError` if the file cannot be read or a line is not a record; what `body` throws.
  public static func forEach(
    _ path: String, pair: String = "", _ body: (TextRecord, Int) throws -> Void
  ) throws {
    let keys = pair.split(separator: ".")
    let isTable = [".tsv", ".tsv.gz", ".tsv.zst"].contains(where: path.hasSuffix)
    let lines = LineReader(try openLines(path), maximumLineBytes: 256 << 20)
    while let line = try lines.next() {
      guard !line.isEmpty else { continue }
      if isTable {
        guard let record = TextRecord(columns: line) else {
          throw ShardError(.malformed, "\(path):\(lines.number)", "is not an id, a tab and a text")
        }
        try body(record, lines.number)
        continue
      }
      let json: JSONValue
      do { json = try JSONValue.parse(Array(line)).value } catch {
        throw ShardError(.malformed, "\(path):\(lines.number)", "is not JSON at byte \(error.offset): \(error.message)")
      }
      guard let record = TextRecord(json, pair: keys) else {
        throw ShardError(.malformed, "\(path):\(lines.number)", "has no 'text'")
      }
      try body(record, lines.number)
    }
  }
}
