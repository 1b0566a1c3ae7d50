public import ShardKit

/// Exports the newest outputs of a pipeline as OpenLineage run events, for data catalogs.
///
/// A run of the pipeline is a run of a job with the pipeline's name; a stage's output is a run of the job
/// `PIPELINE.STAGE`, with that run as its parent. Each has a START event and, if it has ended, one terminal event. Ids
/// are derived from names, so that repeated exports are identical. A custom facet reports what a stage dropped.
/// Specification: https://openlineage.io/spec/2-0-2/OpenLineage.json
public struct OpenLineage: Sendable {
  private static let producer = "urn:\(Product.name):\(Product.version)"
  private static let namespace = "pipeline"

  /// In order of time.
  public private(set) var events: [JSONValue] = []
  private let pipeline: String

  private typealias Timed = (at: Int, event: JSONValue)

  /// The events of the newest output of every stage, and of the runs that made them.
  /// - Throws: `RunError` (`.damaged`, `.store`) or `ShardError` if the database cannot be read.
  public init(graph: Graph, store: RunStore) throws {
    pipeline = graph.document.name
    var timed: [Timed] = []
    var runs: [Int64: RunStore.Run] = [:]
    for index in graph.order {
      let node = graph.nodes[index]
      guard let made = try store.newestSealed(stage: node.name, pipeline: pipeline), let manifest = made.manifest else {
        continue
      }
      if runs[made.run] == nil, let run = try store.run(made.run) {
        runs[made.run] = run
        timed += events(of: run)
      }
      timed += events(of: node, made, manifest, runs[made.run])
    }
    events = timed.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element.event)
  }

  // MARK: Events

  private func events(of run: RunStore.Run) -> [Timed] {
    var timed = [event("START", run.started, run: Self.identifier(of: run), job: pipeline, kind: "PIPELINE")]
    let end: String? =
      switch run.state {
      case .running: nil
      case .done: "COMPLETE"
      case .failed: "FAIL"
      case .interrupted, .killed: "ABORT"
      }
    if let type = end {
      timed.append(
        event(type, run.ended ?? run.started, run: Self.identifier(of: run), job: pipeline, kind: "PIPELINE"))
    }
    return timed
  }

  private func events(
    of node: Graph.Node, _ made: RunStore.Node, _ manifest: NodeManifest, _ run: RunStore.Run?
  ) -> [Timed] {
    let identifier = Self.identifier("stage", node.name, made.fingerprint.hex, String(made.begun))
    let job = "\(pipeline).\(node.name)"
    var facets: [JSONMember] = []
    if let run {
      let parent: JSONValue = [
        "run": ["runId": .string(Self.identifier(of: run))],
        "job": ["namespace": .string(Self.namespace), "name": .string(pipeline)],
      ]
      facets.append(JSONMember("parent", Self.facet("1-0-1", "ParentRunFacet", parent)))
    }
    let inputs = inputs(made)
    let ledger = JSONMember("pipeline_ledger", Self.ownFacet("ledger", manifest.ledger.json))
    return [
      event("START", made.begun, run: identifier, facets, job: job, kind: "STAGE", inputs: inputs),
      event(
        "COMPLETE", max(made.begun, made.sealed ?? made.begun), run: identifier, facets + [ledger], job: job,
        kind: "STAGE", inputs: inputs, outputs: outputs(node, manifest)),
    ]
  }

  private func event(
    _ type: String, _ at: Int, run: String, _ facets: [JSONMember] = [], job: String, kind: String,
    inputs: [JSONValue] = [], outputs: [JSONValue] = []
  ) -> Timed {
    let engine = Self.facet(
      "1-1-1", "ProcessingEngineRunFacet", ["version": .string(Product.version), "name": .string(Product.name)])
    let jobType = Self.facet(
      "2-0-3", "JobTypeJobFacet",
      ["processingType": "BATCH", "integration": "PIPELINE", "jobType": .string(kind)])
    return (
      at,
      [
        "eventType": .string(type), "eventTime": .string(Self.moment(at)), "producer": .string(Self.producer),
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": ["runId": .string(run), "facets": .object([JSONMember("processing_engine", engine)] + facets)],
        "job": ["namespace": .string(Self.namespace), "name": .string(job), "facets": ["jobType": jobType]],
        "inputs": .list(inputs), "outputs": .list(outputs),
      ]
    )
  }

  // MARK: Datasets

  /// Artifacts are named `PIPELINE.STAGE.PORT`; external files by option and name, with their digests as versions.
  private func inputs(_ made: RunStore.Node) -> [JSONValue] {
    made.identity.inputs.filter { $0.input != StageAccount.input }.map {
      dataset(Self.namespace, "\(pipeline).\($0.source)", $0.digest, [])
    }
      + made.identity.files.map { dataset("file", "\($0.option)/\($0.name)", $0.digest, []) }
  }

  private func outputs(_ node: Graph.Node, _ manifest: NodeManifest) -> [JSONValue] {
    node.description.outputs.filter { !$0.isHidden }.map { port in
      let files = manifest.files(of: port.name)
      let statistics: JSONValue = [
        "rowCount": .integer(files.reduce(0) { $0 + $1.documents }),
        "size": .integer(Int(manifest.size(of: port.name).stored)), "fileCount": .integer(files.count),
      ]
      return dataset(
        Self.namespace, "\(pipeline).\(node.name).\(port.name)", manifest.digest(of: port.name),
        [
          JSONMember(
            "outputFacets", ["outputStatistics": Self.facet("1-0-2", "OutputStatisticsOutputDatasetFacet", statistics)])
        ])
    }
  }

  private func dataset(_ namespace: String, _ name: String, _ version: Digest, _ more: [JSONMember]) -> JSONValue {
    let facet = Self.facet("1-0-1", "DatasetVersionDatasetFacet", ["datasetVersion": .string(version.hex)])
    return .object(
      [
        JSONMember("namespace", .string(namespace)), JSONMember("name", .string(name)),
        JSONMember("facets", ["version": facet]),
      ] + more)
  }

  // MARK: Formats

  private static func facet(_ version: String, _ name: String, _ content: JSONValue) -> JSONValue {
    facet("https://openlineage.io/spec/facets/\(version)/\(name).json", content)
  }

  private static func ownFacet(_ name: String, _ content: JSONValue) -> JSONValue {
    facet("\(producer):facet:\(name)", content)
  }

  private static func facet(_ schema: String, _ content: JSONValue) -> JSONValue {
    .object(
      [JSONMember("_producer", .string(producer)), JSONMember("_schemaURL", .string(schema))] + (content.members ?? []))
  }

  private static func identifier(of run: RunStore.Run) -> String {
    identifier("run", run.name, String(run.id), String(run.started))
  }

  /// A UUID derived from names: version 8 of RFC 9562, over a SHA-256.
  private static func identifier(_ names: String...) -> String {
    var digester = Digester()
    for name in names { digester.update(field: name) }
    var hex = Array(digester.finish().hex.utf8.prefix(32))
    hex[12] = UInt8(ascii: "8")
    hex[16] = Array("89ab".utf8)[Int(hex[16] & 3)]
    var out: [UInt8] = []
    for (index, digit) in hex.enumerated() {
      if [8, 12, 16, 20].contains(index) { out.append(UInt8(ascii: "-")) }
      out.append(digit)
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// `2026-11-21T22:27:08.123Z` (RFC 3339).
  private static func moment(_ milliseconds: Int) -> String {
    let moment = CivilTime(secondsSince1970: milliseconds / 1000)
    return "\(moment.date())T\(moment.time()).\(padded(milliseconds % 1000, 3))Z"
  }
}
