public import PipelineKit
import ShardKit

/// Replays a finished training as one run of Weights & Biases: its steps, settings, and what was measured of its model.
///
/// The training itself knows nothing of W&B and needs no network. The run's id follows from the training, so replaying
/// it again adds nothing. The user's `wandb` package writes it, in a child process.
public struct WandbReport: SinglePhaseStage {
  public enum Mode: String, CaseIterable, OptionChoice { case offline, online }

  public struct Options: StageOptions {
    @Option(
      "offline: writes a run folder for `wandb sync`; online: also sends it, with WANDB_API_KEY or `wandb login`.")
    public var mode = Mode.offline
    @Option("The project that the run belongs to.") public var project = "pipeline"
    @Option("The user or team that the project belongs to. Empty: the default of the account.") public var entity = ""
    @Option("The run's name. Empty: that of the stage that trained.") public var name = ""
    @Option("The run's id. Empty: follows from the training, so that another training is another run.")
    public var id = ""
    @Option("The group of runs that this one belongs to.") public var group = ""
    @Option("Words by which runs can be found.") public var tags: [String] = []
    @Option("A remark of your own on the run.") public var notes = ""
    @Option("The Python that has the package wandb. Empty: $PIPELINE_PYTHON, or python3.", affectsOutput: false)
    public var python = ""

    public init() {}
  }

  public static let name = "report.wandb"
  public static let revision = 1
  public static let summary = "Replays a finished training as one Weights & Biases run, offline or online."
  static let report = Output<Report>("report", "run.json and, offline, the run folder for `wandb sync`.")
  public static let inputs = [ReplayedTraining.metrics.port, ReplayedTraining.reports.port]
  public static let outputs = [report.port]
  public static let waitingPhases: Set<SinglePhase> = [.run]

  /// Seconds in which a server must answer.
  private static let initSeconds = 60

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    for (option, value, isRequired) in [("project", options.project, true), ("id", options.id, false)] {
      let isGood = value.utf8.count <= 128 && !value.contains { "/\\#?%:".contains($0) || $0.isNewline }
      guard isGood, !isRequired || !value.isEmpty else {
        throw StageError(
          .options, option, "'\(value)' is not a name that W&B takes",
          hint: "Use at most 128 characters, none of / \\ # ? % : among them.")
      }
    }
    guard options.tags.allSatisfy({ (1...64).contains($0.count) }) else {
      throw StageError(.options, "tags", "W&B takes tags of 1 to 64 characters", hint: "Shorten them.")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    [try ReplayedTraining.task("wandb", in: context)]
  }

  public func run(_ workspace: Workspace) throws {
    let training = try ReplayedTraining(workspace)
    let id = options.id.isEmpty ? id(of: training) : options.id
    let folder = try workspace.temporaryDirectory()
    let result = try replay(training, id, folder, workspace)
    if options.mode == .offline { try publishFolder(id, folder, training, workspace) }
    let run: JSONValue = [
      "id": .string(id), "project": .string(options.project), "name": .string(name(of: training)),
      "mode": .string(options.mode.rawValue), "steps": result["steps"] ?? .null,
      "lastStep": result["lastStep"] ?? .null, "url": result["url"] ?? .null, "wandb": result["wandb"] ?? .null,
    ]
    try workspace.write(Self.report, name: "run.json", Array(run.prettyText().utf8))
    workspace.metric("steps", result["steps"]?.double ?? 0)
  }

  private func name(of training: ReplayedTraining) -> String { options.name.isEmpty ? training.stage : options.name }

  /// The same for the same training in the same project.
  private func id(of training: ReplayedTraining) -> String {
    var digester = Digester()
    for field in [Self.name, options.entity, options.project, training.identity.hex] { digester.update(field: field) }
    return String(digester.finish().hex.prefix(16))
  }

  // MARK: The child process

  private func replay(
    _ training: ReplayedTraining, _ id: String, _ folder: String, _ workspace: Workspace
  ) throws -> JSONValue {
    let plan: JSONValue = [
      "mode": .string(options.mode.rawValue), "project": .string(options.project), "entity": .string(options.entity),
      "name": .string(name(of: training)), "id": .string(id), "group": .string(options.group),
      "notes": .string(options.notes), "tags": .strings(options.tags), "config": .object(training.settings),
      "summary": .object(training.results.map { JSONMember($0.name, .number($0.value)) }),
      "points": .string(training.points), "folder": .string(folder), "initSeconds": .integer(Self.initSeconds),
    ]
    return try tracker.run(plan, in: folder, workspace)
  }

  private var tracker: TrackerProcess {
    TrackerProcess(
      package: "wandb", oldest: "0.17", python: options.python, script: PackageResources.wandb_replay_py,
      onlineHint: options.mode == .offline
        ? nil
        : "Set WANDB_API_KEY or use `wandb login`, check WANDB_BASE_URL and the network; or set \"mode\" to \"offline\" "
          + "and send the run later with `wandb sync`.")
  }

  // MARK: The run folder

  /// The records that `wandb sync` reads, in a folder of the name that it expects; not the logs of this process.
  private func publishFolder(
    _ id: String, _ folder: String, _ training: ReplayedTraining, _ workspace: Workspace
  ) throws {
    let file = "run-\(id).wandb"
    let folders = try FileSystem.list("\(folder)/wandb").filter { $0.hasPrefix("offline-run-") }
    guard folders.count == 1, let written = folders.first, FileSystem.exists("\(folder)/wandb/\(written)/\(file)")
    else {
      throw StageError(
        .check, "wandb", "its process ended well, but wrote no offline run", hint: "Is \"wandb\" set to be disabled?")
    }
    let path = "\(folder)/wandb/\(written)/\(file)"
    let bytes = FileSystem.status(path)?.bytes ?? 0
    let source = ArtifactFile(path: path, name: file, bytes: bytes, digest: try Digester.digest(file: path))
    let moment = CivilTime(secondsSince1970: try Self.began(training))
    let name = "offline-run-\(moment.date(""))_\(moment.time(""))-\(id)"
    try workspace.link(Self.report, name: "\(name)/\(file)", to: source)
  }

  /// The time of the first step; 0 if it is not known.
  private static func began(_ training: ReplayedTraining) throws -> Int {
    let lines = LineReader(try FileSource(training.points), maximumLineBytes: 1 << 20)
    guard let line = try lines.next(), let row = try? JSONValue.parse(Array(line)).value else { return 0 }
    return row["time"]?.double.flatMap { Int(exactly: $0.rounded(.down)) } ?? 0
  }
}
