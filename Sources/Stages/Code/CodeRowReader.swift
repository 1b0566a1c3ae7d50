import PipelineKit
import ShardKit

/// Reads rows from Parquet, JSON lines or CSV, distinguished by the first bytes that are not white space.
enum CodeRowReader {
  /// Calls `body` with every row and its number, or with its problem.
  /// - Parameter part: the row groups of a Parquet file to read; nil: all.
  static func forEachRow(
    of file: ArtifactFile, _ part: ParquetPart? = nil,
    _ body: (_ row: CodeRow, _ number: Int, _ bytes: Int, _ problem: String?) throws -> Void
  ) throws {
    let head = try openSource(file.path)
    var first = [UInt8](repeating: 0, count: 64)
    let count = try first.withUnsafeMutableBytes { try head.read(into: $0) }
    let start = first[..<count].drop { $0 == 0xEF || $0 == 0xBB || $0 == 0xBF || $0 == 32 || $0 == 10 || $0 == 13 }
    if try ParquetFile.isOne(file.path) {
      let columns = Set(CodeRow.Column.allCases.map(\.rawValue))
      let rows = try ParquetLines(file.path, columns: columns, groups: part.map { $0.from..<$0.to })
      try readJSON(rows, after: part?.firstRow ?? 0, body)
    } else if start.first == UInt8(ascii: "{") || start.isEmpty {
      try readJSON(openSource(file.path), body)
    } else {
      try readCSV(file, body)
    }
  }

  private static func readJSON(
    _ source: any ByteSource, after first: Int = 0, _ body: (CodeRow, Int, Int, String?) throws -> Void
  ) throws {
    let lines = LineReader(source, maximumLineBytes: 16 << 20)
    let json = JSONObjectReader()
    while let line = try lines.next() {
      if line.isEmpty { continue }
      var row = CodeRow()
      let problem = json.read(padded: line) { field in
        guard field.kind != .null, let column = CodeRow.Column(field.key) else { return }
        row.set(column, field.value)
      }
      try body(row, first + lines.number, line.count, problem ?? row.problem)
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
