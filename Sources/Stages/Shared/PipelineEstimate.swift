public import PipelineKit
import ShardKit
public import TrainerCore

/// The compute and storage that a pipeline's stages take, before they run.
public struct PipelineEstimate: Sendable {
  public enum Figures: Sendable {
    case training(PretrainEstimate)
    case data(DataEstimate)
  }

  public struct Stage: Sendable {
    public var name: String
    /// The kind of stage.
    public var use: String
    public var verdict: Verdict
    public var figures: Figures
  }

  /// In the order in which a run would run them.
  public var stages: [Stage]

  /// - Parameter plan: what a run would do.
  /// - Throws: `RunError` or `ShardError` if the store cannot be read.
  public init(_ plan: Plan, graph: Graph, store: RunStore) throws {
    let data = try DataEstimation(graph: graph, store: store, stated: StatedRates.rate).estimates(plan)
    stages = plan.verdicts.map { index, verdict, _ in
      let node = graph.nodes[index]
      let isFinished = data[index].basis == .finished
      let training = isFinished ? nil : PretrainEstimate(node: index, graph: graph, store: store)
      return Stage(
        name: node.name, use: node.description.name, verdict: verdict,
        figures: training.map { .training($0) } ?? .data(data[index]))
    }
  }
}

/// The work of a `model.pretrain` stage, as far as it is known before it runs.
public struct PretrainEstimate: Equatable, Sendable {
  public var work: TrainingWork
  /// Where the stage's options say that it trains: nil on GPUs of any kind, else the CPU.
  public var onlyDevice: DeviceKind?
  /// Whether the stage's options say that it trains on GPUs.
  public var needsGPU: Bool
  /// Processes that the options demand on each machine; 0: one per GPU.
  public var processes: Int
  /// Machines that the options demand.
  public var nodes: Int
  /// What was assumed, one sentence each.
  public var remarks: [String]
  /// The fraction of places that hold tokens in the samples that the stage before left last; nil if it left none.
  public var fill: Double?

  /// On a kind of device.
  /// - Parameters:
  ///   - gpus: GPUs of all machines, if the options do not say how many; nil: one, or those of the machines asked for.
  ///   - processors: of the CPU.
  public func on(_ device: DeviceKind, gpus: Int?, processors: Int) -> TrainingEstimate {
    TrainingEstimate(work, on: device, devices: device.isCPU ? processors : decidedGPUs ?? gpus ?? usualGPUs)
  }

  /// GPUs that the options demand; nil if they leave it to the machines.
  private var decidedGPUs: Int? { processes > 0 ? processes * nodes : nil }

  private var usualGPUs: Int { nodes > 1 ? nodes * DeviceKind.perMachine : 1 }

  /// What was assumed of the number of GPUs, one sentence each.
  public func remarks(gpus: Int?) -> [String] {
    if let decidedGPUs, let gpus, gpus != decidedGPUs {
      return ["\(decidedGPUs) GPUs, not \(gpus): the options \"processes\" and \"nodes\" say so"]
    }
    guard decidedGPUs == nil, gpus == nil, nodes > 1 else { return [] }
    return ["\(DeviceKind.perMachine) GPUs on each of \(nodes) nodes; --gpus says another number of all"]
  }
}

extension PretrainEstimate {
  /// nil if the node is not a `model.pretrain`.
  init?(node index: Int, graph: Graph, store: RunStore) {
    guard let stage = graph.nodes[index].configured.stage as? ModelPretrain else { return nil }
    let options = stage.options
    var search = ShapeSearch(graph: graph, store: store)
    let shape = search.shape(of: index)
    let first = search.firstStep(of: index)
    work = TrainingWork()
    work.shape = shape
    work.sequenceLength = options.sequenceLength
    work.batchSize = options.batchSize
    work.microbatchSize = options.microbatchSize
    // A course that cannot be read is refused when the pipeline file is.
    work.steps = (try? options.course().steps(after: first, until: options.steps)) ?? options.steps
    work.maskFraction = options.maskFraction
    work.precision = options.precision.resolved(isGPU: options.device != .cpu)
    work.recomputeActivations = options.recomputeActivations
    let every = options.keepEverySteps
    let regular = every > 0 ? options.steps / every - first / every : 0
    work.keptCheckpoints = options.keepCheckpoints + regular
    work.publishedCheckpoints = regular + (every > 0 && options.steps % every == 0 ? 0 : 1)
    onlyDevice = options.device == .cpu ? .cpu : nil
    needsGPU = options.device == .cuda
    processes = options.processes
    nodes = options.nodes
    work.samplesLeftOut = Self.samplesLeftOut(options, after: first)
    let validation = search.validationSamples(of: index)
    if let validation, validation > 0 {
      let every = options.validationSteps, last = options.steps % every == 0 ? 0 : 1
      work.validations = max(0, options.steps / every - first / every + last)
      work.validationSamples = validation
      work.validationMaskFraction = options.validationMaskFraction
    }
    remarks = search.remarks
    fill = search.fill(of: index)
  }

  /// Samples by which the steps of a growing batch are smaller than full ones.
  private static func samplesLeftOut(_ options: ModelPretrain.Options, after first: Int) -> Int {
    guard options.batchRampSteps > 0, options.firstBatchSize > 0 else { return 0 }
    let ramp = BatchRamp(steps: options.batchRampSteps, first: options.firstBatchSize)
    let sizes = StepSizes(batchSize: options.batchSize, ramp: ramp), course = try? options.course()
    return (first..<max(first, min(options.batchRampSteps, options.steps))).reduce(0) { sum, step in
      course?.endOfWindow(at: step + 1) == nil ? sum + options.batchSize - sizes.size(after: step) : sum
    }
  }
}

/// Finds the shape that a training will have, from the stages that it reads from.
private struct ShapeSearch {
  let graph: Graph
  let store: RunStore
  var remarks: [String] = []

  init(graph: Graph, store: RunStore) {
    self.graph = graph
    self.store = store
  }

  private func source(of index: Int, _ input: String) -> Int? {
    graph.nodes[index].edges.first { $0.input == input }?.source
  }

  private func stage(_ index: Int) -> any Stage { graph.nodes[index].configured.stage }

  mutating func shape(of index: Int) -> ModelShape {
    guard let pretrain = stage(index) as? ModelPretrain else { return ModelShape() }
    let initial =
      source(of: index, ModelPretrain.initial.port.name) ?? source(of: index, ModelPretrain.resume.port.name)
    guard let initial else { return pretrain.options.shape(vocabulary: vocabulary(of: index)) }
    if stage(initial) is ModelPretrain { return shape(of: initial) }
    if let shape = publishedShape(of: initial) { return shape }
    remarks.append(
      "the model of '\(graph.nodes[initial].name)' does not exist yet: its sizes are taken from the stage's options")
    return pretrain.options.shape(vocabulary: vocabulary(of: index))
  }

  private func publishedShape(of index: Int) -> ModelShape? {
    guard let manifest = manifest(of: index) else { return nil }
    let port = ModelPretrain.model.port.name
    return try? ModelShape(path: "\(store.artifacts.directory(of: manifest))/\(port)/\(ModelShape.fileName)")
  }

  private func manifest(of index: Int) -> NodeManifest? {
    try? store.newestSealed(stage: graph.nodes[index].name, pipeline: graph.document.name)?.manifest
  }

  private mutating func vocabulary(of index: Int) -> Int {
    let usual = ModelShape().vocabularySize
    guard let tokenizer = source(of: index, TokenizerInput.port.port.name) else { return usual }
    if let training = stage(tokenizer) as? TokenizerTrain { return training.options.vocabularySize }
    remarks.append("the tokenizer of '\(graph.nodes[tokenizer].name)' is assumed to have \(usual) tokens")
    return usual
  }

  /// The fraction of places of a training's samples that hold tokens.
  func fill(of index: Int) -> Double? {
    let name = ModelPretrain.tokens.port.name
    // Of named sets the shares of the samples would have to be known.
    guard let pretrain = stage(index) as? ModelPretrain,
      graph.nodes[index].edges.count(where: { $0.input == name }) == 1,
      let source = source(of: index, name), let encode = stage(source) as? TokenizerEncode,
      encode.options.sequenceLength == pretrain.options.sequenceLength,
      let manifest = manifest(of: source), let tokens = manifest.metrics["tokens"],
      let index = try? MDSIndex(
        path: "\(store.artifacts.directory(of: manifest))/\(TokenizerEncode.tokens.port.name)/index.json"),
      index.samples > 0
    else { return nil }
    // [CLS] and [SEP], which packed samples have more of.
    let marks = encode.options.addSpecialTokens ? 2 * Double(index.samples) : 0
    return min(1, (tokens + marks) / (Double(index.samples) * Double(encode.options.sequenceLength)))
  }

  /// The samples of each measurement on held-out tokens; nil if there is none, or the tokens do not exist yet.
  mutating func validationSamples(of index: Int) -> Int? {
    guard let pretrain = stage(index) as? ModelPretrain else { return nil }
    let edges = graph.nodes[index].edges.filter { $0.input == ModelPretrain.validation.port.name }
    guard !edges.isEmpty else { return nil }
    var sum = 0
    for edge in edges {
      let most = pretrain.options.validationSamples
      let port = graph.nodes[edge.source].description.outputs.first { $0.name == edge.output }?.name ?? edge.output
      let written = manifest(of: edge.source).flatMap {
        try? MDSIndex(path: "\(store.artifacts.directory(of: $0))/\(port)/index.json").samples
      }
      guard let samples = written ?? (most > 0 ? most : nil) else {
        remarks.append(
          "no time for validation: the tokens of '\(graph.nodes[edge.source].name)' do not exist yet, and validationSamples "
            + "is 0")
        return nil
      }
      sum += most > 0 ? min(most, samples) : samples
    }
    return sum
  }

  /// The step of the checkpoint that a training continues; 0: none.
  func firstStep(of index: Int) -> Int {
    guard let pretrain = stage(index) as? ModelPretrain,
      let source = source(of: index, ModelPretrain.resume.port.name)
    else { return 0 }
    if pretrain.options.resumeStep > 0 { return pretrain.options.resumeStep }
    return (stage(source) as? ModelPretrain)?.options.steps ?? 0
  }
}
