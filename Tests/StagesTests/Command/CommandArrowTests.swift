@testable import PipelineKit
import ShardKit
@testable import Stages
import TestKit
import Testing

private let peer = PeerScript("arrow_frames.py")

/// `"frames": "arrow"`: another form of the same exchange.
@Suite(.needsParquet, .needs(peer.isUsable, "needs Python with pyarrow"))
struct CommandArrowTests {
  private static let arrow = JSONMember("frames", "arrow")

  private static func same(_ one: StageHarness, _ other: StageHarness) throws -> Bool {
    try one.digests == other.digests && one.ledger == other.ledger && one.metrics == other.metrics
      && one.drops() == other.drops()
  }

  /// A function on documents and one on columns, with either form of frames: the same to the byte.
  @Test func formsOfFramesChangeNothing() throws {
    let runs = try ["quality.py", "quality_arrow.py"].flatMap { script in
      try [[], [Self.arrow]].map {
        try CommandWorkbench.harness([CommandWorkbench.python, script], files: [script], $0).run()
      }
    }
    #expect(try runs[0].drops().count > 10 && runs[0].documents().count > 10)
    for run in runs.dropFirst() { #expect(try Self.same(run, runs[0])) }
  }

  /// Every kind of verdict, by document and by column.
  @Test(arguments: [
    """
    from pipeline_stage import Document, Drop, documents, metric

    @documents
    def stage(document):
        metric("letters", len(document.text))
        if document.id == "text":
            return document.text.upper()
        if document.id == "metadata":
            document.metadata["score"] = {"mean": 0.25, "日": None}
        if document.id == "removed":
            del document.metadata["old"]
        if document.id == "split":
            return [Document("", text, document.source) for text in document.text.split()]
        if document.id == "false":
            return False
        if document.id == "dropped":
            return Drop("too-odd", 3, 2.5, "because")
        if document.id == "raises":
            raise ValueError("no such thing")
        if document.id == "unwritable":
            return Drop("too-odd", float("nan"))
    """,
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pipeline_stage import metric, record_batches

    @record_batches
    def stage(batch):
        metric("letters", sum(map(len, batch["text"].to_pylist())))
        def only(name, value):
            return [value if id == name else None for id in batch["id"].to_pylist()]
        return {
            "keep": [id != "false" for id in batch["id"].to_pylist()],
            "text": pa.array(only("text", "ONE")).dictionary_encode(),
            "metadata": only("metadata", {"score": {"mean": 0.25, "日": None}}),
            "documents": only("split", [{"text": "one"}, {"text": "two", "id": "second"}]),
            "drop": only("dropped", "too-odd"), "value": pc.binary_length(batch["id"]), "threshold": 2.5,
            "error": only("raises", "no such thing"),
        }
    """,
  ]) func everyVerdictIsTheSame(script: String) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(script.utf8), to: folder + "/stage.py")
    let documents = [
      "text", "metadata", "removed", "split", "false", "dropped", "raises", "unwritable", "kept",
    ].map { id in
      Document(
        id: id, text: "one two \"\u{1}川\"", source: "s", metadata: ["old": 12_345_678_901_234_567, "b": .list([1])])
    }
    let runs = try [[], [Self.arrow]].map {
      try CommandWorkbench.harness(
        [CommandWorkbench.python, "stage.py"], files: [folder + "/stage.py"], $0, documents: [documents]
      ).run()
    }
    #expect(try Self.same(runs[0], runs[1]))
    #expect(runs[1].ledger.imbalance == 0 && runs[1].metrics["letters"] ?? 0 > 50)
    let drops = try runs[1].drops()
    #expect(try runs[1].documents().count >= 6 && Set(drops.map(\.reason)) == ["stage", "too-odd", "command-failed"])
  }

  private func run(columns body: String, _ options: [JSONMember]) throws -> StageHarness {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let script =
      "import json\nfrom pipeline_stage import record_batches\n\n@record_batches\ndef stage(batch):\n    \(body)\n"
    try FileSystem.write(Array(script.utf8), to: folder + "/stage.py")
    let documents = ["b", "a"].map { Document(id: $0, text: $0, source: "s") }
    return try CommandWorkbench.harness(
      [CommandWorkbench.python, "stage.py"], files: [folder + "/stage.py"], options, documents: [documents]
    ).run()
  }

  /// A table in another order would give each document the text of another one.
  @Test(arguments: [[], [arrow]]) func rowsInAnotherOrderAreRefused(options: [JSONMember]) {
    let error = #expect(throws: StageError.self) {
      try run(columns: "return batch.select(['id', 'text']).sort_by([('id', 'ascending')])", options)
    }
    #expect(error?.message.contains("its id is ") == true, "\(String(describing: error))")
  }

  @Test(arguments: [[], [arrow]]) func metadataOfSeveralLinesIsTaken(options: [JSONMember]) throws {
    let harness = try run(columns: "return {'metadata': [json.dumps({'n': 1, 'm': [2]}, indent=1)] * 2}", options)
    #expect(try harness.documents().map { try JSONValue.parse($0.metadata).value["n"] } == [1, 1])
  }

  /// Documents at which a program dies are found in the same way.
  @Test func oneThatDiesLosesTheDocumentsThatKillIt() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let script = """
      import os
      from pipeline_stage import record_batches

      @record_batches
      def stage(batch):
          if any("!" in text for text in batch["text"].to_pylist()):
              os._exit(3)
      """
    try FileSystem.write(Array(script.utf8), to: folder + "/stage.py")
    let harness = try CommandWorkbench.harness(
      [CommandWorkbench.python, "stage.py"], files: [folder + "/stage.py"], [Self.arrow],
      documents: CommandWorkbench.marked.map { Array($0[4..<8]) }
    ).run()
    #expect(try harness.drops().map { [$0.id, $0.reason, $0.detail] } == [["5", "command-died", "ended with code 3"]])
    #expect(try harness.documents().map(\.idString) == ["4", "6", "7"] && harness.ledger.imbalance == 0)
  }

  /// One that speaks JSON is told so before it gets anything; what is no Arrow is named with its frame.
  @Test func programsThatSpeakOtherwiseAreRefused() throws {
    let json = try CommandWorkbench.misbehaving("well", [Self.arrow])
    #expect { try json.run() } throws: {
      "\($0)".contains("broke the protocol in its first frame: it should be 'ready-arrow 1 0 0', not 'ready 1'")
    }
    let garbage = try CommandWorkbench.misbehaving("arrow", [Self.arrow])
    #expect { try garbage.run() } throws: {
      "\($0)".contains(
        "its frame 1: it cannot be read as an Arrow stream of verdicts: it is neither Parquet nor Arrow IPC")
    }
    #expect(garbage.files("documents").isEmpty && garbage.manifests.isEmpty)
  }

  // MARK: Frames

  private static let frames: String? = {
    let folder = temporaryDirectory()
    return peer.run(folder) == nil ? nil : folder
  }()

  private func verdicts(_ frame: [UInt8], mostBytes: Int = 1 << 20) throws -> (told: [String], problem: String?) {
    var told: [String] = []
    let problem = try frame.withUnsafeBytes { bytes in
      try ArrowVerdictReader().read(bytes, count: 3, mostBytes: mostBytes) { place, verdict in
        told.append(Self.told(verdict))
        return verdict.id!.elementsEqual(["a", "b", "c"][place].utf8) ? nil : "its id is another"
      }
    }
    return (told, problem)
  }

  private static func told(_ verdict: ProgramVerdict) -> String {
    let slices = [
      "text": verdict.text, "metadata": verdict.metadata, "documents": verdict.documents, "metrics": verdict.metrics,
      "error": verdict.error,
    ]
    let parts = slices.compactMap { name, slice in slice.map { "\(name)=\(String(decoding: $0, as: UTF8.self))" } }
    let drop = verdict.drop.map { "drop=\($0.name),\($0.value ?? -1),\($0.threshold ?? -1),\($0.detail ?? "")" }
    return (parts + [drop, verdict.keeps.map { "keep=\($0)" }].compactMap { $0 }).sorted().joined(separator: " ")
  }

  private func frame(_ name: String) throws -> [UInt8] {
    try FileSystem.read(try #require(Self.frames) + "/" + name)
  }

  /// Columns of any type that hold what is asked for.
  @Test(arguments: [
    ("kept", ["keep=true", "keep=true", "keep=true"]),
    (
      "rich",
      [
        #"keep=true metadata={"n":1} metrics={"seen": 2} text=new"#, "drop=odd,3.0,2.5,because",
        #"keep=true metadata={"n":2} text=new"#,
      ]
    ),
    ("split", ["keep=true", #"documents=[{"text":"1"},{"text":"2","id":"z"}]"#, "error=bad"]),
    ("first-counts", ["drop=odd,-1.0,-1.0,", "keep=true text=x", "keep=true text=x"]),
    ("packed", ["keep=true text=new", "keep=true text=new", "keep=true text=new"]),
  ]) func rightFramesAreRead(name: String, expected: [String]) throws {
    let read = try verdicts(frame(name))
    #expect(read.told == expected && read.problem == nil, "\(read)")
  }

  @Test(arguments: [
    ("no-id", "verdict 1: it has no \"id\""), ("order", "verdict 1: its id is another"),
    ("few", "it has 2 verdicts for 3 documents"), ("many", "it has more verdicts than the 3 documents"),
    ("unknown", "stream of verdicts: it has an unknown column 'verdict'"),
    ("unkept", "verdict 2: its \"keep\" is false; a document that is not kept is dropped with a \"reason\""),
    ("number-for-text", "verdict 1: its \"text\" is not text"),
    ("text-for-number", "verdict 1: its \"value\" is not a number"),
    ("no-number", "verdict 1: its \"value\" is not a number"),
    ("text-for-truth", "verdict 1: its \"keep\" is not true or false"),
    ("no-reason", "verdict 1: its \"drop\" is not a reason of 1 to 64 letters"), ("no-json", "verdict 1: "),
    ("list-for-object", "verdict 1: its \"metadata\" is not an object"),
    ("hidden", "verdict 1: it has an unknown member \"drop\""),
    ("twice", "verdict 1: its \"metadata\" is not an object"),
    ("huge", "stream of verdicts: row 1 of those that are read has more than 1048576 bytes"),
    ("nested-bomb", "stream of verdicts: row 1 of those that are read has more than 1048576 bytes"),
    ("bomb", "stream of verdicts: it needs more than "), ("cut", "stream of verdicts: "),
    ("empty", "stream of verdicts: it is neither Parquet nor Arrow IPC"),
    ("no-arrow", "stream of verdicts: it is neither Parquet nor Arrow IPC"),
    ("parquet", "stream of verdicts: "),
  ]) func wrongFramesGiveSentences(name: String, sentence: String) throws {
    let problem = try verdicts(frame(name)).problem
    #expect(problem?.contains(sentence) ?? false, "\(problem ?? "nothing is wrong")")
  }

  @Test func damagedFramesAreReadOrRefused() throws {
    var mutations = Mutations(of: try ["rich", "split", "packed", "kept"].map(frame))
    for _ in Mutations.rounds(300) { _ = try verdicts(mutations.next()) }
  }
}
