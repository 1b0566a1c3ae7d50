import ShardKit

/// Whether documents that were handed on in memory are needed again.
extension Planner {
  /// Why a finished node has to run once more; nil if everything that reads it is up to date, or can take over what was
  /// done in its pass.
  /// - Parameters:
  ///   - sources: manifests by node index.
  ///   - isRecorded: whether the tasks that were done in the pass of a node can still be used.
  func demand(
    for index: Int, _ manifest: NodeManifest, sources: [Int: NodeManifest], history: some History,
    isRecorded: (NodeManifest, PassPlan) -> Bool = { _, _ in false }
  ) throws -> String? {
    for edge in graph.readings(of: index) where manifest.hasPassed(edge.output) {
      guard selection.nodes.contains(edge.reader) else { continue }
      let name = graph.nodes[edge.reader].name
      let reason = "'\(name)' needs its documents, which were handed on and not kept"
      var known = sources
      known[index] = manifest
      guard selection.forced[edge.reader] == nil,
        graph.sources(of: edge.reader).allSatisfy({ known[$0] != nil })
      else { return reason }
      let identity = try identity(of: edge.reader, sources: known, history: history)
      guard try verdict(on: edge.reader, identity, history: history) == .fresh,
        let next = try history.sealed(stage: name, fingerprint: identity.fingerprint)
      else { return reason }
      if let further = try demand(for: edge.reader, next, sources: known, history: history) {
        return "\(reason) (\(further))"
      }
    }
    return nil
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
    for reader in graph.order.reversed() where nodes.contains(reader) {
      for edge in graph.nodes[reader].edges where !nodes.contains(edge.source) {
        let source = graph.nodes[edge.source].name
        guard try history.newest(stage: source)?.hasPassed(edge.output) == true else { continue }
        nodes.insert(edge.source)
        forced[edge.source] = "'\(graph.nodes[reader].name)' needs its documents, which were handed on and not kept"
      }
    }
  }
}
