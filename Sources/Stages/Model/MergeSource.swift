import PipelineKit
import ShardKit
import TrainerCore

/// A model to average, as planned: its files without the moments of its optimizer.
struct MergeSource {
  /// The stage's name, or `STAGE@STEP` for a kept checkpoint.
  var name: String
  /// The stage's name.
  var stage: String
  /// `STAGE@best` for the kept checkpoint with the lowest loss on held-out tokens.
  var alias: String?
  /// `model.json`, the weights, `task.json` of a fine-tuned model, and `embedding.json` of one that makes vectors of texts.
  var files: [ArtifactFile]

  static let weightsOfStep = TrainingCheckpoint.fileNames[1]

  /// The role of the files of a model among a task's inputs.
  static func role(_ place: Int) -> TaskInputs.Role { .init("model-\(TaskPlan.padded(place))") }

  /// - Parameters:
  ///   - last: the newest checkpoints that are taken of each training; 0: all.
  ///   - weights: by name; a named checkpoint is taken.
  static func all(
    models: [WiredArtifact], kept: [WiredArtifact], last: Int, weights: [String: Double]
  ) throws -> [MergeSource] {
    let sources = try models.map(model) + kept.flatMap { try checkpoints($0, last: last, named: Set(weights.keys)) }
    // A short training may have kept a single checkpoint, which is then its own average.
    guard sources.count > 1 || models.isEmpty && sources.count == 1 else {
      throw StageError(
        .input, "inputs", sources.isEmpty ? "no model or checkpoint is wired" : "only one model is wired",
        hint: "Wire two or more models to 'models', or the 'checkpoints' of a training.")
    }
    return sources
  }

  private static func model(_ artifact: WiredArtifact) throws -> MergeSource {
    let names = [ModelShape.fileName, ModelShape.weightsName]
    for name in names where !artifact.files.contains(where: { $0.name == name }) {
      throw StageError(
        .input, "inputs.models", "'\(artifact.stage)' has no \(name)",
        hint: "Wire checkpoints, as of model.pretrain, classifier.finetune or huggingface.read.")
    }
    return MergeSource(
      name: artifact.stage, stage: artifact.stage,
      files: artifact.files.filter {
        (names + [TunedTask.fileName, EmbeddingSettings.fileName]).contains($0.name)
      })
  }

  private static func checkpoints(
    _ artifact: WiredArtifact, last: Int, named: Set<String>
  ) throws -> [MergeSource] {
    guard let shape = artifact.files.first(where: { $0.name == ModelShape.fileName }) else {
      throw StageError(
        .input, "inputs.checkpoints", "'\(artifact.stage)' has no \(ModelShape.fileName)",
        hint: "Wire the 'checkpoints' of model.pretrain.")
    }
    var weights = artifact.files.filter { ArchivePath.lastPart(of: $0.name) == weightsOfStep }
      .compactMap { file in CheckpointFolder.step(of: file.name).map { (step: $0, file: file) } }
      .sorted { $0.step < $1.step }
    let best = try CheckpointFolder.best(artifact.files)
    if last > 0 {
      let steps = weights.map(\.step)
      let isNamed = best.map { best in
        ["\(best.step)", "best"].contains { named.contains("\(artifact.stage)@\($0)") }
      }
      let isBetween = best.map { !isInSeries($0, steps) } ?? false
      let newest = Set(steps.filter { !isBetween || $0 != best?.step }.suffix(last))
      weights = weights.filter { newest.contains($0.step) || isBetween && $0.step == best?.step && isNamed == true }
    }
    return weights.map { step, file in
      MergeSource(
        name: "\(artifact.stage)@\(step)", stage: artifact.stage,
        alias: step == best?.step ? "\(artifact.stage)@best" : nil, files: [shape, file])
    }
  }

  /// Whether the best checkpoint is the last one, or one of those that `keepEverySteps` keeps, and not between these: kept
  /// only since it is the best. A training of a former release does not say that distance: then it is the greatest by which
  /// no checkpoint is missing, or the common one of the others.
  private static func isInSeries(_ best: CheckpointFolder.Best, _ steps: [Int]) -> Bool {
    if best.step == steps.last { return true }
    if let distance = best.keepEverySteps { return distance > 0 && best.step % distance == 0 }
    let regular = steps.dropLast(), distance = commonDivisor(Array(regular))
    if distance > 0, regular.count == regular[regular.endIndex - 1] / distance { return true }
    let others = regular.filter { $0 != best.step }
    return others.count > 1 && best.step % commonDivisor(others) == 0
  }

  private static func commonDivisor(_ numbers: [Int]) -> Int {
    numbers.reduce(0) { greatest, number in
      var (a, b) = (greatest, number)
      while b > 0 { (a, b) = (b, a % b) }
      return a
    }
  }

  /// The share of each source in the average; they sum to 1.
  static func shares(of sources: [MergeSource], weights: [String: Double]) throws -> [Double] {
    let names = Set(sources.flatMap { [$0.name, $0.stage] + ($0.alias.map { [$0] } ?? []) }).sorted()
    for name in weights.keys.sorted() where !names.contains(name) {
      throw StageError(
        .options, "weights", "no model is named '\(name)'" + suggestion(for: name, among: names),
        hint: "Name a stage that is wired, STAGE@STEP, or STAGE@best.")
    }
    let own = sources.map { weights[$0.name] ?? $0.alias.flatMap { weights[$0] } ?? weights[$0.stage] ?? 1 }
    let sum = own.reduce(0, +)
    guard own.allSatisfy(\.isFinite), sum.isFinite, abs(sum) > 1e-9 else {
      throw StageError(
        .options, "weights", "sum to \(sum)", hint: "Give numbers with a sum other than 0: they are divided by it.")
    }
    return own.map { $0 / sum }
  }
}

/// The models of a task, opened, and found to be of one shape.
struct MergedModels {
  struct Planned: Codable {
    var name: String
    var share: Double
  }

  let parts: [(name: String, share: Double, parts: CheckpointParts)]
  /// The bytes of `task.json`, which all have or none.
  let task: [UInt8]?
  /// The bytes of `embedding.json`, if all have it and make vectors alike; nil otherwise.
  let embedding: [UInt8]?
  /// Whether only some have `embedding.json`, or they make vectors differently.
  let embeddingsDiffer: Bool

  var shape: ModelShape { parts[0].parts.shape }
  /// Those of every model.
  var parameters: [ParameterShape] { parts[0].parts.parameters }

  init(_ workspace: Workspace) throws {
    let planned: [Planned] = try workspace.payload()
    var tasks: [[UInt8]?] = [], embeddings: [[UInt8]?] = []
    parts = try planned.enumerated().map { place, source in
      let files = workspace.files(MergeSource.role(place))
      func path(_ name: String) -> String? { files.first { ArchivePath.lastPart(of: $0.name) == name }?.path }
      guard let shape = path(ModelShape.fileName), let weights = path(ModelShape.weightsName) else {
        throw StageError(
          .input, "'\(source.name)'", "has no \(ModelShape.fileName) or \(ModelShape.weightsName)",
          hint: "Make its checkpoint again.")
      }
      let task = path(TunedTask.fileName)
      tasks.append(try task.map { try FileSystem.read($0, limit: 1 << 20) })
      embeddings.append(try path(EmbeddingSettings.fileName).map { try FileSystem.read($0, limit: 1 << 20) })
      let parts = try CheckpointParts(
        ModelShape(path: shape), SafetensorsFile(weights), try task.map { try TunedTask(tuned: $0) })
      return (source.name, source.share, parts)
    }
    task = tasks[0]
    embeddingsDiffer = embeddings.contains { $0 != embeddings[0] }
    embedding = embeddingsDiffer ? nil : embeddings[0]
    for (other, own) in zip(parts, tasks).dropFirst() { try Self.check(other, own, parts[0], tasks[0]) }
  }

  private typealias Model = (name: String, share: Double, parts: CheckpointParts)

  private static func check(_ other: Model, _ task: [UInt8]?, _ first: Model, _ firstTask: [UInt8]?) throws {
    let hint = "All models of an average must have the same shape and the same head."
    if let difference = difference(first.parts.shape, other.parts.shape) {
      throw StageError(
        .input, "'\(other.name)'", "has \(difference.second), '\(first.name)' has \(difference.first)", hint: hint)
    }
    guard other.parts.task == first.parts.task else {
      let how =
        switch (first.parts.task, other.parts.task) {
        case (nil, _): "is fine-tuned, '\(first.name)' is not"
        case (_, nil): "is not fine-tuned, '\(first.name)' is"
        default: "is fine-tuned for another task than '\(first.name)'"
        }
      throw StageError(.input, "'\(other.name)'", how, hint: hint)
    }
    let lacking = first.parts.parameters.first { !other.parts.parameters.contains($0) }
    let excess = other.parts.parameters.first { !first.parts.parameters.contains($0) }
    guard let name = (lacking ?? excess)?.name else { return }
    let (with, without) = lacking == nil ? (other.name, first.name) : (first.name, other.name)
    throw StageError(.input, "'\(without)'", "has no tensor '\(name)', '\(with)' has it", hint: hint)
  }

  /// The first size that is not the same; what only matters in training may differ.
  private static func difference(_ first: ModelShape, _ second: ModelShape) -> (first: String, second: String)? {
    func comparable(_ shape: ModelShape) -> ModelShape {
      var shape = shape
      (shape.dropout, shape.attentionDropout, shape.initialDeviation) = (0, 0, 0)
      // Without a table of positions, it is only what inputs are cut to.
      if shape.kind != .bert { shape.maximumLength = 512 }
      return shape
    }
    let (a, b) = (comparable(first), comparable(second))
    guard a != b else { return nil }
    let (mine, others) = (a.json.members ?? [], b.json.members ?? [])
    for member in mine where member.key != "tiesDecoder" {
      let value = others.first { $0.key == member.key }?.value ?? .null
      if value != member.value { return ("\(member.key) \(member.value.text())", "\(member.key) \(value.text())") }
    }
    let (tied, own) = ("the word embedding as its decoder", "a decoder of its own")
    return a.tiesDecoder ? (tied, own) : (own, tied)
  }
}
