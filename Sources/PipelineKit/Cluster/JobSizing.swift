import ShardKit

/// Decides what jobs ask for and which tasks they run, from estimates and from what earlier tasks took.
struct JobSizing {
  let profile: SiteProfile
  let store: RunStore

  /// What the program itself needs, without a task.
  private static let baseBytes = 256 << 20
  /// Assumed for tasks of which nothing is known.
  private static let bytesPerSecond = 10e6
  private static let secondsPerTask = 0.2

  func request(_ plan: TaskPlan, _ node: Graph.Node, phase: String) -> JobRequest {
    let own = profile.resources(stage: node.name, use: node.description.name)
    return JobRequest(
      memoryBytes: own.memory?.bytes ?? memory(plan, node.name, phase), cores: own.cores ?? plan.resources.cores,
      gpus: own.gpus ?? plan.resources.gpus, nodes: own.nodes ?? plan.resources.nodes,
      seconds: (own.time ?? profile.time).seconds)
  }

  /// What such tasks took at most, with a margin, or else the task's own estimate.
  private func memory(_ plan: TaskPlan, _ stage: String, _ phase: String) -> Int {
    let estimate = Self.baseBytes + min(plan.memoryBytes, 1 << 44) / 4 * 5
    let known = (try? store.peakBytes(stage: stage, phase: phase)) ?? nil
    let wanted = known.map { $0 / 10 * 13 + (64 << 20) } ?? estimate
    let rounded = (wanted + (64 << 20) - 1) / (64 << 20) * (64 << 20)
    return min(max(rounded, profile.memory.bytes), profile.maximumMemory.bytes)
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
  func groups(_ tasks: [LiveTask], _ node: Graph.Node, phase: String, most: Int) -> [[[Int]]] {
    let own = profile.resources(stage: node.name, use: node.description.name)
    let target = Double(own.secondsPerJob ?? profile.secondsPerJob)
    let known = (try? store.meanMilliseconds(stage: node.name, phase: phase)) ?? nil
    let seconds = tasks.map { known.map { $0 / 1000 } ?? Self.guess($0) }
    let groups = Self.pack(seconds, target: target, isAlone: { tasks[$0].request.nodes > 1 || tasks[$0].deaths > 0 })
    return stride(from: 0, to: groups.count, by: most).map { Array(groups[$0..<min($0 + most, groups.count)]) }
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
