import PipelineKit
import ShardKit
import TrainerCore

/// A checkpoint artifact as stages read it: `model.json` and `weights.safetensors`.
enum CheckpointInput {
  static let port = Input<Checkpoint>("checkpoint", "The model: model.json and weights.safetensors.")

  /// The files that a task needs of the artifact, the shape first.
  static func files(_ context: PlanningContext) throws -> [ArtifactFile] {
    try [ModelShape.fileName, ModelShape.weightsName].map { name in
      let named = context.files(port).filter { $0.name == name }
      guard named.count == 1 else { throw StageError(.input, "inputs.checkpoint", "has no \(name)") }
      return named[0]
    }
  }

  static func shape(_ workspace: Workspace) throws -> ModelShape {
    try ModelShape(path: try file(ModelShape.fileName, workspace))
  }

  /// The weights, of which every one that the shape asks for is there in its size.
  static func weights(_ workspace: Workspace, _ shape: ModelShape) throws -> SafetensorsFile {
    let file = try SafetensorsFile(try file(ModelShape.weightsName, workspace))
    for parameter in shape.parameters {
      let entry = try file.entry(parameter.name)
      guard entry.shape == parameter.shape else {
        throw StageError(
          .input, file.path, "'\(parameter.name)' is of shape \(entry.shape), the model asks for \(parameter.shape)")
      }
    }
    return file
  }

  private static func file(_ name: String, _ workspace: Workspace) throws -> String {
    guard let file = workspace.task.files.first(where: { $0.name == name }) else {
      throw StageError(.input, "inputs.checkpoint", "has no \(name)")
    }
    return file.path
  }
}
