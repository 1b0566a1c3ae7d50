import ShardKit

/// Decides what jobs ask for and which tasks they run, from estimates and from what earlier tasks took.
final class JobSizing {
  /// Tasks by job, and how long the longest of these jobs is expected to take.
  struct Groups {
    var places: [[Int]]
    var seconds: Double
  }

  let profile: SiteProfile
  let store: RunStore
  /// What is known of phases, asked once for many tasks.
  private var peaks: [String: Int?] = [:]
  private var means: [String: Double?] = [:]
  /// By stage.
  private var shortages: [String: (needed: Int, allowed: Int)] = [:]

  init(profile: SiteProfile, store: RunStore) {
    self.profile = profile
    self.store = store
  }

  /// What the program itself needs, without a task.
  private static let baseBytes = 256 << 20
  /// Assumed for tasks of which nothing is known.
  private static let bytesPerSecond = 10e6
  private static let secondsPerTask = 0.2

  /// Asks the store anew.
  func forget() {
    peaks = [:]
    means = [:]
  }

  func request(_ plan: TaskPlan, _ node: Graph.Node, phase: String) -> JobRequest {
    let own = profile.resources(stage: node.name, use: node.description.name)
    let plan = scaled(plan, gpus: own.gpus)
    return JobRequest(
      memoryBytes: own.memory?.bytes ?? memory(plan, node.name, phase, most: profile.most(own).memory.bytes),
      cores: own.cores ?? min(plan.resources.cores, profile.maximumCores),
      gpus: own.gpus ?? plan.resources.gpus, nodes: own.nodes ?? plan.resources.nodes,
      seconds: (own.time ?? profile.time).seconds)
  }

  /// A task that takes all GPUs of its machine was planned on another one.
  private func scaled(_ plan: TaskPlan, gpus: Int?) -> TaskPlan {
    let planned = plan.resources.gpus
    guard let gpus, gpus > 0, planned > 0, gpus != planned else { return plan }
    var plan = plan
    plan.resources.gpus = gpus
    plan.resources.cores = max(1, plan.resources.cores * gpus / planned)
    plan.resources.memoryBytes = plan.memoryBytes / planned * gpus
    return plan
  }

  /// Finds out that a job would fail on its node, before it waits in a queue.
  /// - Throws: `StageError` (`options`) with what to change.
  func check(_ plan: TaskPlan, _ node: Graph.Node) throws(StageError) {
    let own = profile.resources(stage: node.name, use: node.description.name)
    guard let gpus = own.gpus, gpus > 0 || plan.resources.gpus > 0 else { return }
    func option(_ name: String) -> JSONValue? { node.configured.options.first { $0.name == name }?.value }
    if plan.resources.gpus > gpus, let processes = option("processes")?.integer, processes > 0 {
      throw StageError(
        .options, "gpus", "is \(gpus) in the profile's resources, but '\(node.name)' states \(processes) processes",
        hint: "Each needs a GPU: raise \"gpus\" there, or lower \"processes\" of the stage.")
    }
    if plan.resources.gpus == 0, option("device") == .string("auto") {
      throw StageError(
        .options, "device",
        "is \"auto\", which means the CPU on this machine, but the profile gives the jobs of "
          + "'\(node.name)' GPUs",
        hint: "State \"cuda\" or \"cpu\".")
    }
  }

  /// The task's own estimate with a margin, or what such tasks took at most if that is known; never less than half of
  /// the estimate, since these tasks may be larger.
  private func memory(_ plan: TaskPlan, _ stage: String, _ phase: String, most: Int) -> Int {
    let estimate = Self.baseBytes + min(plan.memoryBytes, 1 << 44) / 4 * 5
    let wanted = peak(stage, phase).map { max($0 / 10 * 13 + (64 << 20), estimate / 2) } ?? estimate
    let rounded = (wanted + (64 << 20) - 1) / (64 << 20) * (64 << 20)
    if rounded > most { shortages[stage] = (max(rounded, shortages[stage]?.needed ?? 0), most) }
    return min(max(rounded, profile.memory.bytes), most)
  }

  /// A sentence about tasks that would need more memory than jobs get.
  func shortage(_ stage: String) -> String? {
    shortages[stage].map {
      "its tasks are estimated to need \(ByteCount($0.needed)) of memory, but the profile allows \(ByteCount($0.allowed)) "
        + "('maximumMemory'): they may run out of it"
    }
  }

  private func peak(_ stage: String, _ phase: String) -> Int? {
    let key = "\(stage)\u{0}\(phase)"
    if let known = peaks[key] { return known }
    let found = (try? store.peakBytes(stage: stage, phase: phase)) ?? nil
    peaks[key] = .some(found)
    return found
  }

  private func mean(_ stage: String, _ phase: String) -> Double? {
    let key = "\(stage)\u{0}\(phase)"
    if let known = means[key] { return known }
    let found = (try? store.meanMilliseconds(stage: stage, phase: phase)) ?? nil
    means[key] = .some(found)
    return found
  }

  /// The time limit of jobs of which the longest is expected to take so long.
  func seconds(_ request: JobRequest, longest: Double, _ node: Graph.Node) -> Int {
    let expected = Int(longest * 3) + profile.warningSeconds + 60
    let own = profile.resources(stage: node.name, use: node.description.name)
    return min(max(request.seconds, expected), max(profile.most(own).time.seconds, request.seconds))
  }

  /// Tasks that can share a batch, in the order in which they came.
  func alike(_ tasks: [LiveTask]) -> [[LiveTask]] {
    struct Kind: Hashable {
      var directory: String
      var phase: String
      var request: JobRequest
    }
    var order: [Kind] = []
    var found: [Kind: [LiveTask]] = [:]
    for task in tasks {
      let kind = Kind(directory: task.directory, phase: task.phase, request: task.request)
      if found[kind] == nil { order.append(kind) }
      found[kind, default: []].append(task)
    }
    return order.compactMap { found[$0] }
  }

  /// Consecutive tasks that together take about `secondsPerJob`, in batches of at most `most` groups.
  func groups(_ tasks: [LiveTask], _ node: Graph.Node, phase: String, most: Int) -> [Groups] {
    let own = profile.resources(stage: node.name, use: node.description.name)
    let target = Double(own.secondsPerJob ?? profile.secondsPerJob)
    let known = mean(node.name, phase)
    let seconds = tasks.map { known.map { $0 / 1000 } ?? Self.guess($0) }
    let groups = Self.pack(
      seconds, target: target, isAlone: { tasks[$0].request.nodes > 1 || tasks[$0].record.deaths > 0 })
    return stride(from: 0, to: groups.count, by: most).map { start in
      let places = Array(groups[start..<min(start + most, groups.count)])
      return Groups(places: places, seconds: places.map { $0.reduce(0) { $0 + seconds[$1] } }.max() ?? 0)
    }
  }

  private static func guess(_ task: LiveTask) -> Double {
    let bytes = task.record.inputs.reduce(0) { $0 + $1.files.reduce(0) { $0 + max($1.bytes, $1.textBytes) } }
    return secondsPerTask + Double(bytes) / bytesPerSecond
  }

  /// - Parameter isAlone: tasks that share a job with no other.
  static func pack(_ seconds: [Double], target: Double, isAlone: (Int) -> Bool) -> [[Int]] {
    var groups: [[Int]] = []
    var filled = 0.0
    var mayJoin = false
    for (place, own) in seconds.enumerated() {
      let alone = isAlone(place)
      if mayJoin, !alone, filled + own <= target {
        groups[groups.count - 1].append(place)
        filled += own
        continue
      }
      groups.append([place])
      filled = own
      mayJoin = !alone
    }
    return groups
  }
}
