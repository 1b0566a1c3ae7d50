import ShardKit

/// Whether documents that were handed on in memory are needed again.
extension Planner {
  /// Why a finished node has to run once more; nil if it does not.
  /// - Parameters:
  ///   - sources: manifests by node index.
  ///   - locked: outputs that a run would fetch.
  func demand(
    for index: Int, _ manifest: NodeManifest, sources: [Int: NodeManifest], history: some History,
    locked: LockedArtifacts?
  ) throws -> String? {
    let passed = Set(manifest.files.filter(\.isPassed).map(\.port))
    guard !passed.isEmpty else { return nil }
    if graph.nodes[index].keeps { return "it is to keep its documents, which were handed on and not kept" }
    var known = sources
    known[index] = manifest
    for edge in graph.readings(of: index) where passed.contains(edge.output) && selection.nodes.contains(edge.reader) {
      if let reason = try demand(of: edge.reader, sources: known, history: history, locked: locked) { return reason }
    }
    return nil
  }

  /// Why a reader needs the documents; nil if it is up to date, will be fetched, or has a problem of its own.
  private func demand(
    of reader: Int, sources: [Int: NodeManifest], history: some History, locked: LockedArtifacts?
  ) throws -> String? {
    let name = graph.nodes[reader].name
    let reason = "'\(name)' needs its documents, which were handed on and not kept"
    guard selection.forced[reader] == nil, graph.sources(of: reader).allSatisfy({ sources[$0] != nil }) else {
      return reason
    }
    guard let identity = try? identity(of: reader, sources: sources, history: history) else { return nil }
    if let next = try history.sealed(stage: name, fingerprint: identity.fingerprint),
      try verdict(on: reader, identity, history: history) == .fresh
    {
      let further = try demand(for: reader, next, sources: sources, history: history, locked: locked)
      return further.map { "\(reason) (\($0))" }
    }
    return locked?.names(name, identity) == true ? nil : reason
  }
}

extension Graph {
  /// The outputs of a node that are read, each with its reader.
  func readings(of index: Int) -> [(output: String, reader: Int)] {
    nodes.indices.flatMap { reader in
      nodes[reader].edges.filter { $0.source == index }.map { ($0.output, reader) }
    }
  }
}

extension Selection {
  /// Adds the stages whose documents were handed on in memory and are read by a stage that is selected.
  /// - Throws: what `history` throws.
  mutating func widen(_ graph: Graph, history: some History) throws {
    guard nodes.count < graph.nodes.count else { return }
    let planner = Planner(graph: graph, selection: self)
    var manifests: [Int: NodeManifest] = [:]
    for index in graph.order
    where !nodes.contains(index) && graph.sources(of: index).allSatisfy({ manifests[$0] != nil }) {
      guard let identity = try? planner.identity(of: index, sources: manifests, history: history) else { continue }
      manifests[index] = try history.sealed(stage: graph.nodes[index].name, fingerprint: identity.fingerprint)
    }
    for reader in graph.order.reversed() where nodes.contains(reader) {
      for edge in graph.nodes[reader].edges where manifests[edge.source]?.hasPassed(edge.output) == true {
        nodes.insert(edge.source)
      }
    }
  }
}
