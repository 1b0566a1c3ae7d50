import PipelineKit
import ShardKit
import TrainerCore

/// Main memory of tasks that run the model wired to a stage, beside its weights. That of a GPU is the GPU's own: 0.
extension ComputeOptions {
  /// Of texts that become vectors.
  func bytes(ofEncoding encoder: EncoderOptions, _ context: PlanningContext) throws -> Int {
    try bytes(context) { shape, files in
      let settings = try files.first { $0.name == EmbeddingSettings.fileName }.map {
        try EmbeddingSettings(path: $0.path)
      }
      return HostMemory(encoding: shape, length: encoder.length(shape, settings)).encoding
    }
  }

  /// Of texts that a head scores.
  /// - Parameter maximumLength: of a text; 0: that of `task.json`.
  func bytes(ofScoring maximumLength: Int, _ context: PlanningContext) throws -> Int {
    try bytes(context) { shape, files in
      let task = files.first { $0.name == TunedTask.fileName }
      let own = try task.map { try TunedHead.maximumLength(path: $0.path) } ?? 0
      let length = shape.length(atMost: maximumLength > 0 ? maximumLength : own)
      return HostMemory(encoding: shape, length: length).encoding
    }
  }

  /// Of a fine-tuning, and of what it scores.
  /// - Parameters:
  ///   - sequences: of a step.
  ///   - microbatch: sequences that go through the model at once; 0: those of a step.
  func bytes(
    ofTraining sequences: Int, microbatch: Int = 0, maximumLength: Int, dropout: Double, _ context: PlanningContext
  ) throws -> Int {
    try bytes(context) { shape, _ in
      var shape = shape
      shape.attentionDropout = shape.kind == .bert ? dropout : 0
      let length = shape.length(atMost: maximumLength)
      let together = microbatch > 0 ? min(microbatch, sequences) : sequences
      return max(
        HostMemory(shape, sequences: together, length: length).training(),
        HostMemory(encoding: shape, length: length).encoding)
    }
  }

  func bytes(ofTraining tuning: TuningOptions, sequencesPerExample: Int = 1, _ context: PlanningContext) throws -> Int {
    try bytes(
      ofTraining: tuning.batchSize * sequencesPerExample, microbatch: tuning.microbatchSize * sequencesPerExample,
      maximumLength: tuning.maximumLength, dropout: tuning.dropout, context)
  }

  private func bytes(
    _ context: PlanningContext, _ count: (ModelShape, [ArtifactFile]) throws -> Int
  ) throws -> Int {
    guard !device.isGPU else { return 0 }
    let files = try CheckpointInput.files(context)
    return try count(try ModelShape(path: files[0].path), files)
  }
}

extension TaskPlan {
  /// The same task with more main memory than it has.
  func with(moreMemory bytes: Int) -> TaskPlan {
    var plan = self
    plan.resources.memoryBytes += bytes
    return plan
  }
}
