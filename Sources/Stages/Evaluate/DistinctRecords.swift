import PipelineKit
import ShardKit
import TrainerCore

/// Checks that every record of a collection has a unique id, since a repeated record would count twice.
enum DistinctRecords {
  /// Reads the files once, and again only if two ids have the same hash.
  /// - Returns: the number of records.
  @discardableResult
  static func check(_ files: [ArtifactFile], _ name: String) throws -> Int {
    var seen: Set<UInt64> = []
    var twice: Set<UInt64> = []
    var count = 0
    try forEach(files) { id, place in
      guard !id.isEmpty else {
        throw StageError(.input, place, "has no id", hint: "Give each record of '\(name)' an \"id\" or \"_id\".")
      }
      count += 1
      let hash = recordHash(id)
      if !seen.insert(hash).inserted { twice.insert(hash) }
    }
    guard !twice.isEmpty else { return count }
    var places: [ExactText: String] = [:]
    try forEach(files) { id, place in
      guard twice.contains(recordHash(id)) else { return }
      guard let before = places.updateValue(place, forKey: ExactText(id)) else { return }
      throw StageError(
        .input, place, "the id '\(id)' occurs twice in '\(name)': also in \(before)",
        hint: "Give each record a unique id, or remove repeated ones.")
    }
    return count
  }

  private static func forEach(_ files: [ArtifactFile], _ body: (String, String) throws -> Void) throws {
    for file in files {
      try TextRecord.forEach(file.path) { record, line in try body(record.id, "\(file.name):\(line)") }
    }
  }

  private static func recordHash(_ id: String) -> UInt64 {
    Array(id.utf8).withUnsafeBytes { ShardKit.recordHash($0) }
  }
}
