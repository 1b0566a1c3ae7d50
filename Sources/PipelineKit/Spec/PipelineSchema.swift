public import ShardKit

/// The JSON Schema (draft 2020-12) of pipeline files for the stages of a build, so that editors complete and check
/// them.
///
/// What a schema cannot express (wired stages exist, kinds match, there is no cycle) is checked at load time.
public enum PipelineSchema {
  public static func json(_ registry: StageRegistry) -> JSONValue {
    [
      "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pipeline file", "type": "object",
      "required": .strings(["format", "stages"]), "additionalProperties": false,
      "properties": [
        "$schema": ["type": "string", "description": "Path of this schema; for editors."],
        "format": ["const": 1, "description": "The version of the file format."],
        "name": [
          "type": "string",
          "description": "Name of the pipeline in its store (default: the file's name without .json).",
        ],
        "description": ["type": "string", "description": "For readers; has no effect."],
        "parameters": [
          "type": "object",
          "description":
            "Values by name. ${name} in an option is replaced by the value; --set name=value overrides it.",
          "additionalProperties": ["type": .strings(["string", "number", "boolean", "array", "object", "null"])],
        ],
        "stages": [
          "type": "object", "minProperties": 1,
          "description": "The stages by name, each with its kind, options and inputs.",
          "propertyNames": ["pattern": "^[A-Za-z0-9_-]+$"], "additionalProperties": ["$ref": "#/$defs/stage"],
        ],
      ],
      "$defs": .object([JSONMember("stage", stage(registry)), JSONMember("parameter", parameter)] + kinds(registry)),
    ]
  }

  /// `${name}`, which may represent a value of any type.
  private static let parameter: JSONValue = [
    "type": "string", "pattern": "\\$\\{[^}]+\\}",
    "description": "A parameter, replaced by its value when the file is read.",
  ]

  private static func stage(_ registry: StageRegistry) -> JSONValue {
    [
      "type": "object", "required": .strings(["use"]), "additionalProperties": false,
      "properties": [
        "use": [
          "description": "The stage kind.",
          "oneOf": .list(
            registry.stages.flatMap { kind in
              [["const": .string(kind.name), "description": .string(kind.summary)]]
                + kind.formerNames.map { ["const": .string($0), "description": now(kind.name), "deprecated": true] }
            }),
        ],
        "description": ["type": "string", "description": "For readers; has no effect."],
        "options": ["type": "object"], "inputs": ["type": "object"],
        "retries": [
          "type": "integer", "minimum": 0, "maximum": 100, "default": 0,
          "description": "Retries of a task after a transient error.",
        ],
        "timeoutSeconds": [
          "type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000,
          "description": "Time limit per task.",
        ],
        "mayBeEmpty": [
          "type": "boolean", "default": false,
          "description":
            "Unless this is true, a stage that reads no records from non-empty files fails.",
        ],
      ],
      "allOf": .list(
        registry.stages.flatMap { kind in
          ([kind.name] + kind.formerNames).map { name in
            [
              "if": ["properties": ["use": ["const": .string(name)]], "required": .strings(["use"])],
              "then": ["$ref": .string("#/$defs/\(kind.name)")],
            ]
          }
        }),
    ]
  }

  /// For a name that is accepted for one release.
  private static func now(_ name: String) -> JSONValue { .string("Now '\(name)'.") }

  private static func kinds(_ registry: StageRegistry) -> [JSONMember] {
    registry.stages.map { kind in
      var required: [String] = []
      if kind.options.contains(where: \.isRequired) { required.append("options") }
      if kind.inputs.contains(where: \.isRequired) { required.append("inputs") }
      return JSONMember(
        kind.name,
        [
          "description": .string(kind.summary), "required": .strings(required),
          "properties": ["options": options(kind), "inputs": inputs(kind)],
        ])
    }
  }

  private static func options(_ kind: StageDescription) -> JSONValue {
    let required = kind.options.filter(\.isRequired)
    // Under either name.
    let renamed = required.compactMap { option in
      option.formerName.map { old -> JSONValue in
        ["anyOf": .list([option.name, old].map { ["required": .strings([$0])] })]
      }
    }
    let either = renamed.isEmpty ? [] : [JSONMember("allOf", .list(renamed))]
    let members: JSONValue = [
      "type": "object", "additionalProperties": false,
      "required": .strings(required.filter { $0.formerName == nil }.map(\.name)),
      "properties": .object(
        kind.options.flatMap { option in
          let value = JSONMember("anyOf", .list([option.schema, ["$ref": "#/$defs/parameter"]]))
          var own = [JSONMember("description", .string(option.documentation))]
          if !option.isRequired { own.append(JSONMember("default", option.defaultValue)) }
          let old = option.formerName.map { name in
            JSONMember(
              name, .object([JSONMember("description", now(option.name)), JSONMember("deprecated", true), value]))
          }
          return [JSONMember(option.name, .object(own + [value]))] + (old.map { [$0] } ?? [])
        }),
    ]
    return .object((members.members ?? []) + either)
  }

  private static func inputs(_ kind: StageDescription) -> JSONValue {
    let name: JSONValue = ["type": "string", "pattern": "^[A-Za-z0-9_-]+(\\.[^.]+)?$"]
    return [
      "type": "object", "additionalProperties": false,
      "required": .strings(kind.inputs.filter(\.isRequired).map(\.name)),
      "properties": .object(
        kind.inputs.map { port in
          let list: JSONValue = ["type": "array", "items": name, "maxItems": port.acceptsMany ? 1_000_000 : 1]
          return JSONMember(
            port.name,
            [
              "description": .string("\(port.documentation) Kind: \(port.kind.rawValue)."),
              "anyOf": .list([name, list]),
            ])
        }),
    ]
  }
}
