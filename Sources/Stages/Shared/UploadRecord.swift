import PipelineKit
import ShardKit

/// What became of a file of an upload: a line of `uploaded.jsonl`.
struct UploadRecord: Equatable, Sendable {
  enum Action: String, Sendable {
    case sent
    /// It was there with the same content.
    case skipped
    /// By a dry run.
    case wouldSend = "would-send"
    case wouldReplace = "would-replace"
  }

  /// The name below the destination.
  var name: String
  var place: String
  var bytes: Int64
  var digest: Digest
  /// Of S3.
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

  private init?(_ json: JSONValue) {
    guard let name = json["name"]?.string, let place = json["key"]?.string, let bytes = json["bytes"]?.integer,
      let digest = json["sha256"]?.string.flatMap(Digest.init(hex:)),
      let action = json["action"]?.string.flatMap(Action.init(rawValue:))
    else { return nil }
    self.name = name
    self.place = place
    self.bytes = Int64(bytes)
    self.digest = digest
    etag = json["etag"]?.string
    self.action = action
  }

  private var line: [UInt8] {
    var members = [
      JSONMember("key", .string(place)), JSONMember("name", .string(name)), JSONMember("bytes", .integer(Int(bytes))),
      JSONMember("sha256", .string(digest.hex)),
    ]
    if let etag { members.append(JSONMember("etag", .string(etag))) }
    members.append(JSONMember("action", .string(action.rawValue)))
    return Array(JSONValue.object(members).text().utf8) + [10]
  }

  static func read(_ path: String) throws -> [UploadRecord] {
    var out: [UploadRecord] = []
    let lines = LineReader(try openSource(path))
    while let line = try lines.next() {
      guard let record = UploadRecord(try JSONValue.parse(Array(line)).value) else {
        throw StageError(.input, path, "a line is no record of an upload", hint: "Run with --force.")
      }
      out.append(record)
    }
    return out
  }

  static func write<K>(_ records: [UploadRecord], to output: Output<K>, name: String, _ workspace: Workspace) throws {
    let sorted = records.sorted { $0.place.utf8.lexicographicallyPrecedes($1.place.utf8) }
    try workspace.write(output, name: name, sorted.flatMap(\.line))
  }

  /// The stage's report, with its figures.
  static func report(_ records: [UploadRecord], to output: Output<Report>, _ workspace: Workspace) throws {
    try write(records, to: output, name: "uploaded.jsonl", workspace)
    for action in Set(records.map(\.action)) {
      let alike = records.filter { $0.action == action }
      workspace.metric("\(action.rawValue)Files", Double(alike.count))
      workspace.metric("\(action.rawValue)Bytes", Double(alike.reduce(0) { $0 + $1.bytes }))
    }
  }
}
