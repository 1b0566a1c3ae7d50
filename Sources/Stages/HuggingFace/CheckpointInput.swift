import PipelineKit
import ShardKit
import TrainerCore

/// A checkpoint artifact as stages read it: `model.json`, `weights.safetensors`, and `task.json` if it was fine-tuned.
enum CheckpointInput {
  static let port = Input<Checkpoint>("checkpoint", "The model: model.json and weights.safetensors.")
  /// The role of the checkpoint's files among a task's inputs.
  static let role: TaskInputs.Role = "checkpoint"

  /// The files of the artifact that a task needs: the shape first, then the weights.
  static func files(_ context: PlanningContext) throws -> [ArtifactFile] {
    let files = context.files(port)
    let needed = try [ModelShape.fileName, ModelShape.weightsName].map { name in
      let named = files.filter { $0.name == name }
      guard named.count == 1 else { throw missing(name) }
      return named[0]
    }
    return needed + files.filter { [TunedTask.fileName, EmbeddingSettings.fileName].contains($0.name) }
  }

  /// The size of the weights in `files`, from which tasks estimate their memory.
  static func weightsBytes(_ files: [ArtifactFile]) -> Int {
    Int(files.first { $0.name == ModelShape.weightsName }?.bytes ?? 0)
  }

  static func shape(_ workspace: Workspace) throws -> ModelShape {
    try ModelShape(path: try file(ModelShape.fileName, workspace))
  }

  /// The folder that holds the shape and the weights.
  static func folder(_ workspace: Workspace) throws -> String {
    String(try file(ModelShape.fileName, workspace).dropLast(ModelShape.fileName.count + 1))
  }

  /// How the model makes vectors; nil if it was not trained to.
  static func embedding(_ workspace: Workspace) throws -> EmbeddingSettings? {
    try workspace.files(role).first { $0.name == EmbeddingSettings.fileName }.map {
      try EmbeddingSettings(path: $0.path)
    }
  }

  /// - Throws: `StageError` (`options`) if the model has no pooler and is asked for one.
  static func check(_ pooling: Pooling, _ workspace: Workspace) throws {
    guard pooling == .pooler, try !shape(workspace).hasVectorPooler else { return }
    throw StageError(
      .options, "pooling", "is pooler, which a ModernBERT does not have",
      hint: "Choose mean or cls.")
  }

  /// Everything that the checkpoint holds. Each part is complete.
  static func parts(_ workspace: Workspace) throws -> CheckpointParts {
    let weights = try SafetensorsFile(try file(ModelShape.weightsName, workspace))
    let task = workspace.files(role).first { $0.name == TunedTask.fileName }
    return try CheckpointParts(shape(workspace), weights, try task.map { try TunedTask(tuned: $0.path) })
  }

  private static func file(_ name: String, _ workspace: Workspace) throws -> String {
    guard let file = workspace.files(role).first(where: { $0.name == name }) else { throw missing(name) }
    return file.path
  }

  private static func missing(_ name: String) -> StageError {
    StageError(.input, "inputs.checkpoint", "has no \(name)")
  }
}

/// An encoder and what a checkpoint adds to it: the masked-language head, a pooler, or the head of a task.
struct CheckpointParts {
  let shape: ModelShape
  let weights: SafetensorsFile
  /// The task that it was fine-tuned for.
  let task: TunedTask?
  let hasLanguageHead: Bool
  /// All parameters; each one is present and has the right shape.
  let parameters: [ParameterShape]

  init(_ shape: ModelShape, _ weights: SafetensorsFile, _ task: TunedTask?) throws {
    func holds(_ parameters: [ParameterShape]) -> Bool { parameters.contains { weights[$0.name] != nil } }
    self.shape = shape
    self.weights = weights
    self.task = task
    hasLanguageHead = task == nil && holds(shape.languageParameters)
    var parameters = shape.encoderParameters
    if hasLanguageHead { parameters += shape.headParameters }
    if let task {
      parameters += task.head.parameters(shape)
    } else if holds(shape.poolerParameters), !parameters.contains(where: shape.poolerParameters.contains) {
      parameters += shape.poolerParameters
    }
    self.parameters = parameters
    for parameter in parameters {
      let entry = try weights.entry(parameter.name)
      guard entry.shape == parameter.shape else {
        throw StageError(
          .input, weights.path,
          "'\(parameter.name)' has the shape \(entry.shape); the model requires \(parameter.shape)")
      }
    }
  }
}

extension FineTuningJob {
  /// Publishes the shape of the task's checkpoint and the weights that the job has written.
  /// - Parameter folder: of their names, with its slash.
  func publishModel(_ workspace: Workspace, to output: Output<Checkpoint>, folder: String = "") throws {
    let shape = try CheckpointInput.shape(workspace)
    try workspace.write(output, name: folder + ModelShape.fileName, Array(shape.json.prettyText().utf8))
    let file = try workspace.file(output, folder + ModelShape.weightsName)
    try file.copy(from: try openSource("\(self.output)/\(ModelShape.weightsName)"))
    try workspace.publish(output, file, name: folder + ModelShape.weightsName)
  }
}
