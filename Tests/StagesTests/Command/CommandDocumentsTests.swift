@testable import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needs(CommandWorkbench.hasPython, "needs Python")) struct CommandDocumentsTests {
  private static func ledger(_ harness: StageHarness) -> [String: Int] {
    harness.ledger.dropped.mapValues(\.documents)
  }

  /// The built-in filter is the judge of both programs: the same documents and the same drops, to the byte.
  @Test(.needs(CommandWorkbench.hasCompiler, "needs a C compiler")) func pythonAndCAndTheBuiltInFilterAgree() throws {
    let builtIn = try StageHarness(
      FilterQuality.self,
      options: ["preset": "none", "minimumCharacters": 400, "minimumHiraganaFraction": .number(0.15)])
    try builtIn.add(documents: CommandWorkbench.documents)
    try builtIn.run()
    let python = try CommandWorkbench.harness([CommandWorkbench.python, "quality.py"], files: ["quality.py"]).run()
    let c = try CommandWorkbench.harness(["./quality"], files: [CommandWorkbench.compiled]).run()
    func compared(_ harness: StageHarness) -> [String: String] {
      harness.digests.filter { $0.key.hasPrefix("documents/") }
    }
    #expect(try builtIn.drops().count > 10 && builtIn.documents().count > 10)
    #expect(try builtIn.drops() == python.drops() && builtIn.drops() == c.drops())
    #expect(compared(builtIn) == compared(python) && compared(builtIn) == compared(c))
    #expect(builtIn.ledger == python.ledger && builtIn.ledger == c.ledger)
  }

  /// Neither the size of batches nor the order of tasks changes a byte.
  @Test func batchesChangeNothing() throws {
    let command = [CommandWorkbench.python, "quality.py"]
    let one = try CommandWorkbench.harness(command, files: ["quality.py"], [JSONMember("batch", 1)]).run()
    let many = try CommandWorkbench.harness(command, files: ["quality.py"], [JSONMember("batchBytes", "1MiB")])
      .run(backwards: true)
    #expect(one.digests == many.digests && one.ledger == many.ledger)
  }

  @Test func verdictsChangeSplitAndCount() throws {
    let script = """
      from pipeline_stage import Document, Drop, documents, metric

      @documents
      def stage(document):
          print("working on", document.id)
          metric("letters", len(document.text))
          if document.id == "upper":
              return document.text.upper()
          if document.id == "scored":
              document.metadata["score"] = {"mean": 0.25}
              del document.metadata["old"]
          if document.id == "labelled":
              document.metadata["label"] = "好"
          if document.id == "split":
              return [Document("", text, document.source) for text in document.text.split()]
          if document.id == "named":
              return [Document("first", "1"), Document("second", "2", metadata={"n": 2})]
          if document.id == "false":
              return False
          if document.id == "dropped":
              return Drop("too-odd", 3, 2.5, "because")
          if document.id == "raises":
              raise ValueError("no such thing")
      """
    let documents = [
      "upper", "scored", "labelled", "split", "named", "false", "dropped", "raises", "kept",
    ].map { id in
      Document(
        id: id, text: "one two three", source: "s", metadata: ["old": 12_345_678_901_234_567, "tail": .list([1, 2])])
    }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(script.utf8), to: folder + "/stage.py")
    let harness = try CommandWorkbench.harness(
      [CommandWorkbench.python, "stage.py"], files: [folder + "/stage.py"], documents: [documents]
    ).run()
    let written = try harness.documents()
    #expect(
      written.map(\.idString) == [
        "upper", "scored", "labelled", "split", "split#2", "split#3", "first", "second", "kept",
      ])
    #expect(
      written.map(\.textString)
        == ["ONE TWO THREE", "one two three", "one two three", "one", "two", "three", "1", "2", "one two three"])
    let metadata = written.map { String(decoding: $0.metadata, as: UTF8.self) }
    #expect(metadata[1] == #"{"tail":[1,2],"score":{"mean":0.25}}"#)
    #expect(metadata[2] == #"{"old":12345678901234567,"tail":[1,2],"label":"好"}"#)
    #expect(metadata[8] == #"{"old":12345678901234567,"tail":[1,2]}"# && metadata[7] == #"{"n":2}"#)
    #expect(
      try harness.drops() == [
        .init(id: "false", reason: "stage"),
        .init(id: "dropped", reason: "too-odd", value: 3, threshold: 2.5, detail: "because"),
        .init(id: "raises", reason: "command-failed", detail: "failed: ValueError: no such thing"),
      ])
    #expect(harness.metrics["letters"] == 117)
    #expect(harness.ledger.repeated["split"]?.documents == 3 && harness.ledger.imbalance == 0)
  }

  /// Truth values of numpy and torch are Python's, and an operator that is not the last loses nothing.
  @Test(.needs(CommandWorkbench.hasNumPy, "needs Python with numpy")) func resultsOfNumPyAndOfChains() throws {
    let script = """
      import numpy
      from pipeline_stage import Document, chain, documents

      def splitting(document):
          return [Document("", text) for text in document.text.split()] if document.id == "split" else None

      def upper(document):
          return Document("", document.text.upper(), metadata={"upper": True})

      @documents
      def stage(document):
          if document.id == "kept":
              return numpy.float32(1) > 0
          if document.id == "rejected":
              return numpy.array([0.25]).mean() > 0.5
          if document.id == "score":
              return numpy.float64(0.5)
          if document.id == "texts":
              return ["a", "b"]
          if document.id == "chained-truth":
              return chain([lambda document: numpy.bool_(False), upper])(document)
          return chain([splitting, upper, lambda document: None])(document)
      """
    let documents = ["kept", "rejected", "score", "texts", "chained-truth", "split", "other"].map { id in
      Document(id: id, text: "one two", source: "s")
    }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(script.utf8), to: folder + "/stage.py")
    let harness = try CommandWorkbench.harness(
      [CommandWorkbench.python, "stage.py"], files: [folder + "/stage.py"], documents: [documents]
    ).run()
    #expect(try harness.documents().map { "\($0.idString) \($0.textString)" } == ["kept one two", "other ONE TWO"])
    #expect(try harness.documents().last?.metadata == Array(#"{"upper":true}"#.utf8))
    let expected = "return None, a bool, str, Drop, Document or list"
    #expect(
      try harness.drops().map { [$0.id, $0.reason, $0.detail ?? ""] } == [
        ["rejected", "stage", ""],
        ["score", "command-failed", "failed: TypeError: stage returned a float64; \(expected)"],
        [
          "texts", "command-failed",
          "failed: TypeError: stage returned a list with a str; it may have Documents alone",
        ],
        ["chained-truth", "stage", ""],
        [
          "split", "command-failed",
          "failed: ValueError: operator 1 of the chain, splitting, made 2 documents of one; only the last operator may",
        ],
      ])
  }

  /// What is not named is not there, and what is named is at its place.
  @Test func theProgramSeesItsFilesAndItsVariablesAlone() throws {
    let script = """
      import os
      from pipeline_stage import documents

      @documents
      def stage(document):
          names = sorted(os.path.join(folder, name)[2:] for folder, _, names in os.walk(".") for name in names)
          return ", ".join(names + [str(os.environ.get(name)) for name in ("SEEN_HERE", "HIDDEN_HERE")])
      """
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.makeDirectory(folder + "/lists/deep")
    for (name, text) in [("stage.py", script), ("other.py", ""), ("lists/a.txt", "a"), ("lists/deep/b.txt", "b")] {
      try FileSystem.write(Array(text.utf8), to: "\(folder)/\(name)")
    }
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "SEEN_HERE": "1", "HIDDEN_HERE": "1"])
    let harness = try StageHarness(
      CommandDocuments.self,
      options: [
        "command": .strings([CommandWorkbench.python, "stage.py"]), "files": .strings(["./stage.py", "lists"]),
        "variables": .strings(["SEEN_HERE"]),
      ], base: folder)
    try harness.add(documents: [[Document(id: "a", text: "")]])
    #expect(try harness.run().documents().map(\.textString) == ["lists/a.txt, lists/deep/b.txt, stage.py, 1, None"])
  }

  /// The fingerprint covers what the program is, and nothing that cannot change its results.
  @Test func theFingerprintCoversTheProgram() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    func fingerprint(_ more: JSONValue, script: String = "1", lock: String = "a==1") throws -> Digest {
      try FileSystem.write(Array(script.utf8), to: folder + "/s.py")
      try FileSystem.write(Array(lock.utf8), to: folder + "/uv.lock")
      let members = [JSONMember("command", .strings(["python3", "s.py"])), JSONMember("files", "s.py")]
      let options = JSONValue.object(
        (members + [JSONMember("lockFile", "uv.lock")]).filter { more[$0.key] == nil } + (more.members ?? []))
      let configured = try StageDescription(CommandDocuments.self).configured(options)
      let context = NodeContext(
        inputs: [
          "documents": [
            WiredArtifact(
              stage: "a", port: "b", files: [.init(path: "/d", name: "d", bytes: 1, digest: Digester().finish())])
          ]
        ],
        base: folder)
      let task = try configured.stage(of: "run").tasks(ofPhase: "run", in: context)[0]
      return Fingerprint.task(
        stage: "command.documents", revision: 1, options: Fingerprint.canonicalOptions(configured), phase: "run",
        task: task)
    }
    TestEnvironment.set(["A_NAMED_VARIABLE": "one"])
    let first = try fingerprint([:])
    #expect(try fingerprint([:]) == first)
    #expect(try fingerprint(["batch": 7, "memory": "1GiB", "cores": 4, "batchTimeoutSeconds": 5]) == first)
    let named: JSONValue = ["variables": .strings(["A_NAMED_VARIABLE"])]
    let others = try [
      fingerprint(["command": .strings(["python3", "-u", "s.py"])]), fingerprint(["revision": 2]),
      fingerprint([:], script: "2"), fingerprint([:], lock: "a==2"), fingerprint(named),
      fingerprint(["files": .strings(["s.py", "uv.lock"])]),
    ]
    TestEnvironment.set(["A_NAMED_VARIABLE": "two"])
    let changed = try fingerprint(named)
    #expect(Set([first, changed] + others).count == 8)
  }

  @Test func optionsThatCannotWorkAreRefused() {
    let command = JSONValue.strings(["x"])
    let refused: [JSONValue] = [
      ["command": .strings([])], ["command": .strings([""])], ["command": command, "variables": .strings(["A=B"])],
      ["command": command, "lockFile": .strings(["a", "b"])],
    ]
    for options in refused {
      #expect(throws: StageError.self) { try StageHarness(CommandDocuments.self, options: options) }
    }
  }

  @Test func filesForOnePlaceAreRefused() throws {
    let harness = try CommandWorkbench.harness(["true"], files: ["quality.py", "../programs/quality.py"])
    #expect { try harness.run() } throws: { "\($0)".contains("two files belong to 'quality.py'") }
  }
}
