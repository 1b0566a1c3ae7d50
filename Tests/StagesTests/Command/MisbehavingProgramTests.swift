import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// Programs that do something wrong: each gets its sentence, every document is accounted for, and nothing of a task that
/// fails is published.
@Suite(.serialized, .needs(CommandWorkbench.hasPython, "needs Python")) struct MisbehavingProgramTests {
  private static let quick = [JSONMember("batchTimeoutSeconds", .number(5))]

  private static func drops(_ harness: StageHarness) throws -> [[String?]] {
    try harness.drops().map { [$0.id, $0.reason, $0.detail] }
  }

  /// - Returns: the sentence with which the stage fails.
  private static func failure(
    _ fault: String, _ more: [JSONMember] = [], documents: [[Document]] = CommandWorkbench.marked
  ) throws -> String {
    let harness = try CommandWorkbench.misbehaving(fault, more, documents: documents)
    do { try harness.run() } catch let error as StageError {
      #expect(harness.files("documents").isEmpty && harness.manifests.isEmpty)
      #expect(try FileSystem.list(harness.directory + "/node/.staging").isEmpty)
      return "\(error)"
    }
    Issue.record("'\(fault)' did not fail")
    return ""
  }

  private static let name = "\(CommandWorkbench.python) misbehaving.py"

  @Test func oneThatDiesLosesTheDocumentsThatKillIt() throws {
    let harness = try CommandWorkbench.misbehaving("dies").run()
    let how = "was ended by signal 11 (Segmentation fault): this one"
    #expect(try Self.drops(harness) == [["5", "command-died", how], ["17", "command-died", how]])
    #expect(try harness.documents().map(\.idString) == (0..<20).filter { $0 != 5 && $0 != 17 }.map(String.init))
    #expect(harness.ledger.imbalance == 0 && harness.warnings["command-died"] == 2)
    // Once each at 8, 4, 2 and 1 documents, and at 4, 2 and 1.
    #expect(harness.metrics["command-restarts"] == 7)
  }

  @Test func oneThatDiesTooOftenFails() throws {
    let sentence = try Self.failure("dies", [JSONMember("maximumDied", 1)])
    #expect(
      sentence.contains(
        "it was ended by signal 11 (Segmentation fault): this one, at the document '17' alone, after 1 "))
    let first = try Self.failure("dies", [JSONMember("maximumDied", 0)])
    #expect(first.contains("at the document '5' alone. Repair the program for this document"))
  }

  @Test func oneThatHangsIsStopped() throws {
    let harness = try CommandWorkbench.misbehaving("hangs", Self.quick + [JSONMember("batch", 1)]).run()
    let how = "did not answer within 5.0 s"
    #expect(try Self.drops(harness) == [["5", "command-timed-out", how], ["17", "command-timed-out", how]])
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func oneThatIgnoresSIGTERMIsKilled() throws {
    let one = [[Document(id: "a", text: "here!"), Document(id: "b", text: "fine")]]
    var harness: StageHarness? = try CommandWorkbench.misbehaving(
      "sigterm", Self.quick + [JSONMember("batch", 1)], documents: one
    ).run()
    #expect(try harness?.drops().map(\.id) == ["a"])
    // The one that was started after it, with the two that watch it.
    #expect(try CommandWorkbench.processes(with: "sigterm") == 3)
    harness = nil
    #expect(try CommandWorkbench.processes(with: "sigterm") == 0)
  }

  @Test func whatOnePrintsIsNoFrame() throws {
    let harness = try CommandWorkbench.misbehaving("prints").run()
    #expect(try harness.documents().count == 20 && harness.drops().isEmpty)
  }

  @Test(arguments: [
    ("half-and-ends-well", "broke the protocol in its frame 1: it ended with code 0 before it answered, with "),
    ("order", "broke the protocol in its frame 1: verdict 1: its id is '7', but the document's is '0'"),
    ("exits", "broke the protocol in its frame 2: it ended with code 0 before it answered"),
    ("gigabyte", "its frame 1: it announces 1000000000 bytes, more than 'maximumAnswer' (64MiB) allows"),
    ("garbage", "its frame 1: it does not begin with a frame's header, but with '"),
    ("few", "its frame 1: it has 7 verdicts for 8 documents"),
    ("many", "its frame 1: it has more verdicts than the 8 documents"),
    (
      "unanswered", "verdict 1: it says neither \"keep\", \"text\", \"metadata\", \"drop\", \"documents\" nor \"error\""
    ),
    ("no-json", "its frame 1: verdict 1: "),
    ("version", "its first frame: it should be 'ready 1 0 0', not 'ready 2'"),
    ("start", "it ended with code 1 before it was ready: no such model"),
  ]) func oneThatBreaksTheProtocolFails(fault: String, sentence: String) throws {
    let told = try Self.failure(fault)
    #expect(told.hasPrefix("\(Self.name) \(fault): ") && told.contains(sentence), "\(told)")
  }

  @Test func oneThatEndsInTheMiddleOfAFrameHasDied() throws {
    let sentence = try Self.failure("half", [JSONMember("maximumDied", 0), JSONMember("batch", 1)])
    #expect(sentence.contains("it ended with code 3, at the document '0' alone"))
  }

  /// It is started again with less to do, and no document is lost.
  @Test func oneThatLeaksIsStartedAgain() throws {
    let harness = try CommandWorkbench.misbehaving(
      "leaks", [JSONMember("memory", "64MiB"), JSONMember("batch", 4)]
    ).run()
    #expect(try harness.documents().count == 20 && harness.drops().isEmpty)
    #expect((harness.metrics["command-restarts"] ?? 0) > 1)
  }

  /// Its children, and what has left its process group, end with the stage.
  @Test func whatOneForksEndsWithIt() throws {
    var harness: StageHarness? = try CommandWorkbench.misbehaving("forks").run()
    #expect(try harness?.documents().count == 20 && CommandWorkbench.processes(with: "forks") > 1)
    harness = nil
    #expect(try CommandWorkbench.processes(with: "forks") == 0)
  }

  @Test func reportedErrorsCountAsLost() throws {
    let harness = try CommandWorkbench.misbehaving("errors").run()
    #expect(
      try Self.drops(harness) == [["5", "command-failed", "failed: bad"], ["17", "command-failed", "failed: bad"]])
    #expect(harness.metrics["command-restarts"] == nil)
  }

  @Test func oneThatDoesNotExistIsNamed() throws {
    let harness = try CommandWorkbench.harness(["no-such-program"])
    #expect { try harness.run() } throws: {
      "\($0)".hasPrefix("no-such-program: it cannot be started: No such file or directory. A name without slash")
    }
  }
}
