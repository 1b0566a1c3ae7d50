import PipelineKit
import ShardKit

/// Dropped documents by stage and reason, with what was measured, and without any of their text.
struct DropExamples {
  struct Example: Equatable {
    var id: String
    var value: Double?
    var threshold: Double?
    var survivor: String?

    var json: JSONValue {
      [
        "id": .string(id), "value": value.map { .number($0) } ?? .null,
        "threshold": threshold.map { .number($0) } ?? .null, "survivor": survivor.map { .string($0) } ?? .null,
      ]
    }
  }

  private var examples: [String: [String: [Example]]] = [:]
  /// Lines that are read of a file at most.
  private static let mostLines = 10_000

  init() {}

  func of(_ stage: String, _ reason: String) -> [Example] { examples[stage]?[reason] ?? [] }

  /// - Parameter files: named `STAGE/FILE`.
  /// - Throws: `ShardError` if a file cannot be read.
  static func read(_ files: [ArtifactFile], each count: Int) throws -> DropExamples {
    var out = DropExamples()
    guard count > 0 else { return out }
    for file in files {
      let stage = String(file.name.prefix { $0 != "/" })
      let lines = LineReader(try openSource(file.path))
      while lines.number < mostLines, let line = try lines.next() {
        guard let json = try? JSONValue.parse(Array(line)).value, let id = json["id"]?.string,
          let reason = json["reason"]?.string, out.of(stage, reason).count < count
        else { continue }
        out.examples[stage, default: [:]][reason, default: []].append(
          Example(
            id: id, value: json["value"]?.double, threshold: json["threshold"]?.double,
            survivor: json["survivor"]?.string))
      }
    }
    return out
  }
}
