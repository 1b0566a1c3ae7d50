import Glibc
import PipelineKit
import ShardKit
@testable import Stages
import TestKit
import Testing

/// A training's artifacts replayed by the real `mlflow` into databases, and read by it.
@Suite(.serialized) struct MLflowReportTests {
  private static let reader = PeerScript("mlflow_runs.py")
  private let folder = temporaryDirectory()
  private var python: JSONValue { .string(PeerScript.interpreter) }

  private func runs(_ database: String) throws -> [JSONValue] {
    try JSONValue.parse(try #require(Self.reader.run("sqlite:///\(database)"))).value.array ?? []
  }

  private func points(_ run: JSONValue?, _ name: String) -> [String]? {
    run?["history"]?[name]?.array?.map { $0.text() }
  }

  @Test(.needs(MLflowReportTests.reader.isUsable, "needs Python with mlflow-skinny, SQLAlchemy and alembic"))
  func offlineTheRunIsADatabase() throws {
    let options: JSONValue = [
      "experiment": "texts", "name": "it's a run", "tags": ["team": "corpus"], "notes": "n", "python": python,
    ]
    let harness = try WandbReportTests.harness(MLflowReport.self, folder, options).run()
    let file = try #require(harness.files("report").first { $0.name == "mlflow.db" })
    let runs = try runs(file.path)
    let run = try #require(runs.first)
    #expect(runs.count == 1)
    #expect(run["experiment"]?.string == "texts" && run["name"]?.string == "it's a run")
    #expect(run["status"]?.string == "FINISHED")
    #expect(run["start"]?.integer == 1_700_000_000_500 && run["end"]?.integer == 1_700_000_002_500)
    #expect(run["artifacts"]?.string?.hasPrefix("mlflow-artifacts:/") == true)
    #expect(run["params"]?["batchSize"]?.string == "8" && run["params"]?["device"]?.string == "CPU")
    #expect(run["tags"]?["team"]?.string == "corpus" && run["tags"]?["mlflow.note.content"]?.string == "n")
    #expect(
      points(run, "loss/train/total") == [
        #"[1,1700000000500,"9.5"]"#, #"[2,1700000001500,"nan"]"#, #"[3,1700000002500,"8.25"]"#,
      ])
    #expect(points(run, "perplexity/mlm/perplexity") == [#"[3,1700000002500,"12.25"]"#])
    #expect(harness.metrics["steps"] == 3)
    #expect(try FileSystem.list(harness.directory + "/node/report") == ["mlflow.db", "run.json"])
  }

  /// A database that several trainings share: each is one run, however often it is replayed.
  @Test(.needs(MLflowReportTests.reader.isUsable, "needs Python with mlflow-skinny, SQLAlchemy and alembic"))
  func aSharedDatabaseGetsNothingTwice() throws {
    try FileSystem.makeDirectory(folder)
    let database = folder + "/shared.db"
    let options: JSONValue = ["mode": "online", "tracking": .string("sqlite:///\(database)"), "python": python]
    func replay(_ place: String, withReport: Bool = true, steps: Int = 3, logged: Int = 3) throws -> Double? {
      try WandbReportTests.harness(
        MLflowReport.self, "\(folder)/\(place)", options, withReport: withReport, steps: steps, logged: logged
      ).run().metrics["steps"]
    }
    #expect(try replay("part", logged: 2) == 2, "a replay that came to two steps")
    #expect(try replay("first") == 1)
    let first = try runs(database)
    #expect(try replay("again") == 0)
    #expect(try replay("bare", withReport: false) == 0, "the same training, known by its curve")
    #expect(try runs(database) == first)
    #expect(first.count == 1)
    #expect(try replay("other", steps: 4) == 3)
    #expect(try runs(database).count == 2)
  }

  @Test(.needs(MLflowReportTests.reader.isUsable, "needs Python with mlflow-skinny, SQLAlchemy and alembic"))
  func aServerThatDoesNotAnswerIsTold() throws {
    let script = "\(folder)/python"
    try FileSystem.write(
      Array(
        """
        #!/bin/sh
        export MLFLOW_HTTP_REQUEST_MAX_RETRIES=0 MLFLOW_HTTP_REQUEST_TIMEOUT=5
        exec '\(PeerScript.interpreter)' "$@"
        """.utf8), to: script)
    #expect(chmod(script, 0o755) == 0)
    let error = #expect(throws: StageError.self) {
      try WandbReportTests.harness(
        MLflowReport.self, folder, ["python": .string(script), "mode": "online", "tracking": "http://127.0.0.1:9"]
      ).run()
    }
    #expect(error?.message.hasPrefix("the run was not sent: ") == true, "\(String(describing: error))")
    #expect(error?.hint?.contains("MLFLOW_TRACKING_USERNAME") == true)
  }

  @Test func whatCannotWorkIsRefused() throws {
    for options: JSONValue in [
      ["experiment": ""], ["tracking": "http://h:5000"],
      ["mode": "online", "tracking": "postgresql://me:secret@h/db"],
      ["mode": "online", "tracking": "https://secret@h"],
      ["mode": "online", "tracking": "https://h/x?api_key=secret"],
      ["mode": "online", "tracking": "https://h/#secret"],
    ] {
      let error = #expect(throws: StageError.self) { try StageHarness(MLflowReport.self, options: options) }
      #expect(error?.description.contains("secret") == false)
    }
    #expect(throws: Never.self) {
      try StageHarness(MLflowReport.self, options: ["mode": "online", "tracking": "https://h:5000/a@b"])
    }
  }

  /// What HTTP clients print: addresses, and paths without them.
  @Test(arguments: [
    ("cannot reach https://token@h/x", "cannot reach https://…@h/x"),
    ("cannot reach https://h/x?api_key=s3 now", "cannot reach https://h/x?… now"),
    (
      "HTTPSConnectionPool(host='h'): url: /api/2.0?key=a&b=c (Caused by",
      "HTTPSConnectionPool(host='h'): url: /api/2.0?… (Caused by"
    ),
    ("is the server there? a=b", "is the server there? a=b"),
  ]) func messagesHaveNoSecrets(_ message: String, _ shown: String) {
    #expect(TrackerProcess.withoutSecrets(message) == shown)
  }
}
