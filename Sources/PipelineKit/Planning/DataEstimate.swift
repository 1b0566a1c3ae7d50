import ShardKit

/// The time and storage of a stage that works on data, computed before it runs.
public struct DataEstimate: Equatable, Sendable {
  public enum Basis: Equatable, Sendable {
    /// Its output exists already: nothing is to be done.
    case finished
    /// Rates of this many earlier outputs of its kind in the store.
    case history(outputs: Int)
    /// A rate that the program states, since there are no earlier runs.
    case stated
    /// Why there is no estimate.
    case unknown(String)
  }

  public var basis: Basis
  /// Content bytes that it reads; nil if unknown.
  public var inputBytes: Int64?
  /// Of its tasks one after another; nil if unknown.
  public var taskSeconds: Double?
  /// By port; nil if unknown.
  public var outputs: [String: StageRate.Size]?

  /// Seconds if so many tasks run at a time: at best, since a stage may have fewer tasks.
  public func seconds(jobs: Int) -> Double? { taskSeconds.map { $0 / Double(max(1, jobs)) } }

  /// On disk; nil if unknown.
  public var storedBytes: Int64? { outputs.map { $0.values.reduce(0) { $0 + $1.stored } } }
}

/// A rate for a kind of stage that has not run in this store.
public struct StatedRate: Equatable, Sendable {
  /// Content bytes per second of one task.
  public var bytesPerSecond: Double
  /// Content bytes written per content byte read, by all ports together.
  public var contentRatio: Double
  /// Bytes on disk per content byte written.
  public var storedRatio: Double

  /// Of documents.
  public static let usualStoredRatio = 0.4

  public init(bytesPerSecond: Double, contentRatio: Double = 1, storedRatio: Double = usualStoredRatio) {
    self.bytesPerSecond = bytesPerSecond
    self.contentRatio = contentRatio
    self.storedRatio = storedRatio
  }
}

/// Estimates of all stages of a pipeline: what a stage writes is what the next ones read.
public struct DataEstimation {
  let graph: Graph
  let store: RunStore
  /// For a kind of stage without earlier runs; nil: no estimate.
  let stated: (StageDescription) -> StatedRate?

  public init(graph: Graph, store: RunStore, stated: @escaping (StageDescription) -> StatedRate?) {
    self.graph = graph
    self.store = store
    self.stated = stated
  }

  /// - Parameter plan: fresh stages count as finished.
  /// - Returns: an estimate per node.
  /// - Throws: `RunError` or `ShardError` if the store cannot be read.
  public func estimates(_ plan: Plan) throws -> [DataEstimate] {
    var estimates = [DataEstimate?](repeating: nil, count: graph.nodes.count)
    let verdicts = Dictionary(uniqueKeysWithValues: plan.verdicts.map { ($0.node, $0.verdict) })
    let planner = Planner(graph: graph, selection: try Selection(graph: graph))
    let history = StoreHistory(store: store, pipeline: graph.document.name)
    for index in graph.order {
      if let finished = try finished(index, verdicts[index]) {
        estimates[index] = finished
        continue
      }
      var own = try estimate(index, estimates)
      // What goes to the next stage in memory takes no space.
      for port in try planner.passes(after: index, history: history).readers.keys { own.outputs?[port]?.stored = 0 }
      estimates[index] = own
    }
    return estimates.map { $0! }
  }

  /// Of a stage that is up to date, or not selected but finished.
  private func finished(_ index: Int, _ verdict: Verdict?) throws -> DataEstimate? {
    guard verdict == .fresh || verdict == .unselected else { return nil }
    let name = graph.nodes[index].name
    guard let manifest = try store.newestSealed(stage: name, pipeline: graph.document.name)?.manifest else {
      return nil
    }
    let ports = graph.nodes[index].description.outputs.map(\.name)
    return DataEstimate(
      basis: .finished, taskSeconds: 0,
      outputs: Dictionary(uniqueKeysWithValues: ports.map { ($0, manifest.size(of: $0)) }))
  }

  private func estimate(_ index: Int, _ known: [DataEstimate?]) throws -> DataEstimate {
    let node = graph.nodes[index]
    let rate = try store.rate(ofKind: node.description.name)
    let input: Input
    switch inputs(node, known) {
    case .unknown(let reason): return DataEstimate(basis: .unknown(reason))
    case let other: input = other
    }
    if let rate {
      guard case .bytes(let bytes) = input, rate.inputBytes > 0 else { return Self.asBefore(rate) }
      return Self.scaled(rate, to: bytes)
    }
    let nothing = DataEstimate(basis: .unknown("no stage of its kind has run in this store"))
    guard case .bytes(let bytes) = input else { return nothing }
    guard let stated = stated(node.description) else {
      var estimate = nothing
      estimate.inputBytes = bytes
      return estimate
    }
    return Self.stated(stated, bytes, node.description)
  }

  // MARK: Inputs

  private enum Input {
    case bytes(Int64)
    /// It reads no artifact and no file: a crawl, a download.
    case none
    case unknown(String)
  }

  private func inputs(_ node: Graph.Node, _ known: [DataEstimate?]) -> Input {
    var bytes: Int64 = 0
    var hasInput = false
    for edge in node.edges where Self.holdsRecords(edge, node) {
      hasInput = true
      // Every node comes after its sources.
      guard let size = known[edge.source]?.outputs?[edge.output] else {
        return .unknown("the size of what '\(graph.nodes[edge.source].name)' writes is unknown")
      }
      bytes = min(bytes + size.content, 1 << 60)
    }
    for (_, paths, holdsRecords) in node.configured.inputFiles where holdsRecords {
      let files: [(path: String, name: String)]
      do { files = try paths.resolve(base: graph.document.folder) } catch {
        return .unknown((error as? StageError).map { "\($0.subject): \($0.message)" } ?? "an input file is missing")
      }
      hasInput = hasInput || !files.isEmpty
      bytes += files.reduce(0) { $0 + (FileSystem.status($1.path)?.bytes ?? 0) }
    }
    return hasInput ? .bytes(bytes) : .none
  }

  private static func holdsRecords(_ edge: Graph.Edge, _ node: Graph.Node) -> Bool {
    let port = node.description.inputs.first { $0.name == edge.input }
    return port?.holdsRecords == true && port?.kind != .tokenizer && port?.kind != .checkpoint
  }

  // MARK: Rates

  private static func asBefore(_ rate: StageRate) -> DataEstimate {
    let share = 1 / Double(rate.outputsCounted)
    return DataEstimate(
      basis: .history(outputs: rate.outputsCounted), taskSeconds: Double(rate.milliseconds) / 1000 * share,
      outputs: rate.outputs.mapValues { $0.scaled(share) })
  }

  private static func scaled(_ rate: StageRate, to bytes: Int64) -> DataEstimate {
    let factor = Double(bytes) / Double(rate.inputBytes)
    return DataEstimate(
      basis: .history(outputs: rate.outputsCounted), inputBytes: bytes,
      taskSeconds: Double(rate.milliseconds) / 1000 * factor, outputs: rate.outputs.mapValues { $0.scaled(factor) })
  }

  private static func stated(_ rate: StatedRate, _ bytes: Int64, _ stage: StageDescription) -> DataEstimate {
    let content = Double(bytes) * rate.contentRatio
    let size = StageRate.Size(
      content: Int64(boundedCount(content)), stored: Int64(boundedCount(content * rate.storedRatio)))
    // The first port has the stage's result; how much goes to the others is not known before.
    let ports = stage.outputs.filter { !$0.isHidden }
    let sizes = ports.enumerated().map { ($1.name, $0 == 0 ? size : StageRate.Size()) }
    return DataEstimate(
      basis: .stated, inputBytes: bytes, taskSeconds: Double(bytes) / rate.bytesPerSecond,
      outputs: Dictionary(uniqueKeysWithValues: sizes))
  }
}
