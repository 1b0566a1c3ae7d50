import PipelineKit
import ShardKit
import Stages

/// The samples of a training step, or one sample of a data set, with the documents in them and their source records.
struct SampleTraceReport {
  /// What is known of a step.
  private struct Step {
    var stage: String
    var step: Int
    var steps: Int
    var epoch: Int
    var isPassedOver: Bool
    var isFinished: Bool
    var batch: Int
    var remote: String
  }

  /// Where each sample is from.
  private let data: [Data]

  private struct Data {
    /// The stage whose sample it is; of tokens that are stored elsewhere, the training.
    var stage: String
    /// The named set of tokens that it is from.
    var set: String?
    /// How often that set was read before.
    var epoch: Int

    init(stage: String, set: String? = nil, epoch: Int = 0) {
      self.stage = stage
      self.set = set
      self.epoch = epoch
    }
  }

  private let step: Step?
  private let origins: SampleOrigins

  // MARK: Steps

  /// - Parameter limit: samples whose documents are looked up.
  init(step number: Int, of stage: String?, limit: Int, _ graph: Graph, _ store: RunStore) throws {
    let pipeline = graph.document.name
    let name = try Self.training(stage, graph)
    guard let node = try store.newestBegun(stage: name, pipeline: pipeline) else {
      throw RunError(
        .notFound, "'\(name)' has not been run yet",
        hint: "Run it: pipeline run \(graph.document.path) --until \(name).")
    }
    let traced = try TracedStep(
      number, of: name, node.identity,
      folder: store.artifacts.directory(stage: name, fingerprint: node.fingerprint), pipeline: pipeline, store: store)
    step = Step(
      stage: traced.stage, step: number, steps: traced.steps, epoch: traced.epoch, isPassedOver: traced.isPassedOver,
      isFinished: node.sealed != nil, batch: traced.samples.count, remote: traced.remote)
    let chosen = traced.samples.prefix(limit)
    let tokens = traced.tokens
    data = chosen.map { sample in
      tokens.isEmpty
        ? Data(stage: traced.stage)
        : Data(
          stage: tokens[sample.data].artifact.manifest.stage, set: tokens[sample.data].name,
          epoch: sample.epoch)
    }
    var samples = chosen.map { SampleParts(shard: $0.shard, file: $0.file, sample: $0.sample) }
    for (number, tokens) in tokens.enumerated() {
      let own = chosen.indices.filter { chosen[$0].data == number }
      guard !own.isEmpty else { continue }
      let reading = try SampleReading(tokens.artifact, store)
      // In the order of the shards, so that each is opened once.
      for place in own.sorted(by: { samples[$0].shard < samples[$1].shard }) {
        samples[place] = try reading.sample(samples[place].sample, of: samples[place].shard)
      }
    }
    origins = try SampleOrigins(samples, ancestry: traced.ancestry, store: store)
  }

  /// The named training, or the only one.
  private static func training(_ stage: String?, _ graph: Graph) throws -> String {
    let trainings = graph.nodes.filter { $0.description.name == ModelPretrain.name }.map(\.name)
    let hint =
      trainings.isEmpty
      ? "This pipeline has none." : "Trainings of this pipeline: \(trainings.joined(separator: ", "))."
    guard let stage else {
      if trainings.count == 1 { return trainings[0] }
      throw RunError(
        .selection, "--step needs the name of a training, a stage of the kind '\(ModelPretrain.name)'", hint: hint)
    }
    let node = graph.nodes[try graph.node(named: stage)]
    guard trainings.contains(node.name) else {
      throw RunError(
        .selection, "'\(node.name)' is a '\(node.description.name)', which has no training steps to trace", hint: hint)
    }
    return node.name
  }

  // MARK: Samples of a shard

  init(shard: String, sample: Int, of stage: String?, _ graph: Graph, _ store: RunStore) throws {
    let (name, port) = try Self.dataSet(stage, graph)
    guard let manifest = try store.newestSealed(stage: name, pipeline: graph.document.name)?.manifest else {
      throw RunError(
        .notFound, "'\(name)' has no finished output",
        hint: "Run it: pipeline run \(graph.document.path) --until \(name).")
    }
    let reading = try SampleReading(ArtifactAncestry.Artifact(manifest: manifest, port: port), store)
    let parts = try reading.sample(sample, of: reading.shard(named: shard))
    step = nil
    data = [Data(stage: name)]
    origins = try SampleOrigins(
      [parts],
      ancestry: ArtifactAncestry(of: manifest.identity, pipeline: graph.document.name, store: store), store: store)
  }

  /// The named stage with a data set, or the only one.
  private static func dataSet(_ stage: String?, _ graph: Graph) throws -> (stage: String, port: String) {
    func port(_ node: Graph.Node) -> String? {
      node.description.outputs.first { $0.kind == .mds && !$0.isHidden }?.name
    }
    let sets = graph.nodes.filter { port($0) != nil }
    let names = sets.map(\.name).joined(separator: ", ")
    let hint = sets.isEmpty ? "This pipeline has none." : "Stages of this pipeline that write one: \(names)."
    guard let stage else {
      if sets.count == 1, let port = port(sets[0]) { return (sets[0].name, port) }
      throw RunError(.selection, "--shard needs the name of a stage that writes an MDS data set", hint: hint)
    }
    let node = graph.nodes[try graph.node(named: stage)]
    guard let port = port(node) else {
      throw RunError(
        .selection, "'\(node.name)' is a '\(node.description.name)', which writes no MDS data set", hint: hint)
    }
    return (node.name, port)
  }
}

// MARK: Text

extension SampleTraceReport {
  func lines(_ style: Style) -> [String] {
    var lines = heading(style)
    for (sample, data) in zip(origins.samples, data) {
      if !lines.isEmpty { lines.append("") }
      let set = data.set.map { "\($0), epoch \(data.epoch): " } ?? ""
      lines.append(style.bold("\(set)\(data.stage) \(sample.file), sample \(sample.sample)"))
      if sample.parts.isEmpty, step?.remote.isEmpty ?? true {
        lines.append(style.dim("  does not name its documents: it has no column 'documents' or 'id'"))
      }
      for part in sample.parts { lines += partLines(part, style) }
    }
    if let step, origins.samples.count < step.batch {
      lines += [
        "",
        style.dim(
          "\(Quantities.count(step.batch - origins.samples.count)) more samples: --samples or --json shows them"),
      ]
    }
    if !origins.missing.isEmpty {
      lines += ["", style.yellow("no longer in the store: ") + origins.missing.joined(separator: ", ")]
    }
    return lines
  }

  private func heading(_ style: Style) -> [String] {
    guard let step else { return [] }
    let state = step.isFinished ? "" : ", not finished"
    var lines = [
      style.bold("step \(Quantities.count(step.step)) of \(step.stage)")
        // Named sets have epochs of their own.
        + " (of \(Quantities.count(step.steps))\(state)): "
        + (data.first?.set == nil ? "epoch \(step.epoch), " : "")
        + Quantities.plural(step.batch, "sample")
    ]
    if step.isPassedOver {
      lines.append(style.yellow("passed over by skipSteps: nothing was learned from these samples"))
    }
    if !step.remote.isEmpty {
      lines.append("The tokens are at \(step.remote); their documents are not looked up there.")
    }
    return lines
  }

  private func partLines(_ part: SampleParts.Part, _ style: Style) -> [String] {
    let origin = origins.origins[part.hash]
    let name = origin?.id ?? part.id ?? "a document that no artifact has any more"
    let tokens =
      part.count.map { ": \(Quantities.plural($0, "token")) from token \(Quantities.count(part.from))" } ?? ""
    var lines = ["  \(style.cyan(name))\(tokens)"]
    guard let origin, let record = origin.record, let source = origin.places.first else {
      return lines + [style.dim("    its source record is not in the store")]
    }
    lines.append("    from \(source.stage) \(source.file) line \(Quantities.count(source.ordinal + 1))")
    if let input = origin.input {
      lines.append("    read from \(input.file) \(input.unit) \(Quantities.count(input.number))")
    }
    if let original = origin.original { lines.append("    as \(original)") }
    let facts = SourceFacts(record, at: source)
    if !facts.shown.isEmpty { lines.append("    \(facts.shown.joined(separator: " · "))") }
    let excerpt = origin.excerpt.split { $0.isNewline || $0 == " " || $0 == "　" }.joined(separator: " ")
    lines.append("    " + style.dim(fitted(visible(excerpt), columns: 100)))
    return lines
  }
}

/// What a source record says of where it comes from.
private struct SourceFacts {
  private static let fields = ["url", "license", "file", "title"]
  let members: [(name: String, value: String)]

  init(_ document: Document, at place: RecordSearch.Place) {
    var found: [Int: String] = [:]
    MetadataReader(Self.fields).read(document.metadata) { path, value, kind in
      guard kind != .null else { return }
      found[path] = String(decoding: value, as: UTF8.self)
    }
    let own = [("source", document.source), ("created", document.created), ("added", document.added)]
    members =
      own.filter { !$0.1.isEmpty }.map { ($0.0, String(decoding: $0.1, as: UTF8.self)) }
      + Self.fields.indices.compactMap { path in found[path].map { (Self.fields[path], $0) } }
  }

  var shown: [String] { members.map { "\($0.name) \($0.value)" } }
}

// MARK: JSON

extension SampleTraceReport {
  var json: JSONValue {
    var members: [JSONMember] = []
    if let step {
      members += [
        JSONMember("stage", .string(step.stage)), JSONMember("step", .integer(step.step)),
        JSONMember("steps", .integer(step.steps)), JSONMember("epoch", .integer(step.epoch)),
        JSONMember("passedOver", .bool(step.isPassedOver)), JSONMember("finished", .bool(step.isFinished)),
        JSONMember("batch", .integer(step.batch)),
      ]
      if !step.remote.isEmpty { members.append(JSONMember("remote", .string(step.remote))) }
    }
    // Samples of named sets have a stage each.
    if let data = data.first, data.set == nil { members.append(JSONMember("data", .string(data.stage))) }
    members += [
      JSONMember("samples", .list(zip(origins.samples, data).map(json))),
      JSONMember("missing", .strings(origins.missing)),
    ]
    return .object(members)
  }

  private func json(_ sample: SampleParts, _ data: Data) -> JSONValue {
    let set =
      data.set.map {
        [
          JSONMember("set", .string($0)), JSONMember("epoch", .integer(data.epoch)),
          JSONMember("data", .string(data.stage)),
        ]
      } ?? []
    return .object(
      set + [
        JSONMember("shard", .integer(sample.shard)), JSONMember("file", .string(sample.file)),
        JSONMember("sample", .integer(sample.sample)), JSONMember("documents", .list(sample.parts.map(json))),
      ])
  }

  private func json(_ part: SampleParts.Part) -> JSONValue {
    let origin = origins.origins[part.hash]
    var members = [
      JSONMember("id", (origin?.id ?? part.id).map { .string($0) } ?? .null),
      JSONMember("from", .integer(part.from)), JSONMember("tokens", part.count.map { .integer($0) } ?? .null),
    ]
    if let original = origin?.original { members.append(JSONMember("original", .string(original))) }
    guard let origin else { return .object(members) }
    members.append(JSONMember("textBytes", origin.textBytes.map { .integer($0) } ?? .null))
    if let record = origin.record, let source = origin.places.first {
      members += SourceFacts(record, at: source).members.map { JSONMember($0.name, .string($0.value)) }
    }
    if let input = origin.input {
      members.append(
        JSONMember(
          "input", ["file": .string(input.file), "unit": .string(input.unit), "number": .integer(input.number)]))
    }
    let places = origin.places.map { place -> JSONValue in
      [
        "stage": .string(place.stage), "use": .string(place.use), "file": .string(place.file),
        "path": .string(place.path), "line": .integer(place.ordinal + 1),
      ]
    }
    members.append(JSONMember("places", .list(places)))
    return .object(members)
  }
}
