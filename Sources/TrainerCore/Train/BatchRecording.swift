import ShardKit

/// The first steps of a training as files, for comparison with another implementation: the initial weights, and each
/// step's learning rate and masked batch.
///
/// `weights.safetensors`, and `step-1.safetensors` and so on with `rate` [1], `ids` [samples, length], `lengths`
/// [samples], `positions` and `labels` [masked].
public enum BatchRecording {
  /// - Throws: `ShardError` if the data cannot be read or the files not written; `TorchError` if microbatches of a step
  ///   differ in length.
  public static func write(_ job: TrainingJob, steps: Int, engine: Engine, to folder: String) throws {
    try FileSystem.makeDirectory(folder)
    let parameters = try Parameters(
      job.shape.parameters, engine: engine, device: .cpu, seed: UInt64(job.seed),
      deviation: job.shape.initialDeviation(of:), padding: job.shape.padding)
    if let initial = job.initial { try parameters.load(folder: initial) }
    try Safetensors.write(parameters.sources(), to: "\(folder)/\(ModelShape.weightsName)")
    let batches = try TrainingRun.batches(job, ProcessRank())
    for step in 1...max(1, steps) {
      var whole: [Microbatch] = []
      for _ in 0..<batches.microbatchesPerStep { if let batch = try batches.next() { whole.append(batch) } }
      let learningRate = Float(job.learningRate(after: step - 1))
      try Safetensors.write(try sources(whole, learningRate: learningRate), to: "\(folder)/step-\(step).safetensors")
    }
  }

  private static func sources(_ batches: [Microbatch], learningRate: Float) throws(TorchError) -> [TensorSource] {
    guard let length = batches.first?.length, batches.allSatisfy({ $0.length == length }) else {
      throw TorchError(.file, "", "the microbatches of a step differ in length", hint: "Pack the samples.")
    }
    var ids: [Int32] = [], lengths: [Int32] = [], positions: [Int64] = [], labels: [Int64] = []
    for batch in batches {
      positions += batch.positions.map { $0 + Int64(ids.count) }
      labels += batch.labels
      ids += batch.ids
      lengths += batch.lengths
    }
    func source<E>(_ name: String, _ type: Safetensors.ElementType, _ shape: [Int], _ values: [E]) -> TensorSource {
      TensorSource(name, type, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
    }
    return [
      source("ids", .int32, [lengths.count, length], ids), source("lengths", .int32, [lengths.count], lengths),
      source("positions", .int64, [positions.count], positions), source("labels", .int64, [labels.count], labels),
      source("rate", .float32, [1], [learningRate]),
    ]
  }
}
