public import NetKit
public import PipelineKit
import ShardKit

/// Uploads artifacts to a repository of the Hugging Face Hub, as one commit.
///
/// - `plan`: creates the repository and the branch if they do not exist, and lists the files that differ from it.
/// - `objects`: uploads large files, several at once, each resumed by part. Objects that the storage has are skipped.
/// - `commit`: compares again, and commits the difference with the compared commit as its parent. So readers see all
///   changes or none, and changes by others are never overwritten unseen. If nothing differs, no commit is made.
///
/// Files in the repository that are not in the artifacts are kept. The Hub's API: https://huggingface.co/docs/hub/api
public struct HuggingFaceUpload: Stage {
  public struct Options: StageOptions {
    @OptionGroup public var hub: HubOptions
    @Option("The kind of the repository.") public var kind = HubRepository.Kind.model
    @Option("The branch. If it does not exist, it is created from main.") public var revision = "main"
    @Option("Makes a new repository private. An existing one is not changed.") public var `private` = true
    @Option("The commit message.") public var message = "Upload by pipeline"
    @Option(UploadLayout.documentation) public var layout = UploadLayout.automatic
    @Option("The folder in the repository that receives all files. Empty: the root.") public var folder = ""
    @Option("Writes a README.md that tells readers of a data set where its files are, unless there is one.")
    public var card = true
    @Option("Uploads nothing. The report lists the files and what would happen to each.") public var dryRun = false
    @Option("Number of large files uploaded at the same time.", in: 1...32, affectsOutput: false)
    public var filesAtOnce = 4
    @OptionGroup public var network = NetworkOptions(delaySeconds: 0.0)

    public init() {}
  }

  public static let name = "huggingface.upload"
  public static let revision = 1
  public static let summary = "Uploads models and data sets to the Hugging Face Hub, in one commit."
  static let artifacts = Input<AnyArtifact>("artifacts", "The artifacts to upload, of any kind.", many: true)
  static let report = Output<Report>("report", "files.jsonl and, unless it was a dry run, commit.json.")
  static let plan = Output<Report>("plan", "The files that differ from the repository.", hidden: true)
  public static let inputs = [artifacts.port]
  public static let outputs = [report.port, plan.port]
  public enum Phase: String, StagePhase { case plan, objects, commit }
  public static let waitingPhases = Set(Phase.allCases)

  /// The total size of a task of small files. A larger file is a separate task.
  private static let bytesPerTask: Int64 = 64 << 20

  let options: Options
  /// Shared by all tasks.
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.network.politeness(requestsAtOnce: options.filesAtOnce)
  }

  public func validate() throws {
    try options.hub.validate(options.kind, options.network)
    guard !options.hub.tokenVariable.isEmpty else {
      throw StageError(.options, "tokenVariable", "an upload needs a token", hint: "Write \"HF_TOKEN\".")
    }
    guard HubRepository.isRevision(options.revision), !HubRepository.isCommit(options.revision) else {
      throw StageError(.options, "revision", "'\(options.revision)' is not a valid branch name")
    }
    guard !options.message.isEmpty, options.message.utf8.count <= 4096 else {
      throw StageError(.options, "message", "a commit needs a message, of at most 4096 bytes")
    }
    guard options.folder.isEmpty || HubRepository.isPath(options.folder) else {
      throw StageError(.options, "folder", "'\(options.folder)' is not a valid folder of a repository")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let files = try UploadFiles(context.artifacts(Self.artifacts), options)
    switch phase {
    case .plan: return [try files.task("plan")]
    case .objects:
      let large = options.dryRun ? [] : try CommitPlan.large(in: context.files(Self.plan), of: files.files)
      return TaskPlan.grouped(large, bytes: Self.bytesPerTask, memoryBytes: 8 << 20)
    case .commit: return options.dryRun ? [] : [try files.task("commit")]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    try networked(workspace) {
      let token = hubToken(options.hub.tokenVariable)
      guard token != nil || options.dryRun else {
        throw StageError(
          .environment, "tokenVariable", "the environment variable \(options.hub.tokenVariable) is not set",
          hint: "Create a token with write access at \(options.hub.endpoint)/settings/tokens and put it there.")
      }
      // The Hub may need minutes for a commit of many files.
      let http = try options.network.client(politeness, workspace, stallSeconds: phase == .commit ? 600 : 60)
      let client = HubClient(try options.hub.place(options.kind), token: token, http: http)
      switch phase {
      case .plan: try CommitPlan(options, client, workspace).run()
      case .objects: try sendObjects(client, workspace)
      case .commit: try UploadCommit(options, client, workspace).run()
      }
    }
  }

  private func sendObjects(_ client: HubClient, _ workspace: Workspace) throws {
    let objects = workspace.files(.main).map {
      HubCandidate(path: $0.name, file: $0.path, bytes: $0.bytes, sha256: $0.digest)
    }
    try workspace.send(objects, client, revision: options.revision)
  }
}

extension Workspace {
  /// Uploads the objects that the storage does not have, and counts them.
  func send(_ objects: [HubCandidate], _ client: HubClient, revision: String) throws {
    guard !objects.isEmpty else { return }
    let control = control
    let sent = try client.send(objects, revision: revision, state: stateDirectory()) { (bytes) throws(NetError) in
      control.advance(bytes: Int(bytes))
      guard control.shouldStop else { return }
      throw NetError(.cancelled, "", "the upload was stopped; finished parts are not sent again")
    }
    metric("sentObjects", Double(sent.objects))
    metric("sentBytes", Double(sent.bytes))
    metric("resumedBytes", Double(sent.resumedBytes))
  }
}
