import PipelineKit
import ShardKit
import TrainerCore

/// The tokens that a training's loss is measured on.
extension ModelPretrain {
  private static let validationOptions = ["validationSteps", "validationSamples", "validationMaskFraction", "bestBy"]

  /// nil if there are none.
  func heldOut(_ context: PlanningContext) throws -> TokenSets? {
    guard let sets = TokenSets(heldOut: context.artifacts(Self.validation)) else {
      let usual = Options()
      for name in Self.validationOptions {
        guard let own = options.fields.first(where: { $0.name == name }),
          own.value != usual.fields.first(where: { $0.name == name })?.value
        else { continue }
        throw StageError(
          .options, name, "there are no tokens to validate on",
          hint: "Wire the output of 'tokenizer.encode' for held-out documents as \"validation\", or remove the option.")
      }
      return nil
    }
    _ = try sets.sources()
    guard options.bestBy.isEmpty || sets.names.contains(options.bestBy) else {
      throw StageError(
        .options, "bestBy",
        "there is no validation set named '\(options.bestBy)'" + suggestion(for: options.bestBy, among: sets.names),
        hint: "Name one of those under \"validation\" in the inputs, or leave it out.")
    }
    return sets
  }

  /// What the processes are told of the held-out sets that a task was planned with.
  func heldOut(_ names: [String], _ workspace: Workspace) throws -> HeldOutTokens {
    let sources = try TokenSets(heldOut: names, workspace).sources().map {
      HeldOutTokens.Source(name: $0.name, folders: $0.folders, digest: $0.digest)
    }
    return HeldOutTokens(
      sources: sources, everySteps: options.validationSteps, samples: options.validationSamples,
      maskFraction: options.validationMaskFraction, decisive: options.bestBy.isEmpty ? nil : options.bestBy)
  }
}

extension TrainingResult {
  /// Of the measurements as the job says, a line for each set.
  func publishValidation(_ workspace: Workspace) throws {
    guard let tokens = job.heldOut else { return }
    let log = "\(state)/\(TrainingJournal.watchFolder)/\(TrainingJournal.heldOutName)"
    let records = try HeldOutLog.records(log).filter { $0.measure == tokens.identity }
    var table = "step,set,loss,accuracy,masked\n"
    for record in records {
      for score in record.scores {
        table += "\(record.step),\(score.name),\(Float(score.loss)),\(Float(score.accuracy)),\(score.masked)\n"
      }
    }
    try workspace.write(ModelPretrain.metrics, name: "validation.csv", Array(table.utf8))
    for score in records.last?.scores ?? [] where score.loss.isFinite {
      workspace.metric("validation-\(score.name)", score.loss)
    }
    let wanted = (job.firstStep + 1...max(job.firstStep + 1, job.steps)).lazy.filter { tokens.isDue($0, of: job.steps) }
    let missing = wanted.filter { step in
      job.course.endOfWindow(at: step) == nil && !records.contains { $0.step == step }
    }
    workspace.warn(
      "not-validated", times: missing.count,
      "there is no loss on the validation tokens after step \(missing.first ?? 0): training passed it before that was "
        + "requested")
  }

  /// The checkpoint with the lowest loss on held-out tokens.
  func publishBest(_ best: BestCheckpoint?, _ workspace: Workspace) throws {
    guard let best else { return }
    let folder = "\(state)/\(TrainingJournal.checkpointFolder)/\(TrainingCheckpoint.folderName(step: best.step))"
    guard FileSystem.exists(folder) else {
      // Another machine of the training, with a store of its own, has it.
      return workspace.warn("no-best", "the best checkpoint, of step \(best.step), is not on this machine")
    }
    try link(ModelPretrain.best, ModelShape.weightsName, "\(folder)/\(ModelShape.weightsName)", workspace)
    try workspace.write(ModelPretrain.best, name: ModelShape.fileName, Array(job.shape.json.prettyText().utf8))
    let json: JSONValue = [
      "step": .integer(best.step), "loss": .number(Double("\(Float(best.loss))") ?? best.loss),
      "keepEverySteps": .integer(job.keep.keepEverySteps),
    ]
    try workspace.write(ModelPretrain.kept, name: CheckpointFolder.bestName, Array(json.prettyText().utf8))
    workspace.metric("best-step", Double(best.step))
  }
}
