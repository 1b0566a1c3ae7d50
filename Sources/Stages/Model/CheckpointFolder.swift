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

  /// The step of a checkpoint's folder.
  static func step(ofFolder path: String) -> Int? {
    TrainingCheckpoint.step(ofFolder: ArchivePath.lastPart(of: path))
  }
}
