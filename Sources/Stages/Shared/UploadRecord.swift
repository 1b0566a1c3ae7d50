import PipelineKit
import ShardKit

/// The result of uploading one file: a line of `uploaded.jsonl`.
struct UploadRecord: JSONRecord, Equatable, Sendable {
  enum Action: String, Codable, Sendable {
    case sent
    /// It existed with the same content.
    case skipped
    /// In a dry run.
    case wouldSend = "would-send"
    case wouldReplace = "would-replace"
  }

  private enum CodingKeys: String, CodingKey {
    case place = "key"
    case name, bytes
    case digest = "sha256"
    case etag, action
  }

  var place: String
  /// The name relative to the destination.
  var name: String
  var bytes: Int64
  var digest: Digest
  /// S3 only.
  var etag: String?
  var action: Action

  init(_ item: UploadPlan.Item, place: String, etag: String? = nil, _ action: Action) {
    name = item.name
    self.place = place
    bytes = item.file.bytes
    digest = item.file.digest
    self.etag = etag
    self.action = action
  }

  private var line: [UInt8] { Array(json.text().utf8) + [10] }

  static func read(_ path: String) throws -> [UploadRecord] {
    var out: [UploadRecord] = []
    let lines = LineReader(try openSource(path))
    while let line = try lines.next() {
      guard let record = try? UploadRecord(json: JSONValue.parse(Array(line)).value) else {
        throw StageError(.input, path, "contains an invalid upload record", hint: "Run with --force.")
      }
      out.append(record)
    }
    return out
  }

  static func write<K>(_ records: [UploadRecord], to output: Output<K>, name: String, _ workspace: Workspace) throws {
    let sorted = records.sorted { $0.place.utf8.lexicographicallyPrecedes($1.place.utf8) }
    try workspace.write(output, name: name, sorted.flatMap(\.line))
  }

  /// Writes the stage's report and its metrics.
  static func report(_ records: [UploadRecord], to output: Output<Report>, _ workspace: Workspace) throws {
    try write(records, to: output, name: "uploaded.jsonl", workspace)
    for action in Set(records.map(\.action)) {
      let alike = records.filter { $0.action == action }
      workspace.metric("\(action.rawValue)Files", Double(alike.count))
      workspace.metric("\(action.rawValue)Bytes", Double(alike.reduce(0) { $0 + $1.bytes }))
    }
  }
}
