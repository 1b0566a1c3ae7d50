import NetKit
public import PipelineKit
import ShardKit
import Synchronization

/// Uploads artifacts to a bucket of S3, or of an S3-compatible service.
///
/// Phase `files`: every file except those that go last; large ones in parts over several connections. Objects with the
/// same size and SHA-256 are not sent again, nor are finished parts of an interrupted upload.
/// Phase `last`: checks that all objects exist, then uploads `index.json`, so that readers find a complete data set or
/// none.
public struct S3Upload: Stage {
  public struct Options: StageOptions {
    @Option("Where the files go: s3://bucket/prefix.", required: true) public var to = ""
    @OptionGroup public var upload: UploadOptions
    @Option(
      "Larger files are uploaded in parts of this size; in larger parts if S3's limit of 10,000 requires it.",
      in: ByteCount(S3Client.smallestPartBytes)...ByteCount.gibibytes(5), affectsOutput: false)
    public var partBytes = ByteCount.mebibytes(32)
    @Option("Number of parts or files that a task sends at the same time.", in: 1...64, affectsOutput: false)
    public var partsAtOnce = 4
    @Option(
      "Has the service check and store the SHA-256 of each part. Turn it off for services without support for it.",
      affectsOutput: false)
    public var checksums = true
    @OptionGroup public var s3: S3Options
    @OptionGroup public var network = NetworkOptions(delaySeconds: 0.0, attempts: 8)

    public init() {}
  }

  public static let name = "s3.upload"
  public static let formerNames = ["upload.s3"]
  public static let revision = 1
  public static let summary = "Uploads artifacts to S3, resumable by part, index.json last."
  static let artifacts = Input<AnyArtifact>("artifacts", "The artifacts to upload.", many: true)
  static let records = Output<Intermediate>("records", "The results of the first phase's files.", hidden: true)
  static let report = Output<Report>("report", "uploaded.jsonl: each object, and whether it was sent or skipped.")
  public static let inputs = [artifacts.port]
  public static let outputs = [records.port, report.port]
  public typealias Phase = UploadPhase
  public static let waitingPhases = Set(Phase.allCases)

  private let options: Options
  /// Shared by all tasks.
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.network.politeness(requestsAtOnce: 256)
  }

  public func validate() throws {
    if !options.to.isEmpty { _ = try S3Location.stated(options.to, option: "to") }
    if !options.s3.endpoint.isEmpty { _ = try options.s3.service() }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    try UploadPlan(context.artifacts(Self.artifacts), options.upload)
      .tasks(of: phase, records: context.files(Self.records), place: options.s3.service())
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    try networked(workspace) {
      let root = try S3Location.stated(options.to, option: "to")
      let lanes = S3ClientPool(options.network, try options.s3.access(), politeness, workspace.control)
      defer { lanes.settle(workspace) }
      let task = try UploadTask(workspace)
      let state = try workspace.stateDirectory()
      let files = task.items.map { S3FileUpload($0, to: root, lanes, options, state: state) }
      switch phase {
      case .files:
        let records = try send(files, lanes)
        try UploadRecord.write(records, to: Self.records, name: workspace.task.key + ".jsonl", workspace)
      case .last:
        if !options.upload.dryRun { try S3Presence(root, lanes).check(task.records, atOnce: options.partsAtOnce) }
        let client = try lanes.client()
        let records = try task.records + files.map { try $0.run(client) }
        try UploadRecord.report(records, to: Self.report, workspace)
      }
    }
  }

  /// Uploads small files in parallel, and large ones one after another with their parts in parallel.
  private func send(_ files: [S3FileUpload], _ lanes: S3ClientPool) throws -> [UploadRecord] {
    let small = files.filter { !$0.isInParts }
    let done = Mutex<[UploadRecord]>([])
    try lanes.each(small.count, atOnce: options.partsAtOnce) { item, client in
      let record = try small[item].run(client)
      done.withLock { $0.append(record) }
    }
    var records = done.withLock { $0 }
    let client = try lanes.client()
    for file in files where file.isInParts { records.append(try file.run(client)) }
    return records
  }
}
