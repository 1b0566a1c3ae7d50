import Testing

/// Every mistake that a document can hold, each with its exact sentence: where, what, and what was likely meant.
@Suite struct DocumentErrorTests {
  struct Mistake: CustomTestStringConvertible, Sendable {
    var name: String
    var document: String
    var sentences: [String]
    var testDescription: String { name }
  }

  private static func stages(_ stages: String) -> String { #"{ "format": 1, "stages": { \#(stages) } }"# }
  private static let read = #""read": { "use": "documents.read", "options": { "files": "texts" } }"#

  static let mistakes: [Mistake] = [
    Mistake(
      name: "syntax", document: "{ \"format\": 1,\n  \"stages\": { \"a\" } }",
      sentences: ["corpus.json:2:19: expected ':' after the key \"a\"."]),
    Mistake(
      name: "cut off", document: "{ \"format\": 1, \"stages\": {",
      sentences: ["corpus.json:1:27: expected a key in double quotes."]),
    Mistake(
      name: "not an object", document: "[]",
      sentences: ["corpus.json:1:1: a pipeline file must be a JSON object with \"format\", \"name\" and \"stages\"."]),
    Mistake(
      name: "no format", document: #"{ "stages": { \#(read) } }"#,
      sentences: ["corpus.json:1:1: the key \"format\" is missing; write \"format\": 1."]),
    Mistake(
      name: "newer format", document: #"{ "format": 2, "stages": { \#(read) } }"#,
      sentences: [
        "corpus.json:1:13: format: format 2 is newer than this version of pipeline supports (1); update pipeline."
      ]),
    Mistake(
      name: "no stages", document: #"{ "format": 1 }"#, sentences: ["corpus.json:1:1: the key \"stages\" is missing."]),
    Mistake(
      name: "duplicate key", document: stages("\(read), \(read)"),
      sentences: ["corpus.json:1:98: the key \"read\" appears twice."]),
    Mistake(
      name: "unknown key", document: #"{ "format": 1, "stagse": {}, "stages": { \#(read) } }"#,
      sentences: ["corpus.json:1:16: stagse: unknown key 'stagse'. Did you mean 'stages'?"]),
    Mistake(
      name: "unknown key of a stage", document: stages(#""read": { "use": "documents.read", "option": {} }"#),
      sentences: [
        "corpus.json:1:63: stages.read.option: unknown key 'option'. Did you mean 'options'?"
      ]),
    Mistake(
      name: "unknown kind of stage", document: stages(#""read": { "use": "documents.raed" }"#),
      sentences: [
        "corpus.json:1:45: stages.read.use: no stage kind is named 'documents.raed'. Did you mean 'documents.read'?"
      ]),
    Mistake(
      name: "no kind of stage", document: stages(#""read": { "options": {} }"#),
      sentences: ["corpus.json:1:36: stages.read: the key \"use\" is missing: it names the stage kind."]),
    Mistake(
      name: "bad stage name", document: stages(#""my read": { "use": "documents.read", "options": { "files": "a" } }"#),
      sentences: [
        "corpus.json:1:28: stages.my read: a stage name must consist of letters, digits, '-' and '_'."
      ]),
    Mistake(
      name: "unknown stage",
      document: stages(#"\#(read), "clean": { "use": "text.clean", "inputs": { "documents": "raed" } }"#),
      sentences: [
        "corpus.json:1:155: stages.clean.inputs.documents: no stage is named 'raed'. Did you mean 'read'?"
      ]),
    Mistake(
      name: "unknown input",
      document: stages(#"\#(read), "clean": { "use": "text.clean", "inputs": { "document": "read" } }"#),
      sentences: [
        "corpus.json:1:142: stages.clean.inputs.document: 'text.clean' has no input 'document'. Did you mean "
          + "'documents'?",
        "corpus.json:1:98: stages.clean.inputs: the input 'documents' (documents) is not wired: The documents to clean.",
      ]),
    Mistake(
      name: "unknown output",
      document: stages(#"\#(read), "clean": { "use": "text.clean", "inputs": { "documents": "read.docs" } }"#),
      sentences: [
        "corpus.json:1:155: stages.clean.inputs.documents: 'read' has no output 'docs'. Known: documents."
      ]),
    Mistake(
      name: "input not wired", document: stages(#"\#(read), "clean": { "use": "text.clean" }"#),
      sentences: [
        "corpus.json:1:98: stages.clean.inputs: the input 'documents' (documents) is not wired: The documents to clean."
      ]),
    Mistake(
      name: "another kind",
      document: stages(
        #"\#(read), "w": { "use": "mds.write", "inputs": { "documents": "read" } }, "#
          + #""clean": { "use": "text.clean", "inputs": { "documents": "w" } }"#),
      sentences: ["corpus.json:1:219: stages.clean.inputs.documents: reads documents, but 'w.mds' is mds."]),
    Mistake(
      name: "cycle",
      document: stages(
        #""a": { "use": "text.clean", "inputs": { "documents": "b" } }, "#
          + #""b": { "use": "text.clean", "inputs": { "documents": "a" } }"#),
      sentences: ["corpus.json:1:28: stages: dependency cycle: a → b → a."]),
    Mistake(
      name: "unknown option",
      document: stages(#""read": { "use": "documents.read", "options": { "files": "texts", "textfeild": "t" } }"#),
      sentences: [
        "corpus.json:1:94: stages.read.options.textfeild: 'documents.read' has no option 'textfeild'. Did you mean "
          + "'textField'?"
      ]),
    Mistake(
      name: "wrong type",
      document: stages(#""read": { "use": "documents.read", "options": { "files": "texts", "textField": 7 } }"#),
      sentences: ["corpus.json:1:107: stages.read.options.textField: should be a string, not an integer."]),
    Mistake(
      name: "out of range",
      document: stages(
        #""read": { "use": "documents.read", "options": { "files": "texts", "maximumMalformedFraction": 2 } }"#),
      sentences: ["corpus.json:1:122: stages.read.options.maximumMalformedFraction: 2.0 is not between 0.0 and 1.0."]),
    Mistake(
      name: "no such choice",
      document: stages(
        #""read": { "use": "documents.read", "options": { "files": "texts", "otherFields": "metdata" } }"#),
      sentences: [
        "corpus.json:1:109: stages.read.options.otherFields: 'metdata' is not a valid choice. Did you mean 'metadata'?"
      ]),
    Mistake(
      name: "unknown parameter",
      document: #"{ "format": 1, "parameters": { "texts": "t" }, "stages": { "read": { "use": "documents.read", "#
        + #""options": { "files": "${text}" } } } }"#,
      sentences: [
        "corpus.json:1:117: stages.read.options.files: there is no parameter 'text'. Did you mean 'texts'?"
      ]),
    Mistake(
      name: "retries",
      document: stages(#""read": { "use": "documents.read", "options": { "files": "a" }, "retries": -1 }"#),
      sentences: ["corpus.json:1:103: stages.read.retries: should be an integer between 0 and 100."]),
  ]

  @Test func commentsAndYAMLKeepThePlaces() throws {
    let bench = try Workbench()
    try bench.write(
      "c.jsonc", "{ // one\n  \"format\": 1, /* two\n */ \"stages\": { \"a\": { \"use\": \"text.claen\", }, },\n}")
    let commented = try bench.run("plan", "c.jsonc")
    #expect(
      bench.errors(commented) == [
        "c.jsonc:3:31: stages.a.use: no stage kind is named 'text.claen'. Did you mean 'text.clean'?"
      ])
    try bench.write("c.yaml", "format: 1\nstages:\n  # 注\n  'あ': 1\n  a: { use: text.claen }\n")
    let yaml = try bench.run("plan", "c.yaml")
    #expect(
      bench.errors(yaml) == [
        "c.yaml:4:3: stages.あ: a stage name must consist of letters, digits, '-' and '_'.",
        "c.yaml:4:10: stages.あ: should be an object with \"use\", \"options\" and \"inputs\".",
      ])
    try bench.write("c.yaml", "format: 1\nstages:\n  a: { use: text.clean, options: { minimumBytes: no } }\n")
    #expect(
      bench.errors(try bench.run("plan", "c.yaml")).contains(
        "c.yaml:3:50: stages.a.options.minimumBytes: should be an integer, not a string."))
  }

  @Test(arguments: mistakes) func mistake(_ mistake: Mistake) throws {
    let bench = try Workbench(mistake.document)
    let outcome = try bench.run("plan", "corpus.json")
    #expect(bench.errors(outcome) == mistake.sentences)
    #expect(outcome.status == 2)
    #expect(outcome.out.isEmpty)
  }

  @Test func parametersFromOutside() throws {
    let bench = try Workbench()
    let unknown = try bench.run("plan", "corpus.json", "--set", "file=x")
    #expect(
      bench.errors(unknown) == [
        "corpus.json: --set file: the pipeline file has no parameter 'file'. Did you mean 'files'?"
      ])
    #expect(unknown.status == 2)
    let shapeless = try bench.run("plan", "corpus.json", "--set", "files")
    #expect(shapeless.err.hasPrefix("Error: --set must be name=value, not 'files'.\n"))
    #expect(shapeless.status == 2)
  }

  @Test func documentsThatAreNotThere() throws {
    let bench = try Workbench()
    let missing = try bench.run("run", "other.json")
    #expect(
      bench.errors(missing) == ["other.json: cannot be opened: there is no such file or folder. Check the path."])
    #expect(missing.status == 2)
    let implied = try bench.run("plan")
    #expect(implied.status == 0, "the only document of the folder goes without saying")
    try bench.write("second.json", Workbench.document())
    try bench.write("data.json", "{}")
    let ambiguous = try bench.run("plan")
    #expect(
      bench.errors(ambiguous) == [
        "no pipeline file is given, and the current folder contains 2: corpus.json, second.json. Name one, or set "
          + "PIPELINE_DOCUMENT."
      ])
    #expect(ambiguous.status == 2)
    #expect(try bench.run("plan", environment: ["PIPELINE_DOCUMENT": "second.json"]).status == 0)
  }
}
