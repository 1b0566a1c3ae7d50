import PipelineKit
import ShardKit
import TestKit
import Testing

/// One entry that stands for many stages.
@Suite struct ForeachTests {
  private let bench = DocumentBench()

  private func document(_ foreach: String, rest: String = "", parameters: String = "") -> String {
    """
    { "format": 1, "parameters": { \(parameters) }, "stages": {
      "web": { "foreach": \(foreach),
        "use": "fake.source", "options": { "files": "data/${item}" } }\(rest)
    } }
    """
  }

  /// A later stage takes all of them in one word; another row of stages takes each its own.
  @Test func aListMakesNamedStages() throws {
    try bench.write(
      "p.json",
      document(
        "[\"ja_cc\", \"ja_wiki\", 3]",
        rest: """
          , "all": { "use": "fake.filter", "inputs": { "documents": "web" } },
          "ports": { "use": "fake.filter", "inputs": { "documents": ["web.documents", "all"] } },
          "each": { "foreach": ["ja_cc", "ja_wiki"], "use": "fake.filter",
                    "inputs": { "documents": "web-${key}" }, "options": { "suffix": "of ${item}" } }
          """))
    let graph = try bench.graph("p.json")
    #expect(
      graph.nodes.map(\.name) == ["web-ja_cc", "web-ja_wiki", "web-3", "all", "ports", "each-ja_cc", "each-ja_wiki"])
    #expect(graph.options("web-ja_wiki") == #"{"files":"data/ja_wiki"}"#)
    #expect(graph.inputs("all") == ["web-ja_cc.documents", "web-ja_wiki.documents", "web-3.documents"])
    #expect(graph.inputs("ports").count == 4)
    #expect(graph.inputs("each-ja_wiki") == ["web-ja_wiki.documents"])
    #expect(graph.options("each-ja_wiki") == #"{"suffix":"of ja_wiki"}"#)
    #expect(graph.indices(of: "web") == [0, 1, 2] && graph.indices(of: "web-3") == [2])
    let selection = try Selection(graph: graph, only: ["web"])
    #expect(selection.nodes == [0, 1, 2])
  }

  @Test func itemsAreObjectsKeysAndParameters() throws {
    let stages = """
      "a": { "foreach": [{ "name": "x.y", "least": 5 }, { "name": "z", "least": 7 }], "use": "fake.filter",
             "inputs": { "documents": "s" }, "options": { "minimumBytes": "${item.least}", "suffix": "${item.name}" } },
      "b": { "foreach": { "k": 3, "l": { "deep": 4 } }, "use": "fake.filter", "inputs": { "documents": "s" },
             "options": { "suffix": "${key}: ${item} ${all.deep.er}" } },
      "c": { "foreach": "${names}", "use": "fake.filter", "inputs": { "documents": "${from}" } },
      "s": { "use": "fake.source", "options": { "files": "data" } }
      """
    try bench.write(
      "p.json",
      """
      { "format": 1, "parameters": { "names": ["n", "m"], "all": { "deep": { "er": 1 } }, "from": ["s", "a"] },
        "stages": { \(stages) } }
      """)
    let graph = try bench.graph("p.json")
    #expect(graph.options("a-x_y") == #"{"minimumBytes":5,"suffix":"x.y"}"#)
    #expect(graph.options("a-z") == #"{"minimumBytes":7,"suffix":"z"}"#)
    #expect(graph.options("b-k") == #"{"suffix":"k: 3 1"}"#)
    #expect(graph.options("b-l") == #"{"suffix":"l: {\"deep\":4} 1"}"#)
    #expect(graph.inputs("c-m") == ["s.documents", "a-x_y.kept", "a-z.kept"])
    let fewer = try bench.graph("p.json", set: ["names=[\"one\"]"])
    #expect(fewer.indices(of: "c").count == 1)
  }

  @Test func foldersAndPatternsAreListedInByteOrder() throws {
    for name in ["b.jsonl.zst", "a.jsonl", "C.parquet", "sub/x.jsonl", ".hidden"] {
      try bench.write("data/\(name)", "")
    }
    func stages(_ pattern: String) throws -> [String] {
      try bench.write(
        "p.json",
        """
        { "format": 1, "stages": { "w": { "foreach": "\(pattern)", "use": "fake.source",
          "options": { "files": "${item}" } } } }
        """)
      let graph = try bench.graph("p.json")
      return graph.nodes.map { "\($0.name) \(graph.options($0.name))" }
    }
    #expect(
      try stages("data") == [
        #"w-C {"files":"data/C.parquet"}"#, #"w-a {"files":"data/a.jsonl"}"#, #"w-b {"files":"data/b.jsonl.zst"}"#,
        #"w-sub {"files":"data/sub"}"#,
      ])
    #expect(try stages("data/") == stages("data"))
    #expect(try stages("data/?.jsonl*").map { $0.prefix(3) } == ["w-a", "w-b"])
    #expect(try stages("\(bench.folder)/data/a*") == ["w-a {\"files\":\"\(bench.folder)/data/a.jsonl\"}"])
  }

  @Test(arguments: [
    ("[]", "p.json:2:23: stages.web.foreach: there is nothing to repeat the stage for."),
    (
      "7",
      "p.json:2:23: stages.web.foreach: should be a list, an object, or the path of a folder or a pattern, not an integer."
    ),
    ("[\"a\", \"a\"]", "p.json:2:29: stages.web.foreach: the item 'a' appears twice."),
    (
      "[\"a/b\", \"a.b\"]",
      "p.json:2:31: stages.web.foreach: the items 'a/b' and 'a.b' would make stages of one name, which ends in 'a_b'; give each a \"name\"."
    ),
    ("[{}]", "p.json:2:24: stages.web.foreach: an item that is an object needs a \"name\", which is a string."),
    ("[null]", "p.json:2:24: stages.web.foreach: an item should be a value or an object, not null."),
    ("[\"\"]", "p.json:2:24: stages.web.foreach: an item has an empty name."),
    (
      "\"nowhere\"",
      "p.json:2:23: stages.web.foreach: there is no folder 'nowhere'; name a folder, a pattern such as \"data/*.jsonl\", or a list."
    ),
    ("\"${lsit}\"", "p.json:2:23: stages.web.foreach: there is no parameter 'lsit'. Did you mean 'list'?"),
    ("\"${list}\"", "p.json:1:41: stages.web.foreach: makes a second stage named 'web-x'; rename one of them."),
  ])
  func mistakes(_ foreach: String, _ sentence: String) throws {
    try bench.write(
      "p.json",
      document(
        foreach, rest: #", "web-x": { "use": "fake.source", "options": { "files": "a" } }"#,
        parameters: "\"list\": [\"x\"]"))
    #expect(bench.errors("p.json").first == sentence)
  }

  /// What is wrong in the entry is said once, with its place in the file and the item that it was made for.
  @Test func mistakesInTheCopiesNameTheItem() throws {
    try bench.write(
      "p.json",
      """
      { "format": 1, "stages": {
        "web": { "foreach": ["a", { "name": "b", "least": "many" }, "c"],
          "use": "fake.filter",
          "inputs": { "documents": "s" },
          "options": { "minimumBytes": "${item.least}" } },
        "s": { "foreach": [1, 2], "use": "fake.source", "options": { "flies": "x", "files": "${itme}" } },
        "f": { "use": "fake.filter", "inputs": { "documents": "webs" } }
      } }
      """)
    #expect(
      bench.errors("p.json") == [
        "p.json:5:34: stages.web-a.options.minimumBytes (item 1 of foreach, \"a\", and 1 more item): "
          + "'item' is a string, not an object with members.",
        "p.json:6:87: stages.s-1.options.files (item 1 of foreach, \"1\", and 1 more item): "
          + "there is no parameter 'itme'. Did you mean 'item'?",
      ])
    try bench.write(
      "p.json",
      """
      { "format": 1, "stages": {
        "web": { "foreach": [{ "name": "b", "least": "many" }],
          "use": "fake.filter", "inputs": { "documents": "s" }, "options": { "minimumBytes": "${item.least}" } },
        "s": { "foreach": [1, 2], "use": "fake.source", "options": { "flies": "x", "files": "f${item}" } },
        "f": { "use": "fake.filter", "inputs": { "documents": ["webs", "s.docs"] } }
      } }
      """)
    #expect(
      bench.errors("p.json") == [
        "p.json:3:88: stages.web-b.options.minimumBytes (item 1 of foreach, \"b\"): should be an integer, not a string.",
        "p.json:4:64: stages.s-1.options.flies (item 1 of foreach, \"1\", and 1 more item): "
          + "'fake.source' has no option 'flies'. Did you mean 'files'?",
        "p.json:5:58: stages.f.inputs.documents: no stage is named 'webs'. Did you mean 'web'?",
        "p.json:5:66: stages.f.inputs.documents: 's-1' has no output 'docs'. Known: documents.",
      ])
  }

  /// LLM-jp's loop over sub-corpora, in the fewest lines.
  @Test func seventeenSubCorporaInFiveLines() throws {
    let names = (1...17).map { "level\($0)" }.joined(separator: ", ")
    try bench.write(
      "p.yaml",
      """
      format: 1
      stages:
        web: { foreach: [\(names)], use: fake.source, options: { files: "ja_cc/${item}" } }
        clean: { use: fake.filter, inputs: { documents: web } }
        each: { foreach: [\(names)], use: fake.sum, inputs: { documents: "web-${item}" } }
      """)
    let graph = try bench.graph("p.yaml")
    #expect(graph.nodes.count == 35 && graph.inputs("clean").count == 17 && graph.document.name == "p")
  }
}
