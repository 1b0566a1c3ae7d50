import Glibc
import PipelineKit
import ShardKit
@testable import Stages
import TestKit
import Testing

/// A training's artifacts replayed by the real `wandb`, and read with its own record types.
@Suite struct WandbReportTests {
  static let reader = PeerScript("wandb_run.py")
  private let folder = temporaryDirectory()

  static func file(_ folder: String, _ name: String, _ text: String) throws -> ArtifactFile {
    let path = "\(folder)/\(name)"
    try FileSystem.makeDirectory(folder)
    try FileSystem.write(Array(text.utf8), to: path)
    return ArtifactFile(
      path: path, name: name, bytes: Int64(text.utf8.count), digest: Digester.digest(Array(text.utf8)))
  }

  static let curve = "step,loss,learningRate,gradientNorm\n1,9.5,0.0001,2.5\n2,nan,0.0002,inf\n3,8.25,0.0003,1.5\n"
  static let log = """
    {"step":1,"time":1700000000.5,"loss/train/total":9.5,"throughput/tokens_per_sec":1000}
    {"step":2,"time":1700000001.5,"loss/train/total":null,"throughput/tokens_per_sec":1100}
    {"step":3,"time":1700000002.5,"loss/train/total":8.25,"throughput/tokens_per_sec":1200}

    """

  private static func head(_ text: String, lines: Int) -> String {
    text.split(separator: "\n").prefix(lines).map { $0 + "\n" }.joined()
  }

  /// A stage with the artifacts of a training, and with those of an evaluation.
  static func harness<S: Stage>(
    _ type: S.Type, _ folder: String, _ options: JSONValue, withReport: Bool = true, training: String = "pretrain",
    steps: Int = 3, logged: Int = 3
  ) throws -> StageHarness {
    let harness = try StageHarness(type, options: options)
    let json = #"{"steps":\#(steps),"batchSize":8,"precision":"float32","loss":8.25}"#
    harness.add(
      files: [
        try file(folder + "/metrics", "curve.csv", curve), try file(folder + "/metrics", "training.json", json),
      ], to: "metrics", from: training)
    harness.add(
      files: [try file(folder + "/mlm", "mlm.json", #"{"loss":2.5,"perplexity":12.25,"name":"x","parts":{"a":1}}"#)],
      to: "metrics", from: "perplexity")
    if withReport {
      harness.add(
        files: [
          try file(folder + "/report", "metrics.jsonl", head(log, lines: logged)),
          try file(folder + "/report", "training.svg", "<svg/>"),
          try file(folder + "/report", "machine.json", #"{"device":"CPU","seconds":12.5}"#),
        ], to: "reports", from: training)
    }
    return harness
  }

  /// The run that `wandb` reads, and the name of its folder.
  private func run(_ harness: StageHarness) throws -> (json: JSONValue, name: String) {
    let file = try #require(harness.files("report").first { $0.name.hasSuffix(".wandb") })
    let text = try #require(Self.reader.run(file.path))
    return (try JSONValue.parse(text).value, file.name)
  }

  private var python: JSONValue { .string(PeerScript.interpreter) }

  @Test(.needs(WandbReportTests.reader.isUsable, "needs Python with wandb"))
  func theTrainingIsOneRunAgainAndAgain() throws {
    let options: JSONValue = [
      "project": "texts", "group": "g", "tags": .strings(["ja"]), "notes": "n", "python": python,
    ]
    let first = try Self.harness(WandbReport.self, folder, options).run()
    let (run, name) = try run(first)
    #expect(run["project"]?.string == "texts" && run["name"]?.string == "pretrain")
    #expect(run["group"]?.string == "g" && run["notes"]?.string == "n" && run["tags"] == .strings(["ja"]))
    #expect(run["config"]?["batchSize"]?.integer == 8 && run["config"]?["device"]?.string == "CPU")
    #expect(run["exited"]?.bool == true)
    let rows = try #require(run["history"]?.array)
    #expect(rows.map { $0["_step"]?.integer } == [1, 2, 3])
    #expect(rows.map { $0["_timestamp"]?.double } == [1_700_000_000.5, 1_700_000_001.5, 1_700_000_002.5])
    #expect(rows.map { $0["loss/train/total"]?.double } == [9.5, nil, 8.25])
    #expect(rows[1]["loss/train/total"]?.string == "NaN")
    #expect(rows[2]["throughput/tokens_per_sec"]?.double == 1200)
    #expect(run["summary"]?["perplexity/mlm/perplexity"]?.double == 12.25)
    #expect(run["summary"]?["perplexity/mlm/parts/a"]?.double == 1)
    let id = try #require(run["id"]?.string)
    #expect(name == "offline-run-20231114_221320-\(id)/run-\(id).wandb")
    #expect(first.metrics["steps"] == 3)

    // The same training at another time, in another folder: the same run with the same steps.
    let again = try self.run(try Self.harness(WandbReport.self, folder + "/again", options).run())
    #expect(again.name == name)
    for key in ["id", "project", "name", "config", "history"] {
      #expect(Self.sorted(again.json[key]) == Self.sorted(run[key]), "\(key)")
    }
    // Another training is another run.
    let other = try self.run(try Self.harness(WandbReport.self, folder + "/other", options, steps: 4).run())
    #expect(other.json["id"] != run["id"])
    // What the log's times are has no part in it.
    let bare = try self.run(try Self.harness(WandbReport.self, folder + "/bare", options, withReport: false).run())
    #expect(bare.json["id"] == run["id"])
    #expect(bare.json["history"]?.array?.map { $0["_step"]?.integer } == [1, 2, 3])
    #expect(bare.json["history"]?.array?.first?["l2_norm/grad/global"]?.double == 2.5)
    #expect(bare.name.hasPrefix("offline-run-19700101_000000-"))
  }

  private static func sorted(_ json: JSONValue?) -> String? { json?.text(sortedKeys: true) }

  /// The package's own program finds the run in the artifact.
  @Test(.needs(WandbReportTests.reader.isUsable, "needs Python with wandb"))
  func wandbSyncTakesTheFolder() throws {
    let harness = try Self.harness(WandbReport.self, folder, ["python": python, "id": "my-run"]).run()
    let file = try #require(harness.files("report").first { $0.name.hasSuffix(".wandb") })
    let run = try ChildProcess(
      ["-m", "wandb", "sync", "--dry-run", ArchivePath.folder(of: file.path)], program: PeerScript.interpreter
    ).wait()
    #expect(run.status == 0)
    #expect((run.output + run.errors).contains("Would sync 1 run(s)"), "\(run.output)\(run.errors)")
    #expect((run.output + run.errors).contains("run-my-run.wandb"))
  }

  /// Variables of the user's other runs, and a server that is not there.
  @Test(.needs(WandbReportTests.reader.isUsable, "needs Python with wandb"))
  func aServerThatDoesNotAnswerIsTold() throws {
    let script = "\(folder)/python"
    try FileSystem.write(
      Array(
        """
        #!/bin/sh
        export WANDB_BASE_URL=http://127.0.0.1:9 WANDB_API_KEY=0123456789012345678901234567890123456789
        export WANDB_MODE=disabled WANDB_RUN_ID=other WANDB_INIT_TIMEOUT=2
        exec '\(PeerScript.interpreter)' "$@"
        """.utf8), to: script)
    #expect(chmod(script, 0o755) == 0)
    let error = #expect(throws: StageError.self) {
      try Self.harness(WandbReport.self, folder, ["python": .string(script), "mode": "online"]).run()
    }
    #expect(error?.message.hasPrefix("the run was not sent: ") == true, "\(String(describing: error))")
    #expect(error?.hint?.contains("WANDB_API_KEY") == true)
    #expect(error?.description.contains("01234567890123456789") == false)
    let offline = try Self.harness(WandbReport.self, folder, ["python": .string(script), "id": "mine"]).run()
    #expect(try run(offline).json["id"]?.string == "mine")
  }

  @Test func whatIsMissingIsNamed() throws {
    func error(_ python: String) throws -> StageError? {
      #expect(throws: StageError.self) {
        try Self.harness(WandbReport.self, folder, ["python": .string(python)]).run()
      }
    }
    let absent = try error("/no/python")
    #expect(absent?.code == .environment && absent?.message.contains("cannot be started") == true)
    #expect(absent?.hint?.contains("pip install wandb") == true)
    // A Python without any packages.
    try FileSystem.write(
      Array("#!/bin/sh\nexec '\(PeerScript.interpreter)' -S -E -s \"$@\"\n".utf8), to: folder + "/bare")
    #expect(chmod(folder + "/bare", 0o755) == 0)
    let bare = try error(folder + "/bare")
    #expect(bare?.message == "cannot import wandb: No module named 'wandb'")
  }

  @Test func inputsThatAreNotOneTrainingAreRefused() throws {
    let two = try Self.harness(WandbReport.self, folder, [:], withReport: false)
    two.add(files: [try Self.file(folder + "/b", "curve.csv", Self.curve)], to: "metrics", from: "second")
    #expect(throws: StageError.self) { try two.run() }
    let none = try StageHarness(WandbReport.self)
    none.add(files: [try Self.file(folder + "/c", "mlm.json", "{}")], to: "metrics")
    #expect(throws: StageError.self) { try none.run() }
    let foreign = try Self.harness(WandbReport.self, folder, [:], withReport: false)
    foreign.add(files: [try Self.file(folder + "/d", "metrics.jsonl", Self.log)], to: "reports", from: "second")
    #expect(throws: StageError.self) { try foreign.run() }
    for options: JSONValue in [["project": "a/b"], ["project": ""], ["id": "a:b"], ["tags": .strings([""])]]
      as [JSONValue]
    {
      #expect(throws: StageError.self, "\(options)") { try StageHarness(WandbReport.self, options: options) }
    }
  }
}
