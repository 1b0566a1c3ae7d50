public import ShardKit

extension Graph {
  /// The pipeline file without a stage: what reads from it reads what it reads.
  ///
  /// A reader of an output gets the input of the same kind: the one of the same name, or else the only one.
  /// - Parameter name: a stage, or an entry with `foreach`, whose stages are all taken out.
  /// - Throws: `RunError` (`.selection`) if no stage has the name, or if a reader needs what only the stage makes.
  public func removing(_ name: String) throws(RunError) -> PipelineSpec {
    let removed = indices(of: name)
    guard !removed.isEmpty else {
      _ = try node(named: name)
      return document
    }
    var spec = document
    for index in removed { try replaceReads(of: index, in: &spec) }
    let names = Set(removed.map { nodes[$0].name })
    spec.stages.removeAll { names.contains($0.name) }
    spec.groups.removeAll { $0.name == name }
    return spec
  }

  private func replaceReads(of index: Int, in spec: inout PipelineSpec) throws(RunError) {
    for reader in spec.stages.indices {
      for input in spec.stages[reader].inputs.indices {
        let reference = spec.stages[reader].inputs[input]
        var sources: [PipelineSpec.InputReference.Source] = []
        for source in reference.sources {
          guard source.stage == nodes[index].name else {
            sources.append(source)
            continue
          }
          let name = spec.stages[reader].name
          for edge in try replacements(of: index, for: source.port, readBy: name, reference.port) {
            sources.append(
              .init(stage: nodes[edge.source].name, port: edge.output, offset: source.offset, name: source.name))
          }
          sources = distinct(sources)
        }
        spec.stages[reader].inputs[input].sources = sources
      }
    }
  }

  /// Each once: stages that are taken out may all have read the same one.
  private func distinct(_ sources: [PipelineSpec.InputReference.Source]) -> [PipelineSpec.InputReference.Source] {
    var seen: Set<String> = []
    return sources.filter { source in
      let implied = index(of: source.stage).map { nodes[$0].description.outputs.filter { !$0.isHidden } } ?? []
      let port = source.port ?? (implied.count == 1 ? implied[0].name : "")
      return seen.insert("\(source.stage).\(port) \(source.name ?? "")").inserted
    }
  }

  /// What the node itself reads in place of what one of its outputs gives.
  private func replacements(
    of index: Int, for written: String?, readBy reader: String, _ input: String
  ) throws(RunError) -> [Edge] {
    let node = nodes[index]
    let edge = nodes.first { $0.name == reader }?.edges.first { $0.input == input && $0.source == index }
    guard let output = written ?? edge?.output, let made = node.description.outputs.first(where: { $0.name == output })
    else { return [] }
    let alike = node.description.inputs.filter { $0.kind == made.kind }
    guard let port = alike.first(where: { $0.name == output }) ?? (alike.count == 1 ? alike[0] : nil) else {
      throw RunError(
        .selection, "the pipeline cannot do without '\(node.name)': '\(reader)' reads its \(output)",
        hint: alike.isEmpty
          ? "It reads no \(made.kind.rawValue) that could take their place."
          : "Several of its inputs could take their place: \(alike.map(\.name).joined(separator: ", ")).")
    }
    return node.edges.filter { $0.input == port.name }
  }
}
