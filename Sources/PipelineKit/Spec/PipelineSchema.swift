public import ShardKit

/// The JSON Schema (draft 2020-12) of pipeline files for the stages of a build, so that editors complete and check
/// them.
///
/// What a schema cannot express (wired stages exist, kinds match, there is no cycle) is checked at load time.
public enum PipelineSchema {
  public static func json(_ registry: StageRegistry) -> JSONValue {
    [
      "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pipeline file", "type": "object",
      "additionalProperties": false,
      "properties": [
        "$schema": ["type": "string", "description": "Path of this schema; for editors."],
        "format": ["const": 1, "description": "The version of the file format."],
        "extends": [
          "description": .string(
            "Pipeline files that this one builds on, relative to it. What it says itself replaces what they say; null "
              + "removes a stage."),
          "anyOf": .list([path, ["type": "array", "items": path, "maxItems": 64]]),
        ],
        "name": [
          "type": "string",
          "description": "Name of the pipeline in its store (default: the file's name without its ending).",
        ],
        "description": ["type": "string", "description": "For readers; has no effect."],
        "passes": [
          "type": "boolean", "default": false,
          "description": .string(
            "Consecutive stages that handle documents one by one work in one pass: documents go from one to the next in "
              + "memory, and what lies between them is not written."),
        ],
        "parameters": [
          "type": "object",
          "description":
            "Values by name. ${name} in a stage is replaced by the value; --set name=value overrides it.",
          "additionalProperties": ["type": .strings(["string", "number", "boolean", "array", "object", "null"])],
        ],
        "stages": [
          "type": "object", "description": "The stages by name, each with its kind, options and inputs.",
          "propertyNames": ["pattern": "^[A-Za-z0-9_-]+$"],
        ],
      ],
      "if": ["required": .strings(["extends"])],
      "then": ["properties": ["stages": ["additionalProperties": ["$ref": "#/$defs/change"]]]],
      "else": [
        "required": .strings(["format", "stages"]),
        "properties": ["stages": ["minProperties": 1, "additionalProperties": ["$ref": "#/$defs/stage"]]],
      ],
      "$defs": .object(
        [
          JSONMember("stage", stage(registry)), JSONMember("change", change), JSONMember("entry", entry(registry)),
          JSONMember("foreach", foreach), JSONMember("parameter", parameter),
        ] + kinds(registry)),
    ]
  }

  private static let path: JSONValue = ["type": "string", "minLength": 1]

  /// `${name}`, which may represent a value of any type.
  private static let parameter: JSONValue = [
    "type": "string", "pattern": "\\$\\{[^}]+\\}",
    "description": "A parameter, replaced by its value when the file is read.",
  ]

  private static let foreach: JSONValue = [
    "description": .string(
      "Makes one stage NAME-KEY per item; NAME alone, as an input, stands for all of them. A list, an object whose keys "
        + "are the names, or the path of a folder or a pattern. ${item} is the item, ${key} its name."),
    "anyOf": .list([
      [
        "type": "array", "minItems": 1, "maxItems": .integer(Foreach.most),
        "items": [
          "anyOf": .list([
            ["type": .strings(["string", "number", "boolean"])],
            [
              "type": "object", "required": .strings(["name"]),
              "properties": ["name": ["type": "string", "minLength": 1]],
            ],
          ])
        ],
      ],
      ["type": "object", "minProperties": 1, "maxProperties": .integer(Foreach.most)], path,
    ]),
  ]

  /// A whole stage: with its kind and everything that the kind requires.
  private static func stage(_ registry: StageRegistry) -> JSONValue {
    [
      "type": "object", "required": .strings(["use"]),
      "properties": [
        "options": ["type": "object"],
        "inputs": ["type": "object", "additionalProperties": ["not": ["type": "null"]]],
      ],
      "allOf": .list([["$ref": "#/$defs/entry"]] + registry.stages.compactMap(requirement)),
    ]
  }

  /// What a file says of a stage that it inherits.
  private static let change: JSONValue = [
    "anyOf": .list([["type": "null", "description": "Removes the stage."], ["$ref": "#/$defs/entry"]])
  ]

  private static func entry(_ registry: StageRegistry) -> JSONValue {
    [
      "type": "object", "additionalProperties": false,
      "properties": [
        "use": [
          "description": "The stage kind.",
          "oneOf": .list(
            registry.stages.flatMap { kind in
              [["const": .string(kind.name), "description": .string(kind.summary)]]
                + kind.formerNames.map { ["const": .string($0), "description": now(kind.name), "deprecated": true] }
            }),
        ],
        "foreach": ["$ref": "#/$defs/foreach"],
        "description": ["type": "string", "description": "For readers; has no effect."],
        "options": ["type": .strings(["object", "null"])], "inputs": ["type": .strings(["object", "null"])],
        "retries": orParameter(
          "Retries of a task after a transient error.", ["type": "integer", "minimum": 0, "maximum": 100], 0),
        "timeoutSeconds": orParameter(
          "Time limit per task.", ["type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000]),
        "mayBeEmpty": orParameter(
          "Unless this is true, a stage that reads no records from non-empty files fails.", ["type": "boolean"], false),
        "keep": orParameter(
          "Writes the documents of this stage to the store, though the next one could take them in the same pass.",
          ["type": "boolean"], false),
      ],
      "allOf": .list(registry.stages.map { ["if": uses($0), "then": ["$ref": .string("#/$defs/\($0.name)")]] }),
    ]
  }

  private static func orParameter(
    _ description: String, _ schema: JSONValue, _ standard: JSONValue? = nil
  ) -> JSONValue {
    .object(
      [JSONMember("description", .string(description))] + (standard.map { [JSONMember("default", $0)] } ?? [])
        + [JSONMember("anyOf", .list([schema, ["$ref": "#/$defs/parameter"]]))])
  }

  private static func uses(_ kind: StageDescription) -> JSONValue {
    ["properties": ["use": ["enum": .strings([kind.name] + kind.formerNames)]], "required": .strings(["use"])]
  }

  /// The options and inputs that a stage of a kind must have; nil if there are none.
  private static func requirement(_ kind: StageDescription) -> JSONValue? {
    let options = kind.options.filter(\.isRequired)
    let inputs = kind.inputs.filter(\.isRequired).map(\.name)
    var parts: [(String, JSONValue)] = []
    if !options.isEmpty {
      // Under either name.
      let renamed = options.compactMap { option in
        option.formerName.map { old -> JSONValue in
          ["anyOf": .list([option.name, old].map { ["required": .strings([$0])] })]
        }
      }
      let names = JSONMember("required", .strings(options.filter { $0.formerName == nil }.map(\.name)))
      parts.append(("options", .object([names] + (renamed.isEmpty ? [] : [JSONMember("allOf", .list(renamed))]))))
    }
    if !inputs.isEmpty { parts.append(("inputs", ["required": .strings(inputs)])) }
    guard !parts.isEmpty else { return nil }
    let required: JSONValue = [
      "required": .strings(parts.map(\.0)), "properties": .object(parts.map { JSONMember($0.0, $0.1) }),
    ]
    return ["if": uses(kind), "then": required]
  }

  /// For a name that is accepted for one release.
  private static func now(_ name: String) -> JSONValue { .string("Now '\(name)'.") }

  private static func kinds(_ registry: StageRegistry) -> [JSONMember] {
    registry.stages.map { kind in
      JSONMember(
        kind.name,
        ["description": .string(kind.summary), "properties": ["options": options(kind), "inputs": inputs(kind)]])
    }
  }

  private static func options(_ kind: StageDescription) -> JSONValue {
    [
      "type": .strings(["object", "null"]), "additionalProperties": false,
      "properties": .object(
        kind.options.flatMap { option in
          let value = JSONMember("anyOf", .list([withParameters(option.schema), ["$ref": "#/$defs/parameter"]]))
          var own = [JSONMember("description", .string(option.documentation))]
          if !option.isRequired { own.append(JSONMember("default", option.defaultValue)) }
          let old = option.formerName.map { name in
            JSONMember(
              name, .object([JSONMember("description", now(option.name)), JSONMember("deprecated", true), value]))
          }
          return [JSONMember(option.name, .object(own + [value]))] + (old.map { [$0] } ?? [])
        }),
    ]
  }

  /// Lets a parameter stand for the elements of lists and the members of objects too.
  private static func withParameters(_ schema: JSONValue) -> JSONValue {
    guard let members = schema.members else { return schema }
    func orParameter(_ schema: JSONValue) -> JSONValue {
      schema.members == nil ? schema : ["anyOf": .list([withParameters(schema), ["$ref": "#/$defs/parameter"]])]
    }
    return .object(
      members.map { member in
        switch member.key {
        case "items", "additionalProperties": JSONMember(member.key, orParameter(member.value))
        case "properties":
          JSONMember(
            member.key, .object((member.value.members ?? []).map { JSONMember($0.key, orParameter($0.value)) }))
        case "anyOf", "oneOf", "allOf":
          JSONMember(member.key, .list((member.value.array ?? []).map { withParameters($0) }))
        default: member
        }
      })
  }

  private static func inputs(_ kind: StageDescription) -> JSONValue {
    let name: JSONValue = ["type": "string", "pattern": "^[A-Za-z0-9_-]+(\\.[^.]+)?$"]
    let source: JSONValue = ["anyOf": .list([name, ["$ref": "#/$defs/parameter"]])]
    return [
      "type": .strings(["object", "null"]), "additionalProperties": false,
      "properties": .object(
        kind.inputs.map { port in
          let list: JSONValue = ["type": "array", "items": source, "maxItems": port.acceptsMany ? 1_000_000 : 1]
          let names: JSONValue = [
            "type": "object", "minProperties": 1, "propertyNames": ["pattern": "^[A-Za-z0-9_-]+$"],
            "additionalProperties": ["anyOf": .list([source, list])],
          ]
          return JSONMember(
            port.name,
            [
              "description": .string("\(port.documentation) Kind: \(port.kind.rawValue)."),
              "anyOf": .list(
                [source, list] + (port.acceptsNames ? [names] : [])
                  + [["type": "null", "description": "Removes an inherited input."]]),
            ])
        }),
    ]
  }
}
