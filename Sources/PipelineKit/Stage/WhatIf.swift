public import ShardKit

/// A stage that can say what it would do with other options, from what has already been measured.
public protocol WhatIfStage: Stage {
  /// The options that may differ from those that the stage's own output was made with: where `files(Output)` is asked,
  /// that output is of the same input and of the same other options. nil: the stage does not need its own output.
  static var changeable: Set<String>? { get }

  /// - Parameters:
  ///   - variants: the stage with its options as they are, then with other ones.
  ///   - context: the finished outputs that the stage reads; `files(Output)` gives its own newest ones.
  /// - Returns: an answer per variant.
  /// - Throws: `StageError` for what is missing or wrong in a variant.
  static func whatIf(
    _ variants: [Self], _ question: WhatIfQuestion, in context: any PlanningContext
  ) throws -> [WhatIfAnswer]
}

/// What is asked about every variant.
public struct WhatIfQuestion: Sendable {
  /// The measure that amounts are sums of, such as characters or token_count.
  public var weight: String
  /// The field by whose values amounts are told apart, such as source or domain.
  public var group: String
  /// Documents to name per direction.
  public var samples: Int

  public init(weight: String = "characters", group: String = "source", samples: Int = 5) {
    self.weight = weight
    self.group = group
    self.samples = samples
  }
}

/// What a stage would do.
public struct WhatIfAnswer: Sendable {
  public struct Amount: Equatable, Sendable {
    public var documents = 0
    /// The sum of the question's weight.
    public var weight = 0.0

    public init() {}

    public mutating func add(_ more: Double) {
      documents += 1
      weight += more
    }
  }

  /// A document that would change sides.
  public struct Sample: Sendable {
    /// Where it is.
    public var file: ArtifactFile
    public var row: Int
    /// Why one of the two sides drops it.
    public var reason: DropReason

    public init(file: ArtifactFile, row: Int, reason: DropReason) {
      self.file = file
      self.row = row
      self.reason = reason
    }
  }

  /// Documents that change sides, compared with the stage as it is.
  public struct Moves: Sendable {
    public var all = Amount()
    /// By the reason of the side that drops them.
    public var byReason: [String: Amount] = [:]
    public var byGroup: [String: Amount] = [:]
    public var samples: [Sample] = []

    public init() {}
  }

  /// What amounts are sums of, where it is not the question's weight.
  public var weight: String?
  /// By what amounts are told apart, where it is not the question's group.
  public var group: String?
  public var kept = Amount()
  public var keptByGroup: [String: Amount] = [:]
  public var dropped: [String: Amount] = [:]
  public var entering = Moves()
  public var leaving = Moves()

  public init() {}
}

/// Asks a stage of a pipeline what other settings would do, without running anything.
public struct WhatIf {
  public let stage: String
  /// The stage as it is, then one answer per other graph.
  public let answers: [WhatIfAnswer]

  /// - Parameter others: the pipeline with other settings, which may only change this stage's options.
  /// - Throws: `RunError` if the stage cannot answer, what it reads is not finished, or a setting changes more than the
  ///   stage; what the stage throws.
  public init(
    stage name: String, graph: Graph, others: [Graph], store: RunStore, question: WhatIfQuestion
  ) throws {
    stage = name
    let index = try graph.node(named: name)
    let node = graph.nodes[index]
    for other in others { try Self.checkRest(graph, other, except: index) }
    let stages = [node.configured.stage] + (try others.map { $0.nodes[try $0.node(named: name)].configured.stage })
    guard let kind = type(of: node.configured.stage) as? any WhatIfStage.Type else {
      throw RunError(
        .selection, "'\(name)' is a '\(node.description.name)', of which it is not known what other options would do",
        hint: "what-if answers for \(graph.stagesThatAnswer.joined(separator: ", ")).")
    }
    if let changeable = kind.changeable { try Self.checkOptions(graph, others, of: index, changeable) }
    let context = try Self.context(index, graph, store, changeable: kind.changeable)
    answers = try kind.answers(stages, question, context)
  }

  /// Other settings of the pipeline must leave what the stage reads as it is.
  private static func checkRest(_ graph: Graph, _ other: Graph, except index: Int) throws {
    guard other.nodes.map(\.name) == graph.nodes.map(\.name) else {
      throw RunError(.selection, "the setting changes which stages there are", hint: "what-if changes options of one.")
    }
    for ancestor in graph.ancestors(of: index).sorted() where ancestor != index {
      let same =
        Fingerprint.canonicalOptions(graph.nodes[ancestor].configured)
        == Fingerprint.canonicalOptions(other.nodes[ancestor].configured)
        && graph.nodes[ancestor].configured.inputFiles.map(\.files)
          == other.nodes[ancestor].configured.inputFiles.map(\.files)
      guard same else {
        throw RunError(
          .selection,
          "the setting also changes '\(graph.nodes[ancestor].name)', which '\(graph.nodes[index].name)' reads",
          hint: "Set an option of '\(graph.nodes[index].name)' alone, or run the pipeline with the setting.")
      }
    }
  }

  /// Other settings may only change what the stage can answer for, and what follows from that.
  private static func checkOptions(_ graph: Graph, _ others: [Graph], of index: Int, _ changeable: Set<String>) throws {
    let own = Fingerprint.canonicalOptions(graph.nodes[index].configured)
    let derived = graph.nodes[index].configured.stage.derivedOptions
    for other in others {
      let follows = other.nodes[index].configured.stage.derivedOptions.filter { derived[$0.key] != nil }
      let changed = (Fingerprint.canonicalOptions(other.nodes[index].configured).members ?? []).first {
        own[$0.key] != $0.value && !changeable.contains($0.key) && follows[$0.key] == nil
      }
      guard let changed else { continue }
      throw RunError(
        .selection, "the setting changes '\(changed.key)' of '\(graph.nodes[index].name)', which needs a run",
        hint: "what-if answers for \(changeable.sorted().map { "'\($0)'" }.joined(separator: ", ")) of this stage.")
    }
  }

  private static func context(
    _ index: Int, _ graph: Graph, _ store: RunStore, changeable: Set<String>?
  ) throws -> NodeContext {
    let history = StoreHistory(store: store, pipeline: graph.document.name)
    let plan = try Plan(Planner(graph: graph, selection: try Selection(graph: graph)), history: history)
    var manifests: [Int: NodeManifest] = [:]
    for (node, verdict, fingerprint) in plan.verdicts where graph.ancestors(of: index).contains(node) {
      let name = graph.nodes[node].name
      if node == index { continue }
      guard verdict == .fresh, let fingerprint, let manifest = try history.sealed(stage: name, fingerprint: fingerprint)
      else {
        throw RunError(
          .selection, "'\(name)', which '\(graph.nodes[index].name)' reads, is not up to date",
          hint: "Run it first: pipeline run \(graph.document.path) --until \(name).")
      }
      manifests[node] = manifest
    }
    var context = NodeContext(
      inputs: graph.wired(index, manifests, store.artifacts), base: graph.document.folder
    ) { try store.digests($0) }
    if let changeable {
      let own = try own(index, graph, manifests, history, changeable)
      for port in Set(own.files.map(\.port)) { context.outputs[port] = store.artifacts.files(own, port: port) }
    }
    return context
  }

  /// The stage's newest output, if it is of what the stage reads now, with the same options but for the changeable ones.
  private static func own(
    _ index: Int, _ graph: Graph, _ manifests: [Int: NodeManifest], _ history: StoreHistory, _ changeable: Set<String>
  ) throws -> NodeManifest {
    let node = graph.nodes[index]
    func fixed(_ options: JSONValue) -> [JSONMember] {
      (options.members ?? []).filter { !changeable.contains($0.key) }.sorted { $0.key < $1.key }
    }
    let inputs = node.edges.map { edge in
      [edge.input, manifests[edge.source]!.digest(of: edge.output).hex]
    }
    guard let own = try history.newest(stage: node.name), own.identity.use == node.description.name,
      own.identity.revision == node.description.revision,
      own.identity.inputs.map({ [$0.input, $0.digest.hex] }) == inputs,
      fixed(own.identity.options) == fixed(Fingerprint.canonicalOptions(node.configured))
    else {
      throw RunError(
        .selection, "'\(node.name)' has not measured what it reads now, with the options that it has",
        hint: "Run it once: pipeline run \(graph.document.path) --until \(node.name).")
    }
    return own
  }
}

extension WhatIfStage {
  fileprivate static func answers(
    _ stages: [any Stage], _ question: WhatIfQuestion, _ context: any PlanningContext
  ) throws -> [WhatIfAnswer] {
    for stage in stages { try stage.validate() }
    return try whatIf(stages.map { $0 as! Self }, question, in: context)
  }
}

extension Graph {
  /// The names of the stages that answer what-if questions.
  var stagesThatAnswer: [String] {
    let names = nodes.filter { $0.configured.stage is any WhatIfStage }.map { "'\($0.name)'" }
    return names.isEmpty ? ["gates"] : names
  }

  /// The artifacts that a node reads, by input.
  func wired(_ node: Int, _ manifests: [Int: NodeManifest], _ artifacts: ArtifactStore) -> [String: [WiredArtifact]] {
    var out: [String: [WiredArtifact]] = [:]
    for edge in nodes[node].edges {
      // What a node reads is sealed before the node is prepared.
      let files = artifacts.files(manifests[edge.source]!, port: edge.output)
      out[edge.input, default: []].append(
        WiredArtifact(stage: nodes[edge.source].name, port: edge.output, files: files, name: edge.name))
    }
    return out
  }
}
