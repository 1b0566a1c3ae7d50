import PipelineKit
import ShardKit

/// Reads rows from JSON lines or CSV, distinguished by the first byte that is not white space.
enum CodeRowReader {
  /// Calls `body` with every row and its number, or with its problem.
  static func forEachRow(
    of file: ArtifactFile, _ body: (_ row: CodeRow, _ number: Int, _ bytes: Int, _ problem: String?) throws -> Void
  ) throws {
    let head = try openSource(file.path)
    var first = [UInt8](repeating: 0, count: 64)
    let count = try first.withUnsafeMutableBytes { try head.read(into: $0) }
    let start = first[..<count].drop { $0 == 0xEF || $0 == 0xBB || $0 == 0xBF || $0 == 32 || $0 == 10 || $0 == 13 }
    if start.starts(with: Array("PAR1".utf8)) { throw parquet(file) }
    if start.first == UInt8(ascii: "{") || start.isEmpty { try readJSON(file, body) } else { try readCSV(file, body) }
  }

  private static func parquet(_ file: ArtifactFile) -> StageError {
    StageError(
      .input, file.path, "is a Parquet file; rows must be JSON lines or CSV",
      hint: "Convert it with DuckDB: COPY (FROM '\(file.name)') TO 'rows.jsonl.gz' (FORMAT json, COMPRESSION gzip).")
  }

  private static func readJSON(
    _ file: ArtifactFile, _ body: (CodeRow, Int, Int, String?) throws -> Void
  ) throws {
    let lines = LineReader(try openSource(file.path), maximumLineBytes: 16 << 20)
    let json = JSONObjectReader()
    while let line = try lines.next() {
      if line.isEmpty { continue }
      var row = CodeRow()
      let problem = json.read(padded: line) { field in
        guard field.kind != .null, let column = CodeRow.Column(field.key) else { return }
        row.set(column, field.value)
      }
      try body(row, lines.number, line.count, problem ?? row.problem)
    }
  }

  private static func readCSV(_ file: ArtifactFile, _ body: (CodeRow, Int, Int, String?) throws -> Void) throws {
    let reader = CSVReader(try openSource(file.path))
    guard let header = try reader.next() else { return }
    let columns = (0..<header.count).map { CodeRow.Column(header[$0]) }
    let missing = [CodeRow.Column.blob, .bytes].filter { !columns.contains($0) }.map(\.rawValue)
    guard missing.isEmpty else {
      throw StageError(
        .input, file.path, "its header has no column \(missing.joined(separator: " and no column "))",
        hint: "Give JSON lines, or CSV with the column names of The Stack v2.")
    }
    while let record = try reader.next() {
      var row = CodeRow()
      var bytes = 0
      for index in 0..<min(record.count, columns.count) {
        bytes += record[index].count
        if let column = columns[index], !record[index].isEmpty { row.set(column, record[index]) }
      }
      let problem = record.count == columns.count ? row.problem : "it has \(record.count) fields, not \(columns.count)"
      try body(row, reader.number, bytes, problem)
    }
  }
}
