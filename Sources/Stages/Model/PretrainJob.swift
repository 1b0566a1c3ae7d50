import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// What the training processes are told.
extension ModelPretrain {
  func processes(_ engine: TrainingEngine) -> Int {
    if options.processes > 0 { return options.processes }
    return engine.usesGPU(options.device) ? max(1, engine.gpus) : 1
  }

  /// The machines that a launcher has started.
  /// - Throws: `StageError` (`options`) if they are not those that the options name; `TorchError` (`group`) if the
  ///   launcher's variables contradict one another.
  func launch(
    _ processes: Int, environment: @escaping (String) -> String?
  ) throws -> LaunchEnvironment {
    try LaunchEnvironment.of(nodes: options.nodes, processesPerNode: processes, environment: environment)
  }

  /// What one machine gives to the training of a model of this shape.
  func resources(_ shape: ModelShape) -> TaskResources {
    let isGPU = options.device.isGPU, processes = plannedProcessesPerMachine
    // On a GPU, threads only prepare batches.
    let cores =
      options.threads > 0 ? options.threads * processes : isGPU ? 4 * processes : max(processes, availableProcessors())
    return TaskResources(
      memoryBytes: Int(min(1e15, Double(processMemory(shape)) * Double(processes))), cores: cores,
      gpus: isGPU ? processes : 0,
      nodes: plannedNodes)
  }

  /// Main memory of a process in bytes, estimated from above.
  private func processMemory(_ shape: ModelShape) -> Int {
    // Copies of weights and moments for a checkpoint; libtorch with CUDA.
    guard !options.device.isGPU else { return shape.parameterCount * 16 + 4 << 30 }
    // These, and weights, gradients and moments themselves; libtorch.
    let fixed = shape.parameterCount * 28 + 1 << 30
    var memory = HostMemory(
      shape, sequences: min(options.microbatchSize, options.batchSize), length: options.sequenceLength,
      predicted: options.maskFraction)
    memory.isolatesDocuments = options.isolateDocuments
    return fixed + memory.training(recomputes: options.recomputeActivations)
  }

  /// The shape that is trained, as far as plans need it: the wired model's, with the options' dropout, or the options' own
  /// with a vocabulary of usual size.
  /// - Parameter files: of the wired checkpoint or training; none: a new model.
  func plannedShape(_ files: [ArtifactFile]) throws -> ModelShape {
    guard let file = files.first(where: { $0.name == ModelShape.fileName }) else {
      return options.shape(vocabulary: 32_768)
    }
    var shape = try ModelShape(path: file.path)
    shape.dropout = options.dropout
    shape.attentionDropout = shape.kind == .bert ? options.dropout : 0
    return shape
  }

  func job(_ workspace: Workspace, _ engine: TrainingEngine, state: String) throws -> TrainingJob {
    let tokenizer = try TokenizerInput.load(workspace)
    var job = try TrainingJob(options)
    let sets = try workspace.sets()
    if let names = sets?.heldOut { job.heldOut = try heldOut(names, workspace) }
    if let names = sets?.names {
      let sources = try TokenSets(names: names, workspace).sources()
      let kept = workspace.files(Self.resumeRole).first { CheckpointFolder.step(of: $0.name) != nil }
      job.mixture = try options.mixture(
        sources, continuing: kept.flatMap { TrainingCheckpoint.state(in: ArchivePath.folder(of: $0.path)) })
      job.dataDigest = job.mixture!.digest
    } else {
      guard let index = workspace.files(Self.tokensRole).first(where: { $0.name == "index.json" }) else {
        throw Self.noIndex()
      }
      job.data = String(index.path.dropLast("/index.json".count))
      job.dataDigest = index.digest.hex
    }
    job.inputsDigest = Self.digest(of: workspace.task.files)
    job.isFollower = workspace.isFollower
    if let file = workspace.locations(Self.location).first {
      var remote = try RemoteData(path: file.path)
      remote.allowsPrivateAddresses = options.allowPrivateAddresses
      remote.cache = "\(state)/shards"
      remote.cacheBytes = options.cacheBytes.bytes
      job.remote = remote
    }
    job.state = state
    if let kept = workspace.files(Self.resumeRole).first(where: { CheckpointFolder.step(of: $0.name) != nil }) {
      let folder = ArchivePath.folder(of: kept.path)
      job.resume = folder
      if options.restartSchedule { job.learningRateSchedule.start = job.firstStep }
      let model = try ModelShape(path: "\(folder)/../\(ModelShape.fileName)")
      job.shape = try options.shape(continuing: model, tokenizer)
    } else if let weights = workspace.files(CheckpointInput.role).first(where: { $0.name == ModelShape.weightsName }) {
      let folder = String(weights.path.dropLast(ModelShape.weightsName.count + 1))
      job.initial = folder
      let model = try ModelShape(path: "\(folder)/\(ModelShape.fileName)")
      job.shape = try options.shape(continuing: model, tokenizer)
    } else {
      let padding = tokenizer.special(.padding).map { Int($0) }
      job.shape = options.shape(vocabulary: tokenizer.tokens.count, padding: padding ?? 0)
    }
    job.precision = options.precision.resolved(isGPU: engine.usesGPU(options.device))
    let shared = max(1, availableProcessors() / processes(engine))
    job.threads = options.threads > 0 ? options.threads : shared
    try job.take(tokenizer)
    return job
  }

  static func digest(of files: [ArtifactFile]) -> String {
    var digester = Digester()
    for file in files.map({ "\($0.name) \($0.digest.hex)" }).sorted() { digester.update(field: file) }
    return digester.finish().hex
  }
}

extension Workspace {
  /// The named and the held-out sets of tokens that a training was planned with; nil if there are neither.
  fileprivate func sets() throws -> ModelPretrain.Sets? {
    guard task.payload["names"] != nil || task.payload["heldOut"] != nil else { return nil }
    return try payload()
  }
}

extension TrainingJob {
  /// The options that the processes need as they are, under their names.
  init(_ options: ModelPretrain.Options) throws {
    self.init()
    sequenceLength = options.sequenceLength
    batchSize = options.batchSize
    batchRamp = options.batchRamp
    isolatesDocuments = options.isolateDocuments
    microbatchSize = options.microbatchSize
    steps = options.steps
    learningRateSchedule = LearningRateSchedule(
      learningRate: options.learningRate, schedule: options.schedule, warmupSteps: options.warmupSteps,
      steps: options.steps, finalRateFraction: options.finalRateFraction,
      decaySteps: options.decaySteps > 0 ? options.decaySteps : nil)
    optimizer = AdamW(
      beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon, weightDecay: options.weightDecay,
      decaysNormsAndBiases: options.decayNormsAndBiases ? nil : false,
      muon: options.optimizer == .muon ? Muon(momentum: options.muonMomentum) : nil)
    maximumGradientNorm = options.maximumGradientNorm
    maskFraction = options.maskFraction
    seed = options.seed
    shuffle = options.shuffle
    shuffleWindow = options.shuffleWindow
    course = try options.course()
    skipNonFinite = options.skipNonFinite
    device = options.device.jobName
    recomputeActivations = options.recomputeActivations
    bucketBytes = options.bucketMiB << 20
    checkpointSteps = options.checkpointSteps
    keep = KeepRule(keepCheckpoints: options.keepCheckpoints, keepEverySteps: options.keepEverySteps)
    logSteps = options.logSteps
  }
}
