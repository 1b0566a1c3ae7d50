import Glibc
public import PipelineKit
import ShardKit

/// Replays a finished training as one run of MLflow: its steps, settings, and what was measured of its model.
///
/// The run carries the training's identity as a tag, by which it is found again: replaying adds only what it lacks. The
/// user's `mlflow` package writes it, in a child process.
public struct MLflowReport: SinglePhaseStage {
  public enum Mode: String, CaseIterable, OptionChoice { case offline, online }

  public struct Options: StageOptions {
    @Option("offline: writes a database, mlflow.db, for `mlflow ui`; online: sends the run to a tracking server.")
    public var mode = Mode.offline
    @Option(
      "The tracking server or database of online runs, such as http://host:5000. Empty: $MLFLOW_TRACKING_URI, which may "
        + "have a password.")
    public var tracking = ""
    @Option("The experiment that the run belongs to; created if it does not exist.") public var experiment = "pipeline"
    @Option("The run's name. Empty: that of the stage that trained.") public var name = ""
    @Option("Tags of the run: {\"team\": \"corpus\"}.") public var tags: [String: String] = [:]
    @Option("A remark of your own on the run.") public var notes = ""
    @Option("The Python that has the package mlflow. Empty: $PIPELINE_PYTHON, or python3.", affectsOutput: false)
    public var python = ""

    public init() {}
  }

  public static let name = "report.mlflow"
  public static let revision = 1
  public static let summary = "Replays a finished training as one MLflow run, offline or online."
  static let report = Output<Report>("report", "run.json and, offline, mlflow.db.")
  public static let inputs = [ReplayedTraining.metrics.port, ReplayedTraining.reports.port]
  public static let outputs = [report.port]
  public static let waitingPhases: Set<SinglePhase> = [.run]

  private static let databaseName = "mlflow.db"

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    guard !options.experiment.isEmpty else {
      throw StageError(.options, "experiment", "is empty", hint: "Name the experiment that the run belongs to.")
    }
    guard options.tracking.isEmpty || options.mode == .online else {
      throw StageError(.options, "tracking", "is for online runs", hint: "Set \"mode\" to \"online\", or remove it.")
    }
    // A name alone may be a token.
    guard options.tracking.firstMatch(of: #/:\/\/[^\/]*@|[?\#]/#) == nil else {
      throw StageError(
        .options, "tracking", "has a user, a password or a query, which would be stored with the run",
        hint:
          "Put the address into MLFLOW_TRACKING_URI, or the key into MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_PASSWORD."
      )
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    [try ReplayedTraining.task("mlflow", in: context)]
  }

  public func run(_ workspace: Workspace) throws {
    let training = try ReplayedTraining(workspace)
    let folder = try workspace.temporaryDirectory()
    let result = try tracker.run(try plan(training, folder), in: folder, workspace)
    if options.mode == .offline {
      let path = "\(folder)/\(Self.databaseName)"
      let file = ArtifactFile(
        path: path, name: Self.databaseName, bytes: FileSystem.status(path)?.bytes ?? 0,
        digest: try Digester.digest(file: path))
      try workspace.link(Self.report, name: Self.databaseName, to: file)
    }
    try workspace.write(Self.report, name: "run.json", Array(result.prettyText().utf8))
    workspace.metric("steps", result["steps"]?.double ?? 0)
  }

  private var tracker: TrackerProcess {
    TrackerProcess(
      package: "mlflow", oldest: "2.15", python: options.python, script: PackageResources.mlflow_replay_py,
      onlineHint: options.mode == .offline
        ? nil
        : "Check the address, the network, and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or "
          + "MLFLOW_TRACKING_TOKEN; or set \"mode\" to \"offline\".")
  }

  private func plan(_ training: ReplayedTraining, _ folder: String) throws -> JSONValue {
    [
      "tracking": .string(try tracking(folder)), "experiment": .string(options.experiment),
      // A database that is opened elsewhere must not name this machine's folders.
      "artifacts": .string(options.mode == .offline ? "mlflow-artifacts:/" : ""),
      "name": .string(options.name.isEmpty ? training.stage : options.name), "notes": .string(options.notes),
      "tags": options.tags.json, "identity": .string(training.identity.hex), "config": .object(training.settings),
      "summary": .object(training.results.map { JSONMember($0.name, .number($0.value)) }),
      "points": .string(FileSystem.realPath(training.points)), "folder": .string(folder),
    ]
  }

  private func tracking(_ folder: String) throws -> String {
    if options.mode == .offline { return "sqlite:///\(FileSystem.realPath(folder))/\(Self.databaseName)" }
    if !options.tracking.isEmpty { return options.tracking }
    guard let named = getenv("MLFLOW_TRACKING_URI").map({ String(cString: $0) }), !named.isEmpty else {
      throw StageError(
        .environment, "tracking", "neither the option nor MLFLOW_TRACKING_URI names a tracking server",
        hint: "Set one of them, or \"mode\" to \"offline\".")
    }
    return named
  }
}
