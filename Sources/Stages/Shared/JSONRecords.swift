import PipelineKit
import ShardKit

/// JSON lines that a user's file holds, one record per line.
enum JSONRecords {
  /// Calls `body` with each record and the number of its line, from 1. Empty lines are passed over.
  /// - Throws: `StageError` (`input`) if a line is not JSON; `ShardError` if the file cannot be read or a line is longer than
  ///   `maximumLineBytes`.
  static func forEach(
    _ file: ArtifactFile, maximumLineBytes: Int, _ body: (JSONValue, Int) throws -> Void
  ) throws {
    let lines = LineReader(try openLines(file.path), maximumLineBytes: maximumLineBytes)
    while let line = try lines.next() {
      guard !line.isEmpty else { continue }
      let json: JSONValue
      do { json = try JSONValue.parse(Array(line)).value } catch {
        throw StageError(
          .input, "\(file.name):\(lines.number)", "is not JSON at byte \(error.offset): \(error.message)")
      }
      try body(json, lines.number)
    }
  }
}
