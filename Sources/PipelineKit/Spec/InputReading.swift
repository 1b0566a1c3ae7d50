import ShardKit

/// Reads what is wired to an input: a stage, a list of stages, or an object of names with one of these each.
struct InputReading {
  let groups: [PipelineSpec.Group]
  private(set) var problems: [(offset: Int, path: String, message: String)] = []

  init(groups: [PipelineSpec.Group]) { self.groups = groups }

  typealias Source = PipelineSpec.InputReference.Source

  mutating func sources(of port: JSONMember, _ path: String) -> [Source] {
    guard case .object(let named) = port.value else { return sources(port.node, named: nil, path) }
    if named.isEmpty {
      problems.append((port.node.offset, path, "has no names: name a stage, or remove the input"))
    }
    return named.flatMap { member -> [Source] in
      let path = "\(path).\(member.key)"
      if member.key.isEmpty || !member.key.utf8.allSatisfy(Foreach.isNameByte) {
        problems.append((member.keyOffset, path, "a name must consist of letters, digits, '-' and '_'"))
      }
      let known = problems.count
      let own = sources(member.node, named: member.key, path)
      if own.isEmpty, problems.count == known {
        problems.append((member.node.offset, path, "names no stage: write one, or remove the name"))
      }
      return own
    }
  }

  private mutating func sources(_ node: JSONNode, named name: String?, _ path: String) -> [Source] {
    let nodes: [JSONNode]
    if case .array(let list) = node.value { nodes = list } else { nodes = [node] }
    var sources: [Source] = []
    for node in nodes {
      guard let text = node.value.string else {
        problems.append((node.offset, path, "should be a stage name or a list of stage names"))
        continue
      }
      let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let stages = groups.first { $0.name.isExactly(parts[0]) }?.stages ?? [parts[0]]
      sources += stages.map {
        Source(stage: $0, port: parts.count > 1 ? parts[1] : nil, offset: node.offset, name: name)
      }
    }
    return sources
  }
}
