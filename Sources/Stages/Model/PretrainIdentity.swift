import Glibc
import PipelineKit
public import ShardKit
import TrainerCore

/// Which training a stage's options mean: what stands in fingerprints, and whose unfinished state it goes on with.
extension ModelPretrain {
  /// On a CPU the same options give the same bits, and what changes them is told apart; on GPUs sums have no fixed order
  /// over devices, and results agree to rounding whatever these say. A training that went on under another `microbatchSize`
  /// or number of `processes` than it began with has the fingerprint of the last ones; its weights are those of a training
  /// that was never stopped to rounding, not to the bit.
  public var settled: [String: JSONValue] {
    let shared: [String: JSONValue] =
      isFreelyCut(options.model)
      ? ["processes": .null, "microbatchSize": .null] : ["processes": .integer(plannedProcesses)]
    return ComputeSettings.settled(options.device, options.precision).merging(shared) { $1 }
  }

  /// Whether nothing but rounding depends on how a step is shared out. Not on a CPU, where bits count, and not where
  /// attention drops values by their place in the microbatch.
  private func isFreelyCut(_ kind: ModelShape.Kind) -> Bool {
    options.device.isGPU && !(kind == .bert && options.dropout > 0)
  }

  /// As far as can be told without the engine.
  private var plannedProcesses: Int {
    if let world = Self.worldSize { return world }
    if options.processes > 0 { return options.processes }
    return options.device.isGPU ? Device.visibleGPUs : 1
  }

  /// Processes of all machines, where a launcher has said so.
  private static var worldSize: Int? {
    getenv("WORLD_SIZE").flatMap { Int(String(cString: $0)) }.flatMap { $0 > 1 ? $0 : nil }
  }

  /// How a step is shared out.
  struct Cut: Codable {
    var processes: Int
    var microbatchSize: Int
  }

  /// For a task's payload: how a step is shared out, where that decides weights and no option says so, since the
  /// architecture is a wired model's; nil elsewhere.
  func cut(_ kind: ModelShape.Kind) -> Cut? {
    guard !isFreelyCut(kind), isFreelyCut(options.model) else { return nil }
    return Cut(processes: plannedProcesses, microbatchSize: options.microbatchSize)
  }

  /// Of a model that is wired.
  static func kind(_ files: [ArtifactFile]) throws -> ModelShape.Kind? {
    try files.first { $0.name == ModelShape.fileName }.map { try ModelShape(path: $0.path).kind }
  }

  /// Which training this is: all that decides its steps, but for how a step is shared out, which a rescue may change, and
  /// for the course from where it departs.
  func stateKey(_ files: [ArtifactFile]) -> String {
    let knobs: Set = [
      "microbatchSize", "processes", "keepEverySteps", "skipSteps", "laterRates", "skipNonFinite",
    ]
    let decided = settled
    var digester = Digester()
    digester.update(field: "\(Self.name) \(Self.revision)")
    for field in options.fields where field.affectsOutput && !knobs.contains(field.name) {
      digester.update(field: "\(field.name) \((decided[field.name] ?? field.value).text(sortedKeys: true))")
    }
    for file in files { digester.update(field: "\(file.name) \(file.digest.hex)") }
    return digester.finish().hex
  }
}
