public import ShardKit

/// Why a stage will run, or why it last ran (`pipeline explain`).
public struct StageExplanation: Sendable {
  public struct Cause: Sendable {
    public var stage: String
    public var verdict: Verdict
  }

  public var stage: String
  public var use: String
  public var revision: Int
  public var verdict: Verdict
  /// Differences between the stage itself and its newest output, while its inputs are still pending.
  public var ownDifferences: [String]
  /// The upstream stages that have to run, in order.
  public var causes: [Cause]
  /// Stored verdicts of earlier runs, newest first.
  public var earlier: [RunStore.StoredVerdict]
  /// What its newest output was made from.
  public var newest: RunStore.Node?
  /// The verdict on each of its tasks from the last time its phases were planned, in phase order.
  public var tasks: [StoredTaskVerdict]

  /// Plans the pipeline, and looks up what decided about the stage.
  /// - Throws: `RunError` (`.selection`) if there is no such stage; as `PipelineRun.plan()` does.
  public init(stage name: String, graph: Graph, store: RunStore, last count: Int = 5) throws {
    let index = try graph.node(named: name)
    let node = graph.nodes[index]
    let pipeline = graph.document.name
    let plan = try PipelineRun(graph: graph, store: store, settings: .init()).plan()
    let verdicts = Dictionary(uniqueKeysWithValues: plan.verdicts.map { ($0.node, $0.verdict) })
    stage = name
    use = node.description.name
    revision = node.description.revision
    verdict = verdicts[index]!
    newest = try store.newestSealed(stage: name, pipeline: pipeline)
    earlier = try store.verdicts(stage: name, pipeline: pipeline, last: count)
    let ancestors = graph.ancestors(of: index)
    causes = graph.order.filter { $0 != index && ancestors.contains($0) && verdicts[$0] != .fresh }
      .map { Cause(stage: graph.nodes[$0].name, verdict: verdicts[$0]!) }
    let phases = node.description.phases
    let stored = try store.taskVerdicts(stage: name, pipeline: pipeline)
    tasks = phases.flatMap { phase in stored.filter { $0.phase == phase } }
    ownDifferences = []
    if case .pending = verdict, let old = newest?.identity {
      ownDifferences = NodeIdentity(
        use: use, revision: revision,
        options: try Fingerprint.manifestOptions(node.configured) { try StoreSalt(of: store.root) }, inputs: old.inputs,
        files: old.files
      ).differences(from: old)
    }
  }
}

extension StageExplanation {
  public var json: JSONValue {
    [
      "stage": .string(stage), "use": .string(use), "revision": .integer(revision), "verdict": .string(verdict.name),
      "reasons": .strings(verdict.reasons), "ownDifferences": .strings(ownDifferences),
      "causes": .list(
        causes.map {
          ["stage": .string($0.stage), "verdict": .string($0.verdict.name), "reasons": .strings($0.verdict.reasons)]
        }),
      "earlier": .list(
        earlier.map {
          [
            "run": .integer(Int($0.run)), "at": .integer($0.at), "verdict": .string($0.verdict),
            "reasons": .strings($0.reasons),
          ]
        }),
      "tasks": .list(
        tasks.map {
          [
            "phase": .string($0.phase), "task": .string($0.key), "run": .integer(Int($0.run)),
            "verdict": .string($0.verdict), "reasons": .strings($0.reasons),
          ]
        }),
      "newest": newest.map {
        [
          "fingerprint": .string($0.fingerprint.hex), "run": .integer(Int($0.run)),
          "sealed": $0.sealed.map { .integer($0) } ?? .null, "identity": $0.identity.json,
        ]
      } ?? .null,
    ]
  }
}
