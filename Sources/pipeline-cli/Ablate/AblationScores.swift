import PipelineKit
import ShardKit

/// The measures that the runs of an ablation have stored.
struct AblationScores {
  struct Variant {
    var label: String
    /// Runs that are done, and how many there should be.
    var runs: [Run] = []
    var wanted: Int
    /// Scoring stages that read other test data than those of the unchanged pipeline, or measure in another way.
    var incomparable: [String] = []
  }

  struct Run {
    var seed: Int?
    /// By `STAGE MEASURE`.
    var values: [String: Double] = [:]
    /// Tokens that the models were trained on, and tokens that their data has; nil if a stage does not say.
    var trained: Double?
    var available: Double?
  }

  let variants: [Variant]
  /// Names of measures, in the order of the stages and then of the alphabet.
  let measures: [String]
  let hasSeeds: Bool

  /// - Parameter done: names of the runs that are done; older outputs of others are none of this ablation.
  init(_ ablation: Ablation, done: Set<String>, _ store: RunStore) throws {
    let reading = ScoreReading(scores: ablation.scores, store: store)
    let base = ablation.variants[0].runs.first { done.contains($0.name) }
    let own = try base.map { try reading.measurement($0.graph) }
    var names: [String] = []
    variants = try ablation.variants.map { variant in
      var out = Variant(label: variant.label, wanted: variant.runs.count)
      for run in variant.runs where done.contains(run.name) {
        guard let (values, order) = try reading.values(run.graph) else { continue }
        for name in order where !names.contains(name) { names.append(name) }
        var done = Run(seed: run.seed, values: values)
        (done.trained, done.available) = try reading.tokens(run.graph)
        if out.runs.isEmpty, let own {
          let other = try reading.measurement(run.graph)
          out.incomparable = ablation.scores.filter { own[$0] != other[$0] }
        }
        out.runs.append(done)
      }
      return out
    }
    measures = names
    hasSeeds = ablation.variants[0].runs[0].seed != nil
  }

  /// Differences from the unchanged pipeline with the same seed.
  func differences(_ measure: String, _ variant: Variant) -> [Double] {
    variant.runs.compactMap { run in
      guard let value = run.values[measure],
        let base = variants[0].runs.first(where: { $0.seed == run.seed })?.values[measure]
      else { return nil }
      return value - base
    }
  }
}

private struct ScoreReading {
  let scores: [String]
  let store: RunStore

  private func manifest(_ graph: Graph, _ stage: String) throws -> NodeManifest? {
    try store.newestSealed(stage: stage, pipeline: graph.document.name)?.manifest
  }

  /// nil if a stage is not done.
  func values(_ graph: Graph) throws -> (values: [String: Double], order: [String])? {
    var values: [String: Double] = [:]
    var order: [String] = []
    for score in scores {
      guard let manifest = try manifest(graph, score) else { return nil }
      for (name, value) in manifest.metrics.sorted(by: { ExactText($0.key) < ExactText($1.key) }) {
        order.append("\(score) \(name)")
        values["\(score) \(name)"] = value
      }
    }
    return (values, order)
  }

  /// What and how a scoring stage measures, apart from the model and its tokenizer.
  struct Measurement: Equatable {
    var data: [Digest]
    var options: JSONValue
  }

  /// Options that change no more than the last digits.
  private static let ofPlace = ["device", "precision", "threads", "microbatchSize", "mecabDictionary"]

  func measurement(_ graph: Graph) throws -> [String: Measurement] {
    var out: [String: Measurement] = [:]
    for score in scores {
      guard let index = graph.index(of: score), let identity = try manifest(graph, score)?.identity else { continue }
      let ofTheModel = graph.nodes[index].description.inputs.filter {
        [.checkpoint, .checkpoints, .tokenizer, .huggingFaceModel].contains($0.kind)
      }.map(\.name)
      out[score] = Measurement(
        data: identity.inputs.filter { !ofTheModel.contains($0.input) }.map(\.digest) + identity.files.map(\.digest),
        options: .object((identity.options.members ?? []).filter { !Self.ofPlace.contains($0.key) }))
    }
    return out
  }

  /// Sums over the stages that train a model which is scored.
  func tokens(_ graph: Graph) throws -> (trained: Double?, available: Double?) {
    let needed = scores.compactMap { graph.index(of: $0) }.reduce(into: Set<Int>()) {
      $0.formUnion(graph.ancestors(of: $1))
    }
    var (trained, available): (Double?, Double?)
    for index in needed.sorted()
    where graph.nodes[index].description.outputs.contains(where: { $0.kind == .checkpoint }) {
      if let tokens = try manifest(graph, graph.nodes[index].name)?.metrics["tokens"] {
        trained = (trained ?? 0) + tokens
      }
      for edge in graph.nodes[index].edges {
        let source = graph.nodes[edge.source]
        guard source.description.outputs.contains(where: { $0.name == edge.output && $0.kind == .mds }),
          let tokens = try manifest(graph, source.name)?.metrics["tokens"]
        else { continue }
        available = (available ?? 0) + tokens
      }
    }
    return (trained, available)
  }
}
