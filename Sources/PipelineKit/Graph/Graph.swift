public import ShardKit

/// The stages of a pipeline file as nodes, with their inputs as indices; kinds are checked and there are no cycles.
public struct Graph: Sendable {
  public struct Edge: Equatable, Sendable {
    /// The port that reads.
    public var input: String
    /// The node and port that it reads from.
    public var source: Int
    public var output: String
    /// What the port calls the artifact; nil if it has no name.
    public var name: String?
  }

  public struct Node: Sendable {
    public var name: String
    public var description: StageDescription
    public var configured: ConfiguredStage
    /// In the order written.
    public var edges: [Edge]
    public var retries: Int
    public var timeoutSeconds: Double?
    public var mayBeEmpty = false
    /// See `PipelineSpec.Stage.keeps`.
    public var keeps = false
  }

  public let nodes: [Node]
  /// Every node after the nodes that it reads from; ties in the order of the pipeline file.
  public let order: [Int]
  public let document: PipelineSpec
  /// Notices about deprecated names, in the order of the pipeline file.
  public let notices: [SpecError]

  public func index(of name: String) -> Int? { nodes.firstIndex { $0.name == name } }

  /// The nodes that a name stands for: one stage, or all that `foreach` made of an entry. Empty if there is none.
  public func indices(of name: String) -> [Int] {
    if let index = index(of: name) { return [index] }
    return (document.groups.first { $0.name == name }?.stages ?? []).compactMap { index(of: $0) }
  }

  /// The one node with a name.
  /// - Throws: `RunError` (`.selection`) if there is none, or if the name stands for several.
  public func node(named name: String) throws(RunError) -> Int {
    if let index = index(of: name) { return index }
    let several = indices(of: name).map { nodes[$0].name }
    guard several.isEmpty else {
      let shown = several.prefix(5).joined(separator: ", ") + (several.count > 5 ? ", …" : "")
      throw RunError(.selection, "'\(name)' stands for \(several.count) stages: \(shown)", hint: "Name one of them.")
    }
    throw RunError(.selection, "no stage is named '\(name)'" + suggestion(for: name, among: nodes.map(\.name)))
  }

  /// Nodes that a node reads from, directly.
  public func sources(of node: Int) -> [Int] {
    var seen: Set<Int> = []
    return nodes[node].edges.map(\.source).filter { seen.insert($0).inserted }
  }

  /// A node and everything that it needs.
  public func ancestors(of node: Int) -> Set<Int> { reach(node) { sources(of: $0) } }

  /// A node and everything that depends on it.
  public func descendants(of node: Int) -> Set<Int> {
    var readers = [[Int]](repeating: [], count: nodes.count)
    for reader in nodes.indices {
      for source in sources(of: reader) { readers[source].append(reader) }
    }
    return reach(node) { readers[$0] }
  }

  private func reach(_ start: Int, _ next: (Int) -> [Int]) -> Set<Int> {
    var seen: Set<Int> = [start]
    var pending = [start]
    while let node = pending.popLast() {
      for other in next(node) where seen.insert(other).inserted { pending.append(other) }
    }
    return seen
  }
}

extension Graph {
  /// Resolves kinds, options and wiring of a pipeline file, and sorts its stages.
  /// - Throws: `SpecErrors` with every problem that was found, or the first dependency cycle.
  public init(_ document: PipelineSpec, registry: StageRegistry) throws(SpecErrors) {
    var building = GraphBuilding(document: document, registry: registry)
    let nodes = building.nodes()
    guard building.errors.errors.isEmpty else { throw building.errors.gathered }
    switch Self.sorted(nodes) {
    case .order(let order): self.init(nodes: nodes, order: order, document: document, notices: building.notices)
    case .cycle(let cycle):
      let names = cycle.map { nodes[$0].name }
      let offset = document.stages[cycle[0]].nameOffset
      throw SpecErrors(errors: [
        document.error(at: offset, "stages", "dependency cycle: \(names.joined(separator: " → "))")
      ])
    }
  }

  private enum Sorted { case order([Int]), cycle([Int]) }

  /// Depth-first and iterative; a cycle is returned with its first node repeated at the end.
  private static func sorted(_ nodes: [Node]) -> Sorted {
    enum Mark { case new, open, done }
    var marks = [Mark](repeating: .new, count: nodes.count)
    var order: [Int] = []
    for root in nodes.indices where marks[root] == .new {
      var path = [(node: root, next: 0)]
      marks[root] = .open
      while let (node, next) = path.last {
        if next == nodes[node].edges.count {
          marks[node] = .done
          order.append(node)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let source = nodes[node].edges[next].source
        switch marks[source] {
        case .done: break
        case .new:
          marks[source] = .open
          path.append((source, 0))
        case .open:
          let start = path.firstIndex { $0.node == source }!
          return .cycle((path[start...].map(\.node) + [source]).reversed())
        }
      }
    }
    return .order(order)
  }
}
