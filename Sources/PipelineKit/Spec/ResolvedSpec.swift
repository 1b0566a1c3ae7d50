public import ShardKit

extension PipelineSpec {
  /// The pipeline as one file without `extends`, `foreach` and parameters: what counts, with only what is written.
  ///
  /// In the same folder it is the same pipeline.
  public var resolved: JSONValue {
    .object(
      [JSONMember("format", 1), JSONMember("name", .string(name))] + (passes ? [JSONMember("passes", true)] : [])
        + [JSONMember("stages", .object(stages.map { JSONMember($0.name, Self.resolved($0)) }))])
  }

  private static func resolved(_ stage: Stage) -> JSONValue {
    var members = [JSONMember("use", .string(stage.use))]
    if !stage.options.isEmpty { members.append(JSONMember("options", literal(.object(stage.options)))) }
    if !stage.inputs.isEmpty {
      let inputs = stage.inputs.map { JSONMember($0.port, resolved($0.sources)) }
      members.append(JSONMember("inputs", .object(inputs)))
    }
    if stage.retries > 0 { members.append(JSONMember("retries", .integer(stage.retries))) }
    if let seconds = stage.timeoutSeconds { members.append(JSONMember("timeoutSeconds", .number(seconds))) }
    if stage.keeps { members.append(JSONMember("keep", true)) }
    if stage.mayBeEmpty { members.append(JSONMember("mayBeEmpty", true)) }
    return .object(members)
  }

  private static func resolved(_ sources: [InputReference.Source]) -> JSONValue {
    func list(_ sources: [InputReference.Source]) -> JSONValue {
      let names = sources.map { source in source.port.map { "\(source.stage).\($0)" } ?? source.stage }
      return names.count == 1 ? .string(names[0]) : .strings(names)
    }
    var names: [String] = []
    for case let name? in sources.map(\.name) where !names.contains(name) { names.append(name) }
    guard !names.isEmpty else { return list(sources) }
    return .object(names.map { name in JSONMember(name, list(sources.filter { $0.name == name })) })
  }

  /// The value as it is written where `${` begins a parameter.
  private static func literal(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): .string(text.replacing("${", with: "$${"))
    case .array(let nodes): .list(nodes.map { literal($0.value) })
    case .object(let members): .object(members.map { JSONMember($0.key, literal($0.value)) })
    default: value
    }
  }
}
