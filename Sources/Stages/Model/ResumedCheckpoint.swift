import PipelineKit
import ShardKit
import TrainerCore

extension ModelPretrain {
  /// The files of the checkpoint to continue from, and the model's shape; none if no other training is continued.
  func resumed(_ context: PlanningContext) throws -> [ArtifactFile] {
    let files = context.files(Self.resume)
    guard !files.isEmpty else { return [] }
    guard context.files(Self.initial).isEmpty else {
      throw StageError(
        .input, "inputs.resume", "is wired along with 'checkpoint'",
        hint: "Wire 'resume' to continue a training, or 'checkpoint' to start one.")
    }
    let step = try resumedStep(files)
    guard step < options.steps else {
      throw StageError(
        .options, "steps", "training would continue from step \(step) and end at \(options.steps)",
        hint: "Raise \"steps\": they count from the start of the first training.")
    }
    try checkCourse(from: step)
    let own = files.filter { CheckpointFolder.step(of: $0.name) == step }
    guard own.contains(where: { ArchivePath.lastPart(of: $0.name) == TrainingCheckpoint.optimizerName }) else {
      throw StageError(
        .input, "inputs.resume", "the checkpoint of step \(step) has no optimizer state to continue with",
        hint: "Set \"keepOptimizer\": true in the training that it is of, or begin from its weights with 'checkpoint'.")
    }
    return own + files.filter { $0.name == ModelShape.fileName }
  }

  private func resumedStep(_ files: [ArtifactFile]) throws -> Int {
    let steps = Set(files.compactMap { CheckpointFolder.step(of: $0.name) }).sorted()
    if options.resumeStep == 0, options.resumeFrom == .best {
      guard let best = try CheckpointFolder.best(files) else {
        throw StageError(
          .options, "resumeFrom", "the training in 'resume' has no best checkpoint",
          hint: "Wire 'validation' tokens to it, or name a step with \"resumeStep\".")
      }
      return best.step
    }
    guard let step = options.resumeStep > 0 ? options.resumeStep : steps.last, steps.contains(step) else {
      let known = steps.map(String.init).joined(separator: ", ")
      throw StageError(
        .options, "resumeStep", "there is no checkpoint of step \(options.resumeStep), only of \(known)",
        hint: "Use one of these, or 0 for the last one.")
    }
    return step
  }
}
