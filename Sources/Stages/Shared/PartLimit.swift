import PipelineKit
import ShardKit

/// The number of parts in which files are read apart: each is a task, which a run plans, records and lists.
enum PartLimit {
  static let mostParts: Int64 = 1_000_000

  /// - Parameters:
  ///   - files: those that are divided.
  ///   - bytes: of a part.
  /// - Throws: `StageError` (`.options`) if there would be too many.
  static func check(_ files: [ArtifactFile], each bytes: Int, option: String) throws(StageError) {
    let parts = files.reduce(0) { $0 + LinePart.most(ofBytes: $1.bytes, each: Int64(bytes)) }
    guard parts > mostParts else { return }
    let all = files.reduce(0) { $0 + $1.bytes }
    throw StageError(
      .options, option,
      "parts of \(bytes) bytes are too small for files of \(all) bytes: there would be \(parts) of them, and each is a task",
      hint: "Give at least \(2 * all / mostParts) bytes, which make half a million parts.")
  }
}
