import PipelineKit
import ShardKit
import TrainerCore

/// Kept checkpoints as an artifact: `step-00001000/state.json` with weights and moments beside it, and the model's shape.
enum CheckpointFolder {
  /// Of a file's name within the artifact; nil for a file of no checkpoint.
  static func step(of name: String) -> Int? {
    guard let slash = name.utf8.firstIndex(of: 0x2F) else { return nil }
    return TrainingCheckpoint.step(ofFolder: String(name[..<slash]))
  }

  /// Of a checkpoint's own folder.
  static func step(ofFolder path: String) -> Int? {
    TrainingCheckpoint.step(ofFolder: ArchivePath.lastPart(of: path))
  }
}
