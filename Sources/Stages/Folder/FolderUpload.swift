public import PipelineKit
import ShardKit

/// Copies artifacts to a folder: a shared file system, a mounted disk, a cache.
///
/// As in `s3.upload`: first all files except those that go last, each under a temporary name, synced, then renamed;
/// when all are present, `index.json`. Files already there with the same content are left alone.
public struct FolderUpload: Stage {
  public struct Options: StageOptions {
    @Option("Destination folder, as an absolute path; it is created if missing.", required: true)
    public var to = ""
    @OptionGroup public var upload: UploadOptions
    @Option("Finally removes files that are not part of this upload from the folder, except hidden ones.")
    public var removeOthers = false

    public init() {}
  }

  public static let name = "folder.upload"
  public static let formerNames = ["upload.folder"]
  public static let revision = 1
  public static let summary = "Copies artifacts to a shared folder; each file appears atomically, index.json last."
  static let artifacts = Input<AnyArtifact>("artifacts", "The artifacts to copy.", many: true)
  static let records = Output<Intermediate>("records", "The outcome for each file of the first phase.", hidden: true)
  static let report = Output<Report>("report", "uploaded.jsonl: each file, and whether it was copied or already there.")
  public static let inputs = [artifacts.port]
  public static let outputs = [records.port, report.port]
  public typealias Phase = UploadPhase

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    guard options.to.isEmpty || options.to.hasPrefix("/") && FolderDestination.isNarrow(options.to)
    else {
      throw StageError(
        .options, "to", "'\(options.to)' is not an absolute path of a folder", hint: "Begin the path with /.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    try UploadPlan(context.artifacts(Self.artifacts), options.upload)
      .tasks(of: phase, records: context.files(Self.records), place: options.to)
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    let task = try UploadTask(workspace)
    let place = FolderDestination(options.to, workspace.control)
    switch phase {
    case .files:
      let records = try task.items.map { try copy($0, to: place) }
      try UploadRecord.write(records, to: Self.records, name: workspace.task.key + ".jsonl", workspace)
    case .last: try finish(task, place, workspace)
    }
  }

  private func finish(_ task: UploadTask, _ place: FolderDestination, _ workspace: Workspace) throws {
    if !options.upload.dryRun { try place.check(task.records) }
    let all = try task.records + task.items.map { try copy($0, to: place) }
    if options.removeOthers {
      let removed = try place.removeAll(but: Set(all.map { ExactText($0.name) }), dryRun: options.upload.dryRun)
      workspace.metric(options.upload.dryRun ? "wouldRemoveFiles" : "removedFiles", Double(removed))
    }
    try UploadRecord.report(all, to: Self.report, workspace)
  }

  private func copy(_ item: UploadPlan.Item, to place: FolderDestination) throws -> UploadRecord {
    try place.control.check()
    let path = place.path(item.name)
    let there = FileSystem.status(path)
    if let there, there.bytes == item.file.bytes, !there.isDirectory,
      try Digester.digest(file: path) == item.file.digest
    {
      place.control.advance(bytes: Int(item.file.bytes))
      return UploadRecord(item, place: path, .skipped)
    }
    if there != nil, options.upload.existing == .refuse {
      throw StageError(
        .check, path, "exists with other content", hint: "Choose another place, or set \"existing\" to \"replace\".")
    }
    if options.upload.dryRun { return UploadRecord(item, place: path, there == nil ? .wouldSend : .wouldReplace) }
    try place.write(item.file, to: path)
    return UploadRecord(item, place: path, .sent)
  }
}
