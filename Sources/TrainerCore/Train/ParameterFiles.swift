public import ShardKit

/// Weights and moments between devices and safetensors files.
extension Parameters {
  /// Loads the weights of a folder with `weights.safetensors`; each parameter must be there.
  /// - Throws: `ShardError` if the file cannot be read or lacks a tensor; `TorchError` (`file`) if a shape differs.
  public func load(folder: String) throws { try load(try SafetensorsFile("\(folder)/\(ModelShape.weightsName)")) }

  func load(_ file: SafetensorsFile) throws {
    try load { shape throws(TorchError) in try Self.values(shape, in: file) }
  }

  private static func values(_ shape: ParameterShape, in file: SafetensorsFile) throws(TorchError) -> [Float] {
    do {
      let entry = try file.entry(shape.name)
      guard entry.shape == shape.shape else {
        throw TorchError(
          .file, file.path, "'\(shape.name)' is \(entry.shape), the model's is \(shape.shape)",
          hint: "Use the options of the model that the weights belong to.")
      }
      return try file.floats(of: shape.name)
    } catch let error as TorchError {
      throw error
    } catch { throw TorchError(.file, file.path, "\(error)") }
  }

  /// Weights and moments of a checkpoint.
  func load(_ checkpoint: TrainingCheckpoint, _ optimizer: Optimizer) throws {
    try load(checkpoint.weights)
    for (list, kind) in [(optimizer.first, "first"), (optimizer.second, "second")] {
      for (number, (shape, tensor)) in zip(shapes, list.tensors).enumerated() {
        if kind == "second", optimizer.kinds[number] == .muon { continue }
        guard checkpoint.optimizer["\(kind)/\(shape.name)"] != nil else {
          throw TorchError(
            .file, checkpoint.folder, "the optimizer's state has no averages of '\(shape.name)' for AdamW",
            hint: "It is of a training with Muon: continue with \"optimizer\": \"muon\", or begin from its weights with"
              + " 'checkpoint'.")
        }
        let values = try checkpoint.optimizer.floats(of: "\(kind)/\(shape.name)")
        guard values.count == shape.count else {
          throw TorchError(.file, checkpoint.folder, "the moments of '\(shape.name)' have another size")
        }
        try values.withUnsafeBytes { bytes in Result { () throws(TorchError) in try tensor.write(bytes) } }.get()
      }
    }
    checkpoint.weights.release()
    checkpoint.optimizer.release()
  }

  /// The weights as sources of a file, copied to the host now.
  /// - Throws: `TorchError` (`operation`) if the copy fails.
  public func sources() throws(TorchError) -> [TensorSource] { try Self.sources(shapes, masterWeights, prefix: "") }

  static func sources(
    _ shapes: [ParameterShape], _ list: TensorList, prefix: String
  ) throws(TorchError) -> [TensorSource] {
    var sources: [TensorSource] = []
    for (shape, tensor) in zip(shapes, list.tensors) {
      sources.append(TensorSource(prefix + shape.name, shape: shape.shape, floats: try tensor.floats()))
    }
    return sources
  }
}

extension Optimizer {
  /// The contents of a checkpoint, copied to the host now and written later.
  func contents(_ state: CheckpointState) throws(TorchError) -> CheckpointContents {
    // Muon has no squares.
    let squared = kinds.indices.filter { kinds[$0] != .muon }
    return CheckpointContents(
      state: state, weights: try parameters.sources(),
      optimizer: try Parameters.sources(parameters.shapes, first, prefix: "first/")
        + Parameters.sources(squared.map { parameters.shapes[$0] }, second.only(squared), prefix: "second/"))
  }
}
