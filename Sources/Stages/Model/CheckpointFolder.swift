import PipelineKit
import ShardKit
import TrainerCore

/// Kept checkpoints as an artifact: `step-00001000/state.json` next to weights and moments, and the model's shape.
enum CheckpointFolder {
  /// The step of a file's name within the artifact; nil if the file is not part of a checkpoint.
  static func step(of name: String) -> Int? {
    guard let slash = name.utf8.firstIndex(of: 0x2F) else { return nil }
    return TrainingCheckpoint.step(ofFolder: String(name[..<slash]))
  }

  /// Which of the checkpoints had the lowest loss on held-out tokens.
  struct Best: JSONRecord {
    var step: Int
    /// In nats.
    var loss: Double
    /// The training's `keepEverySteps`; nil of trainings of former releases.
    var keepEverySteps: Int?
  }

  static let bestName = "best.json"

  /// nil if the artifact does not say.
  static func best(_ files: [ArtifactFile]) throws -> Best? {
    try files.first { $0.name == bestName }.map { try Best(jsonFile: $0.path) }
  }

  /// The step of a checkpoint's folder.
  static func step(ofFolder path: String) -> Int? {
    TrainingCheckpoint.step(ofFolder: ArchivePath.lastPart(of: path))
  }
}
