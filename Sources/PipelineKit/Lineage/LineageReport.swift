public import ShardKit

/// What the newest outputs of a pipeline were made from, and how; the source of the text, JSON and HTML reports.
public struct LineageReport: Sendable {
  public var pipeline: String
  public var document: String
  public var run: RunStore.Run?
  /// In graph order.
  public var stages: [StageLineage]
}

/// One stage's newest output.
public struct StageLineage: Sendable {
  /// An upstream artifact currently wired to an input.
  public struct Wired: Sendable {
    public var input: String
    public var stage: String
    public var port: String
    /// The artifact that this output was made from; nil if the input was wired later.
    public var digest: Digest?
    public var documents: Int
    public var textBytes: Int64
  }

  public struct Output: Sendable {
    public var port: String
    public var kind: ArtifactKind
    public var directory: String
    public var files: Int
    public var bytes: Int64
    public var documents: Int
    public var textBytes: Int64
    public var digest: Digest
    /// Whether its documents went to the next stage in memory, so that the files only stand for them.
    public var isPassed: Bool
  }

  /// Everything known about a stage with output.
  public struct Made: Sendable {
    public var fingerprint: Digest
    public var sealed: Int
    public var options: JSONValue
    /// External files, by option.
    public var files: [NodeIdentity.File]
    public var outputs: [Output]
    public var ledger: Ledger
    public var warnings: [String: TaskManifest.Warning]
    public var metrics: [String: Double]
    public var tasks: Int
    /// Tasks reused from an older output. Those that were done in the pass of another stage have their own time.
    public var reusedTasks: Int
    /// Total time of the tasks that ran.
    public var milliseconds: Int
    /// What its tasks asked for and used where they last ran on a cluster, by phase.
    public var usages: [RunStore.PhaseUsage]
    /// Text bytes in (out for a source) per second of task time; nil if no time was measured.
    public var bytesPerSecond: Double?
  }

  public var name: String
  public var use: String
  public var revision: Int
  public var inputs: [Wired]
  public var made: Made?
}

extension LineageReport {
  /// Reads the newest output of every stage, and the last run.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public init(graph: Graph, store: RunStore) throws {
    pipeline = graph.document.name
    document = graph.document.path
    run = try store.runs(last: 1, pipeline: pipeline).first
    stages = []
    var manifests: [Int: NodeManifest] = [:]
    for index in graph.order {
      let node = graph.nodes[index]
      let newest = try store.newestSealed(stage: node.name, pipeline: pipeline)
      manifests[index] = newest?.manifest
      let wired = node.edges.map { edge in
        let source = graph.nodes[edge.source].name
        let files = manifests[edge.source]?.files(of: edge.output) ?? []
        return StageLineage.Wired(
          input: edge.input, stage: source, port: edge.output,
          digest: newest?.identity.inputs.first { $0.input == edge.input && $0.source == "\(source).\(edge.output)" }?
            .digest,
          documents: files.reduce(0) { $0 + $1.documents }, textBytes: files.reduce(0) { $0 + $1.textBytes })
      }
      stages.append(
        StageLineage(
          name: node.name, use: node.description.name, revision: node.description.revision, inputs: wired,
          made: try newest.flatMap { try StageLineage.Made($0, node.description, store) }))
    }
  }
}

extension StageLineage.Made {
  init?(_ node: RunStore.Node, _ description: StageDescription, _ store: RunStore) throws {
    guard let manifest = node.manifest, let sealed = node.sealed else { return nil }
    let folder = store.artifacts.directory(of: manifest)
    let times = try store.taskTimes(node: node.id)
    fingerprint = node.fingerprint
    self.sealed = sealed
    options = node.identity.options
    files = node.identity.files
    ledger = manifest.ledger
    warnings = manifest.warnings
    metrics = manifest.metrics
    tasks = manifest.tasks
    reusedTasks = times.reused
    milliseconds = times.milliseconds
    usages = try store.usages(stage: manifest.stage)
    let passed = max(ledger.input.bytes, ledger.output.bytes)
    bytesPerSecond =
      times.reused == 0 && times.milliseconds > 0 ? Double(passed) / Double(times.milliseconds) * 1000 : nil
    outputs = description.outputs.filter { !$0.isHidden }.map { port in
      let files = manifest.files(of: port.name)
      return StageLineage.Output(
        port: port.name, kind: port.kind, directory: "\(folder)/\(port.name)", files: files.count,
        bytes: manifest.size(of: port.name).stored, documents: files.reduce(0) { $0 + $1.documents },
        textBytes: files.reduce(0) { $0 + $1.textBytes }, digest: manifest.digest(of: port.name),
        isPassed: manifest.hasPassed(port.name))
    }
  }
}

extension LineageReport {
  public var json: JSONValue {
    [
      "pipeline": .string(pipeline), "document": .string(document), "run": run?.json ?? .null,
      "stages": .list(stages.map(\.json)),
    ]
  }
}

extension StageLineage {
  var json: JSONValue {
    [
      "stage": .string(name), "use": .string(use), "revision": .integer(revision),
      "inputs": .list(
        inputs.map {
          [
            "input": .string($0.input), "stage": .string($0.stage), "port": .string($0.port),
            "digest": $0.digest.map { .string($0.hex) } ?? .null, "documents": .integer($0.documents),
            "textBytes": .integer(Int($0.textBytes)),
          ]
        }), "made": made?.json ?? .null,
    ]
  }
}

extension StageLineage.Made {
  var json: JSONValue {
    [
      "fingerprint": .string(fingerprint.hex), "sealed": .integer(sealed), "options": options,
      "files": .list(
        files.map { ["option": .string($0.option), "name": .string($0.name), "digest": .string($0.digest.hex)] }),
      "outputs": .list(
        outputs.map {
          [
            "port": .string($0.port), "kind": .string($0.kind.rawValue), "directory": .string($0.directory),
            "files": .integer($0.files), "bytes": .integer(Int($0.bytes)), "documents": .integer($0.documents),
            "textBytes": .integer(Int($0.textBytes)), "digest": .string($0.digest.hex), "passed": .bool($0.isPassed),
          ]
        }), "ledger": ledger.json,
      "warnings": .object(
        warnings.sorted { $0.key < $1.key }.map {
          JSONMember($0.key, ["count": .integer($0.value.count), "example": .string($0.value.example)])
        }),
      "metrics": .object(metrics.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number($0.value)) }),
      "tasks": .integer(tasks), "reusedTasks": .integer(reusedTasks), "milliseconds": .integer(milliseconds),
      "bytesPerSecond": bytesPerSecond.map { .number($0.rounded()) } ?? .null,
      "cluster": .list(
        usages.map {
          [
            "phase": .string($0.phase), "tasks": .integer($0.tasks), "hosts": .integer($0.hosts),
            "milliseconds": .integer($0.milliseconds), "processorMilliseconds": .integer($0.processorMilliseconds),
            "reservedMilliseconds": .integer($0.reservedMilliseconds), "peakBytes": .integer($0.peakBytes),
            "askedBytes": .integer($0.askedBytes),
          ]
        }),
    ]
  }
}
