public import PipelineKit
import ShardKit
import TrainerCore

/// A step of a training, and the samples that its batch consisted of.
///
/// Computed from what the training was begun with, as the store has it: its options, its tokens, and the checkpoint that it
/// continued. Nothing is recorded for this during training.
public struct TracedStep: Sendable {
  /// The stage that took the step: a training that was continued took the earlier ones.
  public var stage: String
  public var step: Int
  /// The last step of that training.
  public var steps: Int
  public var epoch: Int
  /// Whether `skipSteps` leaves the step out: its batch was not learned from.
  public var isPassedOver: Bool
  /// What the tokens were made from.
  public var ancestry: ArtifactAncestry
  /// The data sets of the tokens, in the order in which samples are numbered; none if they are stored elsewhere.
  public var tokens: [Tokens]
  /// Where tokens that are stored elsewhere are; otherwise empty.
  public var remote: String
  /// The shards' files, and the sample's number in its shard, in the order of the batch.
  public var samples: [Sample]

  /// A data set of tokens.
  public struct Tokens: Sendable {
    public var artifact: ArtifactAncestry.Artifact
    /// The named set that it belongs to; nil if the tokens are not a named set.
    public var name: String?
  }

  public struct Sample: Sendable {
    /// The place of its data set in `tokens`; 0 if that is stored elsewhere.
    public var data: Int
    public var shard: Int
    /// The shard's file.
    public var file: String
    /// From 0, in the shard.
    public var sample: Int
    /// How often its data, or its named set, were read before.
    public var epoch: Int
  }

  /// - Parameters:
  ///   - identity: what the training was begun with.
  ///   - folder: the training's folder in the store.
  /// - Throws: `StageError` if the training has no such step, or what it was begun with is no longer in the store;
  ///   `ShardError` if a file cannot be read.
  public init(
    _ step: Int, of stage: String, _ identity: NodeIdentity, folder: String, pipeline: String, store: RunStore
  ) throws {
    let options = try Self.options(identity, stage)
    guard (1...options.steps).contains(step) else {
      throw StageError(
        .input, stage, "has no step \(step): its steps count from 1 to \(options.steps)", hint: "Name one of these.")
    }
    let continued = try Self.continued(identity, stage, options, pipeline, store)
    if let continued, step <= continued.state.step {
      let earlier = continued.artifact.manifest
      self = try TracedStep(
        step, of: earlier.stage, earlier.identity, folder: store.artifacts.directory(of: earlier), pipeline: pipeline,
        store: store)
      return
    }
    let wired = try Self.tokens(identity, stage, pipeline, store)
    var job = try Self.job(options)
    var folders: [String]
    if let sets = TokenSets(wired.map(\.wired)) {
      let mixture = try options.mixture(try sets.sources(), continuing: continued?.state)
      (job.mixture, job.dataDigest, folders) = (mixture, mixture.digest, mixture.folders)
      tokens = mixture.sources.flatMap { source in
        source.folders.map { folder in
          Tokens(artifact: wired.first { Self.folder($0.artifact, store) == folder }!.artifact, name: source.name)
        }
      }
    } else {
      folders = wired.isEmpty ? ["\(folder)/index"] : wired.map { Self.folder($0.artifact, store) }
      job.dataDigest = try Digester.digest(file: "\(folders[0])/index.json").hex
      tokens = wired.map { Tokens(artifact: $0.artifact) }
    }
    let indices = try folders.map { try MDSIndex(path: "\($0)/index.json") }
    let batch = try StepSamples(
      ofStep: step, job, shardSamples: indices.flatMap { $0.shards.map(\.samples) }, continuing: continued?.state)
    self.stage = stage
    self.step = step
    steps = options.steps
    epoch = batch.epoch
    isPassedOver = job.course.endOfWindow(at: step) != nil
    ancestry = try ArtifactAncestry(
      of: identity, inputs: [ModelPretrain.tokens.port.name], pipeline: pipeline, store: store)
    remote = options.remote
    samples = Self.places(of: batch, in: indices)
  }

  /// The options that decide the order of the data.
  private static func options(_ identity: NodeIdentity, _ stage: String) throws -> ModelPretrain.Options {
    let names: Set = [
      "batchSize", "seed", "shuffle", "shuffleWindow", "mixture", "steps", "skipSteps", "resumeStep", "resumeFrom",
      "remote", "batchRampSteps", "firstBatchSize",
    ]
    let members = (identity.options.members ?? []).filter { names.contains($0.key) }
    guard identity.use == ModelPretrain.name,
      let pretrain = try StageDescription(ModelPretrain.self).configured(.object(members)).stage as? ModelPretrain
    else {
      throw StageError(
        .input, stage, "is of the kind '\(identity.use)', of which the order of samples is not known",
        hint: "Trace a step of a '\(ModelPretrain.name)'.")
    }
    return pretrain.options
  }

  private static func job(_ options: ModelPretrain.Options) throws -> TrainingJob {
    var job = TrainingJob()
    job.batchSize = options.batchSize
    job.batchRamp = options.batchRamp
    job.steps = options.steps
    job.seed = options.seed
    job.shuffle = options.shuffle
    job.shuffleWindow = options.shuffleWindow
    job.course = try options.course()
    return job
  }

  /// None if the tokens are stored elsewhere.
  private static func tokens(
    _ identity: NodeIdentity, _ stage: String, _ pipeline: String, _ store: RunStore
  ) throws -> [(wired: WiredArtifact, artifact: ArtifactAncestry.Artifact)] {
    try identity.inputs.filter { $0.input == ModelPretrain.tokens.port.name }.map { wired in
      guard let artifact = try store.artifact(wired, pipeline: pipeline) else { throw missing(wired, stage) }
      let files = store.artifacts.files(artifact.manifest, port: artifact.port)
      // As when it was run: the stage may have another name by now.
      let source = String(wired.source[..<(wired.source.lastIndex(of: ".") ?? wired.source.endIndex)])
      return (WiredArtifact(stage: source, port: artifact.port, files: files, name: wired.name), artifact)
    }
  }

  private static func folder(_ artifact: ArtifactAncestry.Artifact, _ store: RunStore) -> String {
    "\(store.artifacts.directory(of: artifact.manifest))/\(artifact.port)"
  }

  /// The checkpoint of another training that this one continued.
  private static func continued(
    _ identity: NodeIdentity, _ stage: String, _ options: ModelPretrain.Options, _ pipeline: String, _ store: RunStore
  ) throws -> (artifact: ArtifactAncestry.Artifact, state: CheckpointState)? {
    guard let wired = identity.inputs.first(where: { $0.input == ModelPretrain.resume.port.name }) else { return nil }
    guard let artifact = try store.artifact(wired, pipeline: pipeline) else { throw missing(wired, stage) }
    let files = store.artifacts.files(artifact.manifest, port: artifact.port)
    let steps = files.compactMap { CheckpointFolder.step(of: $0.name) }
    let best = options.resumeFrom == .best ? try CheckpointFolder.best(files)?.step : nil
    let step = options.resumeStep > 0 ? options.resumeStep : best ?? steps.max()
    guard let file = files.first(where: { CheckpointFolder.step(of: $0.name) == step }),
      let state = TrainingCheckpoint.state(in: ArchivePath.folder(of: file.path))
    else { throw missing(wired, stage) }
    return (artifact, state)
  }

  private static func missing(_ wired: NodeIdentity.Wired, _ stage: String) -> StageError {
    StageError(
      .input, stage,
      "was trained with an output of \(wired.source) that is no longer in the store (\(wired.digest.short))",
      hint: "The order of its samples is not known without it: run the pipeline again.")
  }

  private static func places(of batch: StepSamples, in indices: [MDSIndex]) -> [Sample] {
    var starts: [Int] = []
    var shards: [(data: Int, shard: Int)] = []
    var start = 0
    for (data, index) in indices.enumerated() {
      for (number, shard) in index.shards.enumerated() {
        starts.append(start)
        shards.append((data, number))
        start += shard.samples
      }
    }
    return zip(batch.samples, batch.epochs).map { sample, epoch in
      var (low, high) = (0, starts.count)
      while high - low > 1 {
        let middle = (low + high) / 2
        if starts[middle] <= sample { low = middle } else { high = middle }
      }
      let (data, shard) = shards[low]
      return Sample(
        data: data, shard: shard, file: indices[data].shards[shard].stored.basename, sample: sample - starts[low],
        epoch: epoch)
    }
  }
}
