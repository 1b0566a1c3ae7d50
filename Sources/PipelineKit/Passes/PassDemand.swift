import ShardKit

/// Whether documents that were handed on in memory are needed again.
extension Planner {
  /// Whether an output that a lock names comes into the store: asked of a reader's index and identity, with the
  /// manifests of what it reads.
  typealias Arrival = (Int, NodeIdentity, [Int: NodeManifest]) throws -> Bool

  /// The stages that work in the tasks of a node. What was removed from the store is left out by stages of their own.
  func passes(after index: Int, history: some History) throws -> PassPlan {
    guard try !history.hasRemovals() else { return PassPlan() }
    return PassPlanning(
      graph: graph, selection: selection, digests: { try history.digests($0) }, runsHere: runsHere
    ).plan(after: index)
  }

  /// Why a finished node has to run once more: documents that it did not keep are needed, and what would be done with
  /// them is not recorded. nil if it does not.
  /// - Parameters:
  ///   - sources: manifests by node index.
  ///   - arrives: asked of readers that are not here.
  func need(
    for index: Int, _ manifest: NodeManifest, sources: [Int: NodeManifest], history: some History, arrives: Arrival
  ) throws -> String? {
    guard let reason = try demand(for: index, manifest, sources: sources, history: history, arrives: arrives) else {
      return nil
    }
    guard let folder = history.folder(of: manifest) else { return reason }
    let passes = try passes(after: index, history: history)
    let isRecorded = manifest.files.allSatisfy { file in
      !file.isPassed
        || passes.readers[file.port]?.isRecorded(
          in: PassRecord.folder(in: folder, port: file.port, name: file.name)) == true
    }
    return isRecorded ? nil : reason
  }

  private func demand(
    for index: Int, _ manifest: NodeManifest, sources: [Int: NodeManifest], history: some History, arrives: Arrival
  ) throws -> String? {
    let passed = Set(manifest.files.filter(\.isPassed).map(\.port))
    guard !passed.isEmpty else { return nil }
    if graph.nodes[index].keeps { return "it is to keep its documents, which were handed on and not kept" }
    let readings = graph.readings(of: index)
    if !readings.contains(where: { selection.nodes.contains($0.reader) }) {
      return "it is the last stage of the run, and its documents were handed on and not kept"
    }
    var known = sources
    known[index] = manifest
    for edge in readings where passed.contains(edge.output) && selection.nodes.contains(edge.reader) {
      if let reason = try demand(of: edge.reader, sources: known, history: history, arrives: arrives) { return reason }
    }
    return nil
  }

  /// Why a reader needs the documents; nil if it is up to date, will be fetched, or has a problem of its own.
  private func demand(
    of reader: Int, sources: [Int: NodeManifest], history: some History, arrives: Arrival
  ) throws -> String? {
    let name = graph.nodes[reader].name
    let reason = "'\(name)' needs its documents, which were handed on and not kept"
    guard selection.forced[reader] == nil, graph.sources(of: reader).allSatisfy({ sources[$0] != nil }) else {
      return reason
    }
    guard let identity = try? identity(of: reader, sources: sources, history: history) else { return nil }
    guard let next = try history.sealed(stage: name, fingerprint: identity.fingerprint) else {
      return try arrives(reader, identity, sources) ? nil : reason
    }
    guard try verdict(on: reader, identity, history: history) == .fresh else { return reason }
    let further = try need(for: reader, next, sources: sources, history: history, arrives: arrives)
    return further.map { "\(reason) (\($0))" }
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
