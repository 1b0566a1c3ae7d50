import PipelineKit
import ShardKit
import Stages

/// What an ablation compares: a pipeline as it is and its variants, each with every seed.
struct Ablation {
  struct Variant {
    /// `without-dedupe`, `dedupe.threshold=0.7`
    var label: String
    /// By seed; one if nothing has a seed.
    var runs: [Run]
  }

  struct Run {
    var seed: Int?
    var graph: Graph
    /// Of a variant with a pipeline file of its own.
    var file: String?
    /// What `--variant` names: `without-dedupe/seed-2`.
    var name: String
  }

  /// The first is the pipeline as it is.
  let variants: [Variant]
  /// Stages whose measures are compared.
  let scores: [String]
  /// The name of the pipeline whose variants these are.
  let pipeline: String

  static let unchanged = "as-it-is"

  /// One change of a pipeline file.
  enum Change {
    case none
    case without(String)
    case setting(String)
    case file(String)

    var label: String {
      switch self {
      case .none: Ablation.unchanged
      case .without(let stage): "without-\(stage)"
      case .setting(let setting): setting
      case .file(let path): DocumentSyntax.stem(of: path)
      }
    }
  }

  /// - Throws: `SpecErrors` or `RunError` if a variant is no pipeline, changes nothing that is scored, or is named twice.
  init(
    _ path: String, setting parameters: [String], site: ProfileOption, changes: [Change], seeds: [Int],
    scores named: [String]
  ) throws {
    let base = try SpecArguments.graph(of: path, setting: parameters, site: site)
    scores = try Self.scores(of: base, named)
    pipeline = base.document.name
    var variants: [Variant] = []
    var labels: Set<ExactText> = []
    for change in [.none] + changes {
      let reading = VariantReading(path: path, parameters: parameters, site: site, scores: scores, base: base)
      let label = PipelineVariant.pathPart(change.label)
      guard labels.insert(ExactText(label)).inserted else {
        throw RunError(.selection, "two variants would be named '\(label)'", hint: "Leave one out, or rename its file.")
      }
      variants.append(Variant(label: label, runs: try reading.runs(change, label, seeds)))
    }
    self.variants = variants
  }

  /// The stages to compare: those that are named, or all that evaluate a model.
  private static func scores(of graph: Graph, _ named: [String]) throws -> [String] {
    guard named.isEmpty else {
      return try named.flatMap { name in
        let indices = graph.indices(of: name)
        return indices.isEmpty ? [graph.nodes[try graph.node(named: name)].name] : indices.map { graph.nodes[$0].name }
      }
    }
    let found = graph.nodes.filter { $0.description.name.hasPrefix("evaluate.") }.map(\.name)
    guard !found.isEmpty else {
      throw RunError(
        .selection, "no stage of '\(graph.document.name)' evaluates a model",
        hint: "Add one, such as evaluate.jglue, or name the stage whose measures to compare with --score.")
    }
    return found
  }

  /// The pipeline as it is, with the first seed.
  var base: Graph { variants[0].runs[0].graph }

  /// Keeps what each variant is, so that other commands can be asked about it.
  func record(in store: RunStore) throws {
    for run in variants.flatMap(\.runs) {
      let path = PipelineVariant.path(run.name, store: store.root, pipeline: pipeline)
      try FileSystem.makeDirectory(ArchivePath.parent(of: path) ?? store.root)
      let record = VariantRecord(file: run.file, pipeline: run.graph.document.resolved)
      try FileSystem.write(Array(record.json.prettyText().utf8), to: path)
    }
  }
}

/// Reads the pipeline files of variants.
private struct VariantReading {
  let path: String
  let parameters: [String]
  let site: ProfileOption
  let scores: [String]
  let base: Graph

  func runs(_ change: Ablation.Change, _ label: String, _ seeds: [Int]) throws -> [Ablation.Run] {
    let plain = try graph(change, seed: nil)
    let seeded = trained(plain)
    var file: String?
    if case .file(let path) = change { file = FileSystem.realPath(path) }
    guard !seeded.isEmpty else {
      return [Ablation.Run(seed: nil, graph: try named(plain, label), file: file, name: label)]
    }
    return try seeds.map { seed in
      let name = "\(label)/seed-\(seed)"
      let graph = try named(try graph(change, seed: (seed, seeded)), name)
      return Ablation.Run(seed: seed, graph: graph, file: file, name: name)
    }
  }

  private func graph(_ change: Ablation.Change, seed: (number: Int, stages: [String])?) throws -> Graph {
    let seeds = seed.map { seed in seed.stages.map { "stages.\($0).options.seed=\(seed.number)" } } ?? []
    switch change {
    case .none: return try read(path, seeds)
    case .file(let other): return try read(other, seeds)
    case .setting(let setting):
      return try read(path, [try SpecArguments.qualified(setting, in: base)] + seeds)
    case .without(let stage):
      try requireEffect(of: stage)
      let graph = try read(path, seeds)
      return try Graph(try graph.removing(stage), registry: .builtin)
    }
  }

  private func read(_ path: String, _ settings: [String]) throws -> Graph {
    try SpecArguments.graph(of: path, setting: parameters + settings, site: site, isQuiet: true)
  }

  /// Stages with a seed that train a model which is scored.
  private func trained(_ graph: Graph) -> [String] {
    let needed = scores.compactMap { graph.index(of: $0) }.reduce(into: Set<Int>()) {
      $0.formUnion(graph.ancestors(of: $1))
    }
    return graph.order.filter(needed.contains).map { graph.nodes[$0] }.filter { node in
      node.description.name.hasPrefix("model.") && node.description.hasOption("seed")
    }.map(\.name)
  }

  private func requireEffect(of stage: String) throws {
    let removed = base.indices(of: stage)
    let isNeeded = scores.contains { score in
      base.index(of: score).map { base.ancestors(of: $0).contains(where: removed.contains) } ?? false
    }
    guard !isNeeded, !removed.isEmpty else { return }
    throw RunError(
      .selection, "no score depends on '\(stage)', so the pipeline without it has the same ones",
      hint: "Scores are those of: \(scores.joined(separator: ", ")).")
  }

  private func named(_ graph: Graph, _ name: String) throws -> Graph {
    for score in scores where graph.index(of: score) == nil {
      throw RunError(
        .selection, "the variant '\(name)' has no stage '\(score)', whose measures are compared",
        hint: "Name stages that all variants have with --score.")
    }
    var spec = graph.document
    spec.name = PipelineVariant.pipelineName(name, of: base.document.name)
    return try Graph(spec, registry: .builtin)
  }
}
