import PipelineKit
import ShardKit
import TrainerCore

/// Moves the results of a finished training from its state folder to the stage's outputs.
struct TrainingResult {
  var job: TrainingJob
  var summary: WorkerGroup.Summary
  var state: String
  /// Whether kept checkpoints have the optimizer's state.
  var keepsOptimizer = true

  func publish(_ workspace: Workspace) throws {
    let folder = "\(state)/checkpoints"
    guard let checkpoint = try TrainingCheckpoint.latest(in: folder, where: job.isOwn).found,
      checkpoint.state.step == job.steps
    else {
      throw StageError(.check, folder, "has no checkpoint of the last step, \(job.steps)", hint: "Run again.")
    }
    try link(ModelPretrain.model, ModelShape.weightsName, "\(checkpoint.folder)/\(ModelShape.weightsName)", workspace)
    try workspace.write(ModelPretrain.model, name: ModelShape.fileName, Array(job.shape.json.prettyText().utf8))
    let best = job.heldOut == nil ? nil : checkpoint.state.best
    try publishKept(workspace, best: best)
    try publishBest(best, workspace)
    // Not the log: its points depend on 'logSteps'.
    let curve = try MetricsLog.curve("\(state)/\(TrainingJournal.curveName)")
    try publishMetrics(curve, checkpoint.state, best, workspace)
    try publishValidation(workspace)
    try publishReport(workspace)
  }

  func link<K>(_ output: Output<K>, _ name: String, _ path: String, _ workspace: Workspace) throws {
    let file = ArtifactFile(
      path: path, name: name, bytes: FileSystem.status(path)?.bytes ?? 0, digest: try Digester.digest(file: path))
    try workspace.link(output, name: name, to: file)
  }

  /// The last checkpoint, the best one and those at the steps that the job keeps, but none that an interruption or other
  /// options left in between.
  private func publishKept(_ workspace: Workspace, best: BestCheckpoint?) throws {
    let folders = try TrainingCheckpoint.folders(in: "\(state)/checkpoints").filter { step, folder in
      (job.publishes(step) || step == best?.step) && (TrainingCheckpoint.state(in: folder).map(job.isOwn) ?? false)
    }
    for (_, folder) in folders {
      let name = ArchivePath.lastPart(of: folder)
      for file in TrainingCheckpoint.fileNames where keepsOptimizer || file != TrainingCheckpoint.optimizerName {
        try link(ModelPretrain.kept, "\(name)/\(file)", "\(folder)/\(file)", workspace)
      }
    }
    try workspace.write(ModelPretrain.kept, name: ModelShape.fileName, Array(job.shape.json.prettyText().utf8))
    let every = job.keep.keepEverySteps
    guard every > 0 else { return }
    let missing = stride(from: every, through: job.steps, by: every).filter { wanted in
      wanted > job.firstStep && job.course.endOfWindow(at: wanted) == nil
        && !folders.contains { $0.step == wanted }
    }
    workspace.warn(
      "not-kept", times: missing.count,
      "there is no checkpoint of step \(missing.first ?? 0): training passed it before it was requested")
  }

  // No times or places in these: they are the same for the same inputs and options.
  private func publishMetrics(
    _ curve: [TrainingPoint], _ end: CheckpointState, _ best: BestCheckpoint?, _ workspace: Workspace
  ) throws {
    var table = "step,loss,learningRate,gradientNorm\n"
    for point in curve { table += "\(point.step),\(point.loss),\(point.learningRate),\(point.gradientNorm)\n" }
    try workspace.write(ModelPretrain.metrics, name: "curve.csv", Array(table.utf8))
    let last = curve.last
    var json: JSONValue = [
      "parameters": .integer(job.shape.parameterCount), "steps": .integer(end.step), "samples": .integer(end.samples),
      "tokens": .integer(end.tokens), "sequenceLength": .integer(job.sequenceLength),
      "batchSize": .integer(job.batchSize), "precision": .string(job.precision.rawValue),
      "loss": .number(last?.loss ?? .nan), "learningRate": .number(job.learningRateSchedule.learningRate),
    ]
    let sources = sources(end)
    if !sources.isEmpty {
      json = .object(
        (json.members ?? []) + [JSONMember("sources", .object(sources.map { JSONMember($0.name, $0.json) }))])
    }
    if let best {
      json = .object(
        (json.members ?? []) + [
          JSONMember("bestStep", .integer(best.step)),
          JSONMember("bestLoss", .number(Double("\(Float(best.loss))") ?? best.loss)),
        ])
    }
    try workspace.write(ModelPretrain.metrics, name: "training.json", Array(json.prettyText().utf8))
    workspace.metric("steps", Double(end.step))
    workspace.metric("tokens", Double(end.tokens))
    for source in sources {
      workspace.metric("samples-\(source.name)", Double(source.samples))
      workspace.metric("tokens-\(source.name)", Double(source.tokens))
    }
    if let loss = last?.loss, loss.isFinite { workspace.metric("loss", loss) }
  }

  /// What was learned from each source of a mixture.
  private func sources(_ end: CheckpointState) -> [SourceMetrics] {
    zip(job.mixture?.sources ?? [], end.sources ?? []).map { SourceMetrics($0, $1.learned) }
  }

  private func publishReport(_ workspace: Workspace) throws {
    for name in try FileSystem.list("\(state)/watch") where name != TrainingWatch.prometheusName {
      try link(ModelPretrain.report, name, "\(state)/watch/\(name)", workspace)
    }
    let json: JSONValue = [
      "device": .string(summary.start.device), "processes": .integer(summary.start.processes),
      "microbatches": .integer(summary.start.microbatches), "tokensPerStep": .integer(summary.start.tokensPerStep),
      "seconds": .number((summary.end.seconds * 10).rounded() / 10), "resumedAt": .integer(summary.start.resumedAt),
      "tokensPerSecond": .number(summary.end.tokensPerSecond.rounded()),
      "peakMemoryBytes": .integer(summary.end.peakMemoryBytes),
    ]
    try workspace.write(ModelPretrain.report, name: "machine.json", Array(json.prettyText().utf8))
  }
}

extension SourceMetrics {
  fileprivate var json: JSONValue {
    [
      "samples": .integer(samples), "tokens": .integer(tokens), "epochs": .number((epochs * 10_000).rounded() / 10_000),
    ]
  }
}
