import PipelineKit
import ShardKit

/// How frames carry documents and verdicts.
enum FrameFormat: String, CaseIterable, OptionChoice {
  /// A JSON line per document.
  case json
  /// An Arrow IPC stream.
  case arrow

  /// The kind of the first frame of a program that speaks it.
  var greeting: String { self == .json ? "ready" : "ready-arrow" }
}

/// Frames with Arrow IPC streams: a column of text per member of a document, and of a verdict a column per member.
enum ArrowFrame {
  private static let subject = "\"frames\": \"arrow\""
  private static let columns = ["id", "text", "source", "metadata", "added", "created", "version"]

  /// - Throws: `ShardError` (`.unsupported`) without the Parquet library.
  static func requireLibrary() throws { _ = try ParquetLibrary.require(for: subject) }

  static func encode(_ documents: [Document]) throws -> [UInt8] {
    let batch = try ArrowBatch(columns, for: subject)
    for document in documents {
      let optional = [document.metadata, document.added, document.created, document.version]
      for (number, text) in [document.id, document.text, document.source].enumerated() {
        batch.append(text, to: number)
      }
      for (number, text) in optional.enumerated() { batch.append(text.isEmpty ? nil : text, to: 3 + number) }
    }
    return try batch.stream()
  }
}

/// Reads verdicts from an Arrow IPC stream.
final class ArrowVerdictReader {
  private enum Column: Int, CaseIterable {
    case id, keep, text, metadata, drop, value, threshold, detail, documents, error, metrics
  }

  private let json = JSONObjectReader()
  /// What is wrong with the row at hand.
  private var wrong: String?
  /// Its nested members, as one object.
  private var nested: [UInt8] = []

  /// Calls `body` with each verdict in order, until it says that something is wrong.
  /// - Parameters:
  ///   - count: how many there should be.
  ///   - mostBytes: of the frame once it is unpacked, and of a row.
  /// - Returns: what is wrong with the frame; nil if nothing is.
  func read(
    _ frame: UnsafeRawBufferPointer, count: Int, mostBytes: Int, _ body: (Int, ProgramVerdict) throws -> String?
  ) throws -> String? {
    var place = 0
    do {
      let rows = try ParquetRows(stream: frame, columns: Column.allCases.map { "\($0)" }, maximumBytes: mostBytes)
      while case let found = try rows.next(), found > 0 {
        guard place + found <= count else { return "it has more verdicts than the \(count) documents" }
        for row in 0..<found {
          let problem = try read(Row(rows: rows, number: row)) { try body(place, $0) }
          if let problem { return "verdict \(place + 1): \(problem)" }
          place += 1
        }
      }
    } catch let error as ShardError where error.subject == ParquetRows.streamName {
      return "it cannot be read as an Arrow stream of verdicts: \(error.message)"
    }
    return place == count ? nil : "it has \(place) verdicts for \(count) documents"
  }

  private struct Row {
    let rows: ParquetRows
    let number: Int

    func value(_ column: Column) -> (bytes: UnsafeRawBufferPointer, kind: ParquetRows.Kind) {
      rows.value(number, of: column.rawValue)
    }
  }

  /// The verdict of a row: the first of `error`, `drop` and `documents` counts, else the changes.
  private func read(_ row: Row, _ body: (ProgramVerdict) throws -> String?) throws -> String? {
    wrong = nil
    nested.removeAll(keepingCapacity: true)
    var verdict = ProgramVerdict()
    verdict.id = text(row, .id)
    verdict.error = text(row, .error)
    if verdict.error == nil { verdict.drop = drop(row) }
    if verdict.error == nil, verdict.drop == nil, wrong == nil, !gather(row, .documents) {
      verdict.text = text(row, .text)
      _ = gather(row, .metadata)
      verdict.keeps = keeps(row) ?? true
    }
    _ = gather(row, .metrics)
    if nested.isEmpty { return try wrong ?? verdict.problem ?? body(verdict) }
    nested.append(UInt8(ascii: "}"))
    let end = nested.count
    nested.append(contentsOf: repeatElement(0, count: JSONObjectReader.padding))
    return try nested.withUnsafeBytes { padded in
      let problem = take(UnsafeRawBufferPointer(rebasing: padded[..<end]), &verdict)
      return try wrong ?? problem ?? verdict.problem ?? body(verdict)
    }
  }

  // MARK: Members

  private func text(_ row: Row, _ column: Column) -> UnsafeRawBufferPointer? {
    let (bytes, kind) = row.value(column)
    if kind == .string { return bytes }
    if kind != .null { wrong = wrong ?? "its \"\(column)\" is not text" }
    return nil
  }

  private func keeps(_ row: Row) -> Bool? {
    let (bytes, kind) = row.value(.keep)
    if kind == .bool { return bytes.first == UInt8(ascii: "t") }
    if kind != .null { wrong = wrong ?? "its \"keep\" is not true or false" }
    return nil
  }

  private func number(_ row: Row, _ column: Column) -> Double? {
    let (bytes, kind) = row.value(column)
    if kind == .number, let number = parseDecimal(bytes) { return number }
    if kind != .null { wrong = wrong ?? "its \"\(column)\" is not a number" }
    return nil
  }

  private func drop(_ row: Row) -> DropReason? {
    guard let name = text(row, .drop).map({ String(decoding: $0, as: UTF8.self) }) else { return nil }
    guard DropReason.isName(name) else {
      wrong = wrong ?? "its \"drop\" is not a reason of 1 to 64 letters, digits, dots, dashes or underscores"
      return nil
    }
    let detail = text(row, .detail).map { DropReason.shortened(String(decoding: $0, as: UTF8.self)) }
    return DropReason(name, value: number(row, .value), threshold: number(row, .threshold), detail: detail)
  }

  // MARK: Nested members

  /// Adds an object or a list to `nested`: JSON as a text, or a nested column.
  /// - Returns: false if there is none.
  private func gather(_ row: Row, _ column: Column) -> Bool {
    let (bytes, kind) = row.value(column)
    guard kind == .string || kind == .other else {
      if kind != .null { wrong = wrong ?? "its \"\(column)\" is not JSON" }
      return kind != .null
    }
    nested.append(UInt8(ascii: nested.isEmpty ? "{" : ","))
    nested.append(contentsOf: "\"\(column)\":".utf8)
    nested.append(contentsOf: bytes)
    return true
  }

  /// Takes the members of `nested`, which stays until the verdict has been used.
  private func take(_ padded: UnsafeRawBufferPointer, _ verdict: inout ProgramVerdict) -> String? {
    var wrong: String?
    var seen: Set<Column> = []
    let problem = json.read(padded: padded) { field in
      func slice(_ column: Column, _ kind: JSONObjectReader.Kind) -> UnsafeRawBufferPointer? {
        let isFirst = seen.insert(column).inserted
        if field.kind == kind, isFirst { return field.value }
        wrong = wrong ?? "its \"\(column)\" is not \(kind == .array ? "a list" : "an object")"
        return nil
      }
      if field.has(key: "metadata") {
        verdict.metadata = slice(.metadata, .object)
      } else if field.has(key: "documents") {
        verdict.documents = slice(.documents, .array)
      } else if field.has(key: "metrics") {
        verdict.metrics = slice(.metrics, .object)
      } else {
        wrong = wrong ?? "it has an unknown member \"\(Frame.shown(field.key))\""
      }
    }
    return problem ?? wrong
  }
}
