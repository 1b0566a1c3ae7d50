import ShardKit
import TestKit
import Testing

private let peer = PeerScript("json_schema.py")

@Suite struct JSONSchemaTests {
  private static func parse(_ text: String) throws -> JSONValue { try JSONValue.parse(text).value }

  private static func problem(_ schema: String, _ value: String) throws -> String? {
    try JSONSchema(parse(schema)).problem(in: parse(value))
  }

  @Test func problemsNameTheirPlace() throws {
    let schema = #"""
      {"type": "object", "required": ["score", "labels"], "additionalProperties": false, "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 5},
        "labels": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2, "uniqueItems": true},
        "why": {"type": ["string", "null"], "maxLength": 3}}}
      """#
    for (value, problem) in [
      (#"{"score": 3, "labels": ["a"]}"#, nil), (#"{"score": 3.0, "labels": [], "why": null}"#, nil),
      (#"{"score": 6, "labels": []}"#, "score: 6 is above 5"),
      (#"{"score": "3", "labels": []}"#, "score: a string is not integer"),
      (#"{"score": 1}"#, "'labels' is missing"),
      (#"{"score": 1, "labels": ["a", "c"]}"#, #"labels.1: "c" is not one of ["a","b"]"#),
      (#"{"score": 1, "labels": ["a", "a"]}"#, "labels: an element is repeated"),
      (#"{"score": 1, "labels": [], "x": 1}"#, "'x' is not expected"),
      (#"{"score": 1, "labels": [], "why": "長い長い"}"#, "why: 4 characters are more than 3"),
      (#"[]"#, "an array is not object"),
    ] as [(String, String?)] {
      #expect(try Self.problem(schema, value) == problem)
    }
  }

  @Test func schemasThatCannotBeCheckedAreRefused() throws {
    for (schema, subject) in [
      (#"{"properties": {"a": {"pattern": "x"}}}"#, "properties.a.pattern"), (#"{"type": "int"}"#, "type"),
      (#"{"anyOf": []}"#, "anyOf"), (#"{"items": 3}"#, "items"), (#"{"required": "a"}"#, "required"),
      (##"{"$ref": "#/$defs/a"}"##, "$ref"), (#"{"$ref": "https://example.org/x"}"#, "$ref"),
      (#"{"minLength": -1}"#, "minLength"), (#"{"multipleOf": 0}"#, "multipleOf"), (#"{"if": true}"#, "if"),
    ] {
      let error = #expect(throws: JSONSchema.Problem.self) { try JSONSchema(try Self.parse(schema)) }
      #expect(error?.subject == subject)
    }
  }

  @Test func schemasThatReferToThemselvesEnd() throws {
    let tree = ##"{"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}"##
    #expect(try Self.problem(tree, "[[], [[]]]") == nil)
    #expect(try Self.problem(tree, "[[], [[1]]]") == "1.0.0: an integer is not array")
    let loop = ##"{"$ref": "#/$defs/t", "$defs": {"t": {"$ref": "#/$defs/t"}}}"##
    #expect(try Self.problem(loop, "1") == "the schema refers to itself without end")
  }

  /// Verdicts of jsonschema on values of every kind, and on values like those that the schemas ask for.
  @Test(.needs(peer.isUsable, "needs Python with jsonschema")) func verdictsAreThoseOfJSONSchema() throws {
    let schemas = [
      #"{"type": "integer"}"#, #"{"type": ["number", "null"]}"#, #"{"minimum": 1, "exclusiveMaximum": 3}"#,
      #"{"exclusiveMinimum": 1, "maximum": 3}"#, #"{"multipleOf": 0.5}"#,
      #"{"enum": [1, "a", [1.0], {"b": 1, "a": 2}]}"#,
      #"{"const": 2.0}"#, #"{"minLength": 1, "maxLength": 2}"#, #"{"minItems": 1, "maxItems": 2, "uniqueItems": true}"#,
      #"{"items": {"type": "string"}, "prefixItems": [{"type": "integer"}]}"#,
      #"{"items": false, "prefixItems": [true]}"#,
      #"{"required": ["a"], "properties": {"a": {"type": "integer"}, "b": false}}"#,
      #"{"properties": {"a": true}, "additionalProperties": {"type": "string"}}"#, #"{"additionalProperties": false}"#,
      #"{"minProperties": 1, "maxProperties": 1}"#, #"{"anyOf": [{"type": "string"}, {"minimum": 2}]}"#,
      #"{"oneOf": [{"type": "integer"}, {"minimum": 2}]}"#, #"{"allOf": [{"type": "integer"}, {"minimum": 2}]}"#,
      #"{"not": {"type": "object"}}"#, #"{"not": {}}"#, "true", "false", "{}",
      ##"{"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}"##, #"{"format": "email", "title": "x"}"#,
    ]
    let values = [
      "null", "true", "false", "0", "1", "2", "2.0", "2.5", "3", "-1e3", "1e300", #""""#, #""a""#, #""ab""#, #""日本語""#,
      #""\ud83d\ude00\ud83d\ude00""#, "[]", "[1]", "[1.0]", "[1, 1.0]", #"[1, "a"]"#, #"["a", "b", "c"]"#,
      "[[1], [1.0]]",
      #"[{"a": 1, "b": 2}, {"b": 2, "a": 1}]"#, "{}", #"{"a": 1}"#, #"{"a": "x"}"#, #"{"a": 2, "b": 1}"#,
      #"{"c": "x"}"#,
      #"{"c": 1}"#, "[true, 1]", "[false, 0]",
    ]
    let cases = "[" + schemas.map { "[\($0),[\(values.joined(separator: ","))]]" }.joined(separator: ",") + "]"
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(cases.utf8), to: folder + "/cases.json")
    let said = try #require(peer.run(folder + "/cases.json"))
    let verdicts = try #require(try JSONValue.parse(said).value.array)
    for (schema, row) in zip(schemas, verdicts) {
      let checked = try JSONSchema(Self.parse(schema))
      for (value, verdict) in zip(values, row.array ?? []) {
        #expect((checked.problem(in: try Self.parse(value)) == nil) == verdict.bool, "\(schema) \(value)")
      }
    }
  }
}
