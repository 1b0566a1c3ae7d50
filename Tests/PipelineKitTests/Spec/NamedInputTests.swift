@testable import PipelineKit
import ShardKit
import TestKit
import Testing

/// An input that is an object: artifacts with names.
@Suite struct NamedInputTests {
  private let bench = DocumentBench()

  private func write(_ inputs: String, use: String = "fake.sum") throws {
    try bench.write(
      "p.json",
      """
      { "format": 1, "stages": {
        "a": { "use": "fake.source", "options": { "files": "data" } },
        "b": { "foreach": ["x", "y"], "use": "fake.source", "options": { "files": "${item}" } },
        "all": { "use": "\(use)", "inputs": { "documents": \(inputs) } } } }
      """)
  }

  @Test func artifactsHaveTheNamesThatTheInputGives() throws {
    try write(#"{ "one": "a.documents", "two": ["b"] }"#)
    let graph = try bench.graph("p.json")
    let edges = graph.nodes[3].edges
    #expect(graph.inputs("all") == ["a.documents", "b-x.documents", "b-y.documents"])
    #expect(edges.map(\.name) == ["one", "two", "two"])
    let text = graph.document.resolved.text()
    #expect(text.contains(#""inputs":{"documents":{"one":"a.documents","two":["b-x","b-y"]}}"#), "\(text)")
    try write(#"["a", "b"]"#)
    #expect(try bench.graph("p.json").nodes[3].edges.map(\.name) == [nil, nil, nil])
  }

  @Test func aNameIsPartOfTheIdentity() throws {
    func identity(_ inputs: String) throws -> NodeIdentity {
      try write(inputs)
      let graph = try bench.graph("p.json")
      let wired = graph.nodes[3].edges.map { edge in
        NodeIdentity.Wired(
          input: edge.input, source: graph.nodes[edge.source].name + ".documents", digest: Digester.digest([]),
          name: edge.name)
      }
      return NodeIdentity(use: "fake.sum", revision: 1, options: [:], inputs: wired, files: [])
    }
    let plain = try identity(#"["a", "b"]"#), one = try identity(#"{ "n": ["a", "b"] }"#)
    #expect(plain.fingerprint != one.fingerprint)
    #expect(!plain.json.text().contains("name") && one.json.text().contains(#""name":"n""#))
    #expect(try one.json.decode(NodeIdentity.self) == one && plain.json.decode(NodeIdentity.self) == plain)
    let changes = try identity(#"{ "m": "a", "n": "b" }"#).differences(from: one)
    #expect(
      changes == [
        "input 'a.documents' is newly wired to 'documents.m'",
        "input 'a.documents' is no longer wired to 'documents.n'",
      ])
  }

  @Test(arguments: [
    (#"{ "a b": "a" }"#, "fake.sum", "documents.a b: a name must consist of letters, digits, '-' and '_'"),
    (#"{ "n": 3 }"#, "fake.sum", "documents.n: should be a stage name or a list of stage names"),
    ("{}", "fake.sum", "documents: has no names: name a stage, or remove the input"),
    (#"{ "m": "a", "n": [] }"#, "fake.sum", "documents.n: names no stage: write one, or remove the name"),
    (#"{ "n": "c" }"#, "fake.sum", "documents: no stage is named 'c'"),
    (#"{ "n": "a" }"#, "fake.filter", "documents: takes no names such as 'n': write a stage name or a list"),
  ])
  func wrongNamesAreRefused(_ inputs: String, _ use: String, _ message: String) throws {
    try write(inputs, use: use)
    let errors = bench.errors("p.json")
    #expect(errors.count == 1 && errors[0].contains("stages.all.inputs.\(message)"), "\(errors)")
  }
}
