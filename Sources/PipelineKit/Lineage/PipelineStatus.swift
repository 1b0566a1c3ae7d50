public import ShardKit

/// The state of each stage of a pipeline (`pipeline status`).
public struct PipelineStatus: Sendable {
  public enum State: String, Sendable {
    /// Its output is up to date.
    case fresh
    /// It has output, made from other options or inputs.
    case stale
    /// It has never run.
    case new
    /// A run stopped before it was done; finished tasks are kept.
    case partial
    /// The latest run could not finish it.
    case failed
    /// Known once the upstream stages have run.
    case pending
  }

  public struct Stage: Sendable {
    public var name: String
    public var use: String
    public var state: State
    /// One sentence each.
    public var reasons: [String]
    /// Tasks of a partial stage: done, and the total of the phases started.
    public var tasksDone: Int
    public var tasks: Int
    /// When its newest output was sealed, in milliseconds since 1970.
    public var sealed: Int?
    public var failure: RunStore.Failure?
  }

  /// The pipeline's latest run.
  public var run: RunStore.Run?
  public var stages: [Stage]

  /// Plans the pipeline, and compares with what the store has.
  /// - Throws: as `PipelineRun.plan()` does; `RunError` or `ShardError` if the database cannot be read.
  public init(graph: Graph, store: RunStore) throws {
    let pipeline = graph.document.name
    run = try store.runs(last: 1, pipeline: pipeline).first
    let failures = try run.map { try store.failures(run: $0.id) } ?? []
    let plan = try PipelineRun(graph: graph, store: store, settings: .init()).plan()
    stages = []
    for (node, verdict, fingerprint) in plan.verdicts {
      let name = graph.nodes[node].name
      let sealed = try store.newestSealed(stage: name, pipeline: pipeline)?.sealed
      var stage = Stage(
        name: name, use: graph.nodes[node].description.name, state: .new, reasons: verdict.reasons, tasksDone: 0,
        tasks: 0, sealed: sealed, failure: verdict == .fresh ? nil : failures.last { $0.stage == name })
      switch verdict {
      case .fresh: stage.state = .fresh
      case .resume: stage.state = .partial
      case .pending, .fetch, .unselected, .blocked: stage.state = .pending
      case .impossible: stage.state = .failed
      case .run: stage.state = sealed == nil ? .new : .stale
      }
      if case .resume = verdict, let fingerprint,
        let row = try store.nodeState(stage: name, fingerprint: fingerprint)
      {
        (stage.tasksDone, stage.tasks) = try store.taskTotals(node: row.id)
      }
      if stage.failure != nil { stage.state = .failed }
      stages.append(stage)
    }
  }
}

extension PipelineStatus {
  public var json: JSONValue {
    ["run": run?.json ?? .null, "stages": .list(stages.map(\.json))]
  }
}

extension PipelineStatus.Stage {
  var json: JSONValue {
    [
      "stage": .string(name), "use": .string(use), "state": .string(state.rawValue), "reasons": .strings(reasons),
      "tasksDone": .integer(tasksDone), "tasks": .integer(tasks), "sealed": sealed.map { .integer($0) } ?? .null,
      "failure": failure.map {
        [
          "phase": .string($0.phase), "task": .string($0.key), "attempt": .integer($0.attempt),
          "message": .string($0.message), "at": .integer($0.at),
        ]
      } ?? .null,
    ]
  }
}

extension RunStore.Run {
  public var json: JSONValue {
    [
      "run": .integer(Int(id)), "pipeline": .string(name), "document": .string(document),
      "arguments": .string(arguments), "started": .integer(started), "ended": ended.map { .integer($0) } ?? .null,
      "state": .string(state.rawValue),
    ]
  }
}
