public import ShardKit

extension PipelineSpec {
  /// The pipeline as one file without `extends`, `foreach` and parameters: what counts, with only what is written.
  ///
  /// In the same folder it is the same pipeline.
  public var resolved: JSONValue {
    [
      "format": 1, "name": .string(name),
      "stages": .object(stages.map { JSONMember($0.name, Self.resolved($0)) }),
    ]
  }

  private static func resolved(_ stage: Stage) -> JSONValue {
    var members = [JSONMember("use", .string(stage.use))]
    if !stage.options.isEmpty { members.append(JSONMember("options", literal(.object(stage.options)))) }
    if !stage.inputs.isEmpty {
      let inputs = stage.inputs.map { input in
        let names = input.sources.map { source in source.port.map { "\(source.stage).\($0)" } ?? source.stage }
        return JSONMember(input.port, names.count == 1 ? .string(names[0]) : .strings(names))
      }
      members.append(JSONMember("inputs", .object(inputs)))
    }
    if stage.retries > 0 { members.append(JSONMember("retries", .integer(stage.retries))) }
    if let seconds = stage.timeoutSeconds { members.append(JSONMember("timeoutSeconds", .number(seconds))) }
    if stage.mayBeEmpty { members.append(JSONMember("mayBeEmpty", true)) }
    return .object(members)
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
