import PipelineKit
public import ShardKit
import TrainerCore

/// Identifies the training that a stage's options describe, for fingerprints and for resuming an unfinished one.
extension ModelPretrain {
  /// On a CPU, equal options give equal bits, so options that change them are part of the fingerprint. On GPUs, sums
  /// over devices have no fixed order, so results agree only up to rounding anyway. A training that was resumed with
  /// another `microbatchSize` or number of `processes` has the fingerprint of the latest ones. Its weights equal those
  /// of an uninterrupted training up to rounding, not bit by bit.
  public var settled: [String: JSONValue] {
    let shared: [String: JSONValue] =
      isFreelyCut(options.model) ? ["processes": .null, "microbatchSize": .null] : ["processes": settledProcesses]
    return ComputeSettings.settled(options.device, options.precision).merging(shared) { $1 }
  }

  /// Whether dividing a step differently only changes rounding. False on a CPU, where bits count, and false if
  /// attention dropout depends on the position in the microbatch.
  private func isFreelyCut(_ kind: ModelShape.Kind) -> Bool {
    options.device.isGPU && !(kind == .bert && options.dropout > 0)
  }

  /// Three numbers have several sums, depending on their order, which depends on an element's place in its message. Two
  /// have one. On GPUs this is rounding like any other.
  private var settledProcesses: JSONValue {
    let count = plannedProcesses
    guard count > 2, !options.device.isGPU, options.bucketMiB > 0 else { return .integer(count) }
    return ["processes": .integer(count), "bucketMiB": .integer(options.bucketMiB)]
  }

  /// The expected number of processes on all machines, determined without the engine.
  private var plannedProcesses: Int { plannedNodes * plannedProcessesPerMachine }

  /// The expected number of machines. The training checks it when it starts.
  var plannedNodes: Int {
    if options.nodes > 1 { return options.nodes }
    return (try? LaunchEnvironment.current(processesPerNode: plannedProcessesPerMachine, environment: environment))?
      .nodes ?? 1
  }

  /// The expected number of processes on one machine.
  var plannedProcessesPerMachine: Int {
    if options.processes > 0 { return options.processes }
    return options.device.isGPU ? max(1, Device.visibleGPUs) : 1
  }

  /// How a step is divided.
  struct Cut: Codable {
    var processes: Int
    var microbatchSize: Int
  }

  /// For a task's payload: how a step is divided, if that affects weights but the options do not show it because the
  /// architecture comes from a wired model; otherwise nil.
  func cut(_ kind: ModelShape.Kind) -> Cut? {
    guard !isFreelyCut(kind), isFreelyCut(options.model) else { return nil }
    return Cut(processes: plannedProcesses, microbatchSize: options.microbatchSize)
  }

  /// Identifies the training: everything that determines its steps, except how a step is divided and the options that
  /// change its later course, which may change when an unfinished training is resumed. What it is measured on, and what
  /// is published of its checkpoints, determines no step.
  /// - Parameter unmasked: the number of ids that former releases masked; nil: none.
  func stateKey(_ files: [ArtifactFile], _ sets: TokenSets? = nil, unmasked: Int? = nil) -> String {
    let knobs: Set = [
      "microbatchSize", "processes", "keepEverySteps", "skipSteps", "laterRates", "skipNonFinite",
      "keepOptimizer", "validationSteps", "validationSamples", "validationMaskFraction", "bestBy",
    ]
    let decided = settled
    var digester = Digester()
    digester.update(field: "\(Self.name) \(Self.revision)")
    for field in options.fields where field.isIdentifying && !knobs.contains(field.name) {
      digester.update(field: "\(field.name) \((decided[field.name] ?? field.value).text(sortedKeys: true))")
    }
    for file in files { digester.update(field: "\(file.name) \(file.digest.hex)") }
    for set in sets?.sets ?? [] { digester.update(field: "set \(set.name) \(set.files.count)") }
    if let unmasked { digester.update(field: "unmasked \(unmasked)") }
    return digester.finish().hex
  }
}
