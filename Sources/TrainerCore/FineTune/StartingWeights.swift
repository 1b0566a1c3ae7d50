import ShardKit

/// The weights that fine-tuning begins from: a checkpoint's encoder with its pooler, if it has one.
///
/// Only new layers are drawn at random: the head's output layer, unless the checkpoint was fine-tuned for the same
/// task, and the pooler of a model that was trained without one. Any other missing tensor is an error.
struct StartingWeights {
  private let shape: ModelShape
  private let weights: SafetensorsFile
  private let task: TunedTask?

  init(_ folder: String, _ shape: ModelShape) throws {
    self.shape = shape
    weights = try SafetensorsFile("\(folder)/\(ModelShape.weightsName)")
    let path = "\(folder)/\(TunedTask.fileName)"
    task = FileSystem.exists(path) ? try TunedTask(tuned: path) : nil
  }

  /// Whether the parameter is drawn at random.
  func isNew(_ parameter: ParameterShape, for task: TunedTask) -> Bool {
    if task.head.answerParameters(shape).contains(parameter) { return task != self.task }
    let pooler = shape.poolerParameters
    return pooler.contains(parameter) && !pooler.contains { weights[$0.name] != nil }
  }

  func load(_ parameters: Parameters, for task: TunedTask) throws {
    let kept = parameters.shapes.filter { !isNew($0, for: task) }
    let missing = kept.filter { weights[$0.name] == nil }.map(\.name)
    guard missing.isEmpty else {
      throw TorchError(
        .file, weights.path,
        "has no tensor '\(missing[0])'" + (missing.count > 1 ? " and \(missing.count - 1) others" : ""),
        hint: "model.json requires it. Fine-tuning does not begin from random weights.")
    }
    let names = Set(kept.map(\.name))
    try parameters.load { [weights] parameter throws(TorchError) in
      guard names.contains(parameter.name) else { return nil }
      do {
        let entry = try weights.entry(parameter.name)
        guard entry.shape == parameter.shape else {
          throw TorchError(
            .file, weights.path, "'\(parameter.name)' is of shape \(entry.shape), the model requires \(parameter.shape)"
          )
        }
        return try weights.floats(of: parameter.name)
      } catch let error as TorchError { throw error } catch { throw TorchError(.file, "", "\(error)") }
    }
    weights.release()
  }
}
