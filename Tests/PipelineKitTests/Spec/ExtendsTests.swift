import PipelineKit
import ShardKit
import TestKit
import Testing

/// Files that build on others, and values from outside.
@Suite struct ExtendsTests {
  private let bench = DocumentBench()

  init() throws {
    try bench.write(
      "base/corpus.json",
      """
      { "format": 1, "name": "corpus", // the whole
        "parameters": { "data": "texts", "least": 10 },
        "stages": {
          "read": { "use": "fake.source", "options": { "files": "${data}" } },
          "clean": { "use": "fake.filter", "retries": 2,
                     "options": { "minimumBytes": "${least}", "suffix": "!" }, "inputs": { "documents": "read" } },
          "sum": { "use": "fake.sum", "inputs": { "documents": "clean" } },
        } }
      """)
  }

  @Test func whatAFileSaysReplacesWhatItExtends() throws {
    try bench.write(
      "tiny.yaml",
      """
      extends: base/corpus.json
      parameters: { least: 3 }
      stages:
        clean: { options: { suffix: "?" } }
        sum: null
        more: { use: fake.filter, inputs: { documents: clean } }
      """)
    let graph = try bench.graph("tiny.yaml")
    #expect(graph.nodes.map(\.name) == ["read", "clean", "more"])
    #expect(graph.options("clean") == #"{"minimumBytes":3,"suffix":"?"}"#)
    #expect(graph.nodes[1].retries == 2)
    #expect(graph.document.name == "tiny" && graph.document.folder.hasSuffix(ArchivePath.lastPart(of: bench.folder)))
  }

  @Test func anotherKindReplacesTheStage() throws {
    try bench.write(
      "p.json",
      """
      { "extends": ["base/corpus.json", "more/second.json"],
        "stages": { "clean": { "use": "fake.sum", "inputs": { "documents": "read" } }, "sum": null } }
      """)
    try bench.write(
      "more/second.json",
      """
      { "extends": "../base/corpus.json", "parameters": { "data": "second" }, "stages": { "sum": { "inputs": null,
        "options": { "label": "x" } } } }
      """)
    let graph = try bench.graph("p.json")
    #expect(graph.nodes.map(\.description.name) == ["fake.source", "fake.sum"])
    #expect(graph.options("clean") == "{}" && graph.options("read") == #"{"files":"second"}"#)
  }

  @Test func mistakesStandInTheirOwnFile() throws {
    try bench.write(
      "p.json",
      """
      { "extends": "base/corpus.json",
        "stages": { "clean": { "options": { "sufix": "?" } }, "sum": { "inputs": { "documents": "claen" } } } }
      """)
    #expect(
      bench.errors("p.json") == [
        "p.json:2:39: stages.clean.options.sufix: 'fake.filter' has no option 'sufix'. Did you mean 'suffix'?",
        "p.json:2:91: stages.sum.inputs.documents: no stage is named 'claen'. Did you mean 'clean'?",
      ])
    try bench.write("p.json", "{ \"extends\": \"base/corpus.json\", \"parameters\": { \"least\": \"few\" } }")
    #expect(
      bench.errors("p.json") == [
        "base/corpus.json:6:45: stages.clean.options.minimumBytes: should be an integer, not a string."
      ])
    try bench.write("base/broken.json", "{ \"format\": 1,\n \"stages\": }")
    try bench.write("p.json", "{ \"extends\": \"base/broken.json\" }")
    #expect(bench.errors("p.json") == ["base/broken.json:2:12: '}' cannot start a value."])
  }

  /// A name that the base does not have adds something: it says so where that cannot be meant.
  @Test(arguments: [
    (
      #""stages": { "claen": { "options": { "suffix": "?" } } }"#,
      "1:55: stages.claen: the key \"use\" is missing: it names the stage kind; what the file extends has no stage "
        + "'claen' to change. Did you mean 'clean'?"
    ),
    (
      #""stages": { "smu": null }"#,
      "1:46: stages.smu: what the file extends has no stage 'smu' to remove. Did you mean 'sum'?"
    ),
    (
      #""parameters": { "dta": "x" }"#,
      "1:50: parameters.dta: nothing uses this parameter, and what the file extends has none of this name. "
        + "Did you mean 'data'?"
    ),
  ])
  func namesThatTheBaseLacksAreNamed(_ text: String, _ sentence: String) throws {
    try bench.write("p.json", "{ \"extends\": \"base/corpus.json\", \(text) }")
    #expect(bench.errors("p.json") == ["p.json:\(sentence)"])
  }

  @Test func anAddedParameterThatIsUsedIsNone() throws {
    try bench.write(
      "p.json",
      #"{ "extends": "base/corpus.json", "parameters": { "end": "?" }, "stages": { "clean": { "options": { "suffix": "${end}" } } } }"#
    )
    #expect(try bench.graph("p.json").options("clean") == #"{"minimumBytes":10,"suffix":"?"}"#)
  }

  @Test func circlesDepthAndMissingFilesAreErrors() throws {
    try bench.write("a.json", "{ \"extends\": \"sub/b.json\" }")
    try bench.write("sub/b.json", "{ \"extends\": \"../a.json\" }")
    #expect(
      bench.errors("a.json") == [
        "sub/b.json:1:14: extends: the files extend one another in a circle: a.json → b.json → a.json."
      ])
    try bench.write("self.json", "{ \"extends\": \"./self.json\" }")
    #expect(
      bench.errors("self.json") == [
        "self.json:1:14: extends: the files extend one another in a circle: self.json → self.json."
      ])
    for number in 0..<20 { try bench.write("d\(number).json", "{ \"extends\": \"d\(number + 1).json\" }") }
    #expect(
      bench.errors("d0.json") == ["d15.json:1:14: extends: pipeline files extend others deeper than 16."])
    let many = (0..<70).map { _ in "\"base/corpus.json\"" }.joined(separator: ", ")
    try bench.write("many.json", "{ \"extends\": [\(many)] }")
    #expect(bench.errors("many.json").first?.hasSuffix("pipeline files extend others more than 64 files.") == true)
    try bench.write("p.json", "{ \"extends\": \"gone.json\" }")
    #expect(
      bench.errors("p.json") == [
        "p.json:1:14: extends: gone.json cannot be opened: there is no such file or folder. "
          + "Paths are relative to the file that names them."
      ])
    for wrong in ["7", "[\"base/corpus.json\", 7]", "\"\"", "[null]"] {
      try bench.write("p.json", "{ \"extends\": \(wrong) }")
      #expect(
        bench.errors("p.json").first?.hasSuffix("should be the path of a pipeline file, or a list of paths.") == true)
    }
  }

  // MARK: --set

  @Test func valuesAreSetAtPathsWithTheTypesOfTheirOptions() throws {
    let graph = try bench.graph(
      "base/corpus.json",
      set: [
        "stages.clean.options.minimumBytes=7", "stages.clean.options.suffix=7", "stages.clean.retries=5",
        "stages.clean.options.loses=true", "stages.sum.options.label=true", "stages.read.options.files=[\"a\",\"b\"]",
        "stages.sum.inputs.documents=read",
      ])
    #expect(graph.options("clean") == #"{"minimumBytes":7,"suffix":"7","loses":true}"#)
    #expect(graph.options("sum") == #"{"label":"true"}"# && graph.options("read") == #"{"files":["a","b"]}"#)
    #expect(graph.nodes[1].retries == 5 && graph.inputs("sum") == ["read.documents"])
    let again = try bench.graph(
      "base/corpus.json", set: ["stages.clean.options.minimumBytes=${least}", "least=4", "stages.read.options.files=f"])
    #expect(again.options("clean") == #"{"minimumBytes":4,"suffix":"!"}"# && again.options("read") == #"{"files":"f"}"#)
  }

  @Test(arguments: [
    (
      "stages.claen.options.suffix=x",
      "--set stages.claen.options.suffix: no stage is named 'claen'. Did you mean 'clean'?"
    ),
    (
      "stages.clean.options.sufix=x",
      "--set stages.clean.options.sufix: 'fake.filter' has no option 'sufix'. Did you mean 'suffix'?"
    ),
    (
      "stages.clean.option.suffix=x",
      "--set stages.clean.option.suffix: stages.clean.option: unknown key 'option'. Did you mean 'options'?"
    ),
    (
      "stages.clean.options.minimumBytes=x",
      "--set stages.clean.options.minimumBytes: should be an integer, not a string."
    ),
    (
      "stages.clean.options.minimumBytes=5000",
      "--set stages.clean.options.minimumBytes: 5000 is not between 0 and 1000."
    ),
    (
      "stages.clean=x",
      "--set stages.clean: names no value of a stage: write stages.STAGE.options.OPTION=VALUE, or stages.STAGE.KEY."
    ),
    ("stages.clean.use.x=1", "--set stages.clean.use.x: what stands there is no object, so it has no members to set."),
    (
      "stages.clean.use=fake.fliter",
      "--set stages.clean.use: no stage kind is named 'fake.fliter'. Did you mean 'fake.filter'?"
    ),
    ("stages.clean.retries=x", "--set stages.clean.retries: should be an integer between 0 and 100."),
    (
      "stage.clean.options.suffix=x",
      "--set stage.clean.options.suffix: the pipeline file has no parameter 'stage.clean.options.suffix'; a value of a "
        + "stage is named stages.STAGE.options.OPTION."
    ),
    (
      "stages.clean.suffix=x",
      "--set stages.clean.suffix: unknown key 'suffix'; it is an option of 'fake.filter', so it stands in \"options\"."
    ),
    ("leest=1", "--set leest: the pipeline file has no parameter 'leest'. Did you mean 'least'?"),
  ])
  func mistakesOfSetAreNamed(_ set: String, _ sentence: String) {
    #expect(bench.errors("base/corpus.json", set: [set]) == ["base/corpus.json: \(sentence)"])
  }

  @Test func anEntryWithForeachOrOneOfItsStagesIsSet() throws {
    try bench.write(
      "p.json",
      """
      { "format": 1, "stages": { "s": { "foreach": ["a", "b"], "use": "fake.source", "options": { "files": "${item}" } },
        "f": { "foreach": ["a", "b"], "use": "fake.filter", "inputs": { "documents": "s-${key}" } } } }
      """)
    let graph = try bench.graph(
      "p.json",
      set: [
        "stages.f.options.suffix=${key}", "stages.f-b.options.minimumBytes=9", "stages.s.foreach=[\"a\",\"b\",\"c\"]",
      ])
    #expect(graph.options("f-a") == #"{"suffix":"a"}"#)
    #expect(graph.options("f-b") == #"{"minimumBytes":9,"suffix":"b"}"#)
    #expect(graph.indices(of: "s").count == 3)
    #expect(
      bench.errors("p.json", set: ["stages.f-b.options.sufix=1"]) == [
        "p.json: --set stages.f-b.options.sufix: 'fake.filter' has no option 'sufix'. Did you mean 'suffix'?"
      ])
  }

  // MARK: Places

  @Test func aPlaceHasValuesForThePipelinesThatKnowThem() throws {
    let place = try bench.place(
      """
      "data": "/groups/texts", "stages.clean.options.minimumBytes": 6, "unknown": 1, "stages.other.options.x": 1,
      "dara": 1, "stages.read.retries": 1, "stages.reat.retries": 1
      """)
    let graph = try bench.graph("base/corpus.json", place: place)
    #expect(graph.options("read") == #"{"files":"/groups/texts"}"# && graph.options("clean").contains(":6,"))
    let set = try bench.graph("base/corpus.json", set: ["data=here"], place: place)
    #expect(set.options("read") == #"{"files":"here"}"#)
  }

  /// A slip of the pen is told from a name of another pipeline, and every mistake stands in the profile's file.
  @Test(arguments: [
    (
      #""dtaa": "x""#,
      "4:3: profiles.abci.values.dtaa: the pipeline file has no parameter 'dtaa'. Did you mean 'data'?"
    ),
    (
      #""stages.claen.options.suffix": "x""#,
      "4:3: profiles.abci.values.stages.claen.options.suffix: no stage is named 'claen'. Did you mean 'clean'?"
    ),
    (
      #""stages.clean.options.sufix": "x""#,
      "4:3: stages.clean.options.sufix: 'fake.filter' has no option 'sufix'. Did you mean 'suffix'?"
    ),
    (
      #""stages.clean.options.minimumBytes": "many""#,
      "4:40: stages.clean.options.minimumBytes: should be an integer, not a string."
    ),
    (#""stages.read.options.files": ["a", 7]"#, "4:32: stages.read.options.files: "),
    (#""stages.clean": 1"#, "4:3: profiles.abci.values.stages.clean: names no value of a stage: write stages.STAGE"),
  ])
  func mistakesOfAPlaceAreNamed(_ value: String, _ sentence: String) throws {
    let place = try bench.place(value)
    let found = bench.errors("base/corpus.json", place: place)
    #expect(found.count == 1 && found[0].hasPrefix("pipeline-profile.json:\(sentence)"), "\(found)")
  }

}

/// A pipeline written out is read as the same pipeline.
@Suite struct ResolvedSpecTests {
  @Test func literalDollarsStayLiteral() throws {
    let text = """
      { "format": 1, "parameters": { "p": "${q}" }, "stages": {
        "s": { "use": "fake.source", "options": { "files": ["$${a}", "$$${b}", "$c", "${p}"] }, "timeoutSeconds": 2.5 },
        "f": { "use": "fake.filter", "inputs": { "documents": ["s.documents"] }, "mayBeEmpty": true } } }
      """
    let document = try PipelineSpec.parse(Array(text.utf8), path: "/p.json")
    let again = try PipelineSpec.parse(Array(document.resolved.prettyText().utf8), path: "/p.json")
    #expect(again.resolved == document.resolved && again.stages[0].timeoutSeconds == 2.5)
    #expect(JSONValue.object(again.stages[0].options).text() == #"{"files":["${a}","$${b}","$c","${q}"]}"#)
  }
}
