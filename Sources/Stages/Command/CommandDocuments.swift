public import PipelineKit
public import ShardKit

/// Documents through a program of the user's, in any language: it reads batches of documents and answers each document
/// with a verdict.
///
/// `Documentation/guides/own-programs.md` has the protocol. One process per job slot works for all tasks of the stage, so
/// that what it loads is loaded once; it must not carry anything from one document to another.
public struct CommandDocuments: SinglePhaseStage {
  public struct Options: StageOptions {
    @OptionGroup var program: ProgramOptions
    @Option(
      "How documents and verdicts travel: as JSON lines, or as Arrow record batches, which need not be parsed; the Python "
        + "package takes either. Arrow needs the Parquet library, which `Scripts/parquet` builds.", affectsOutput: false
    )
    var frames = FrameFormat.json
    @Option("Documents that are sent together.", in: 1...65536, affectsOutput: false) var batch = 256
    @Option(
      "A batch with so many bytes gets no more documents.", in: ByteCount(1)...ByteCount.gibibytes(1),
      affectsOutput: false)
    var batchBytes = ByteCount(512 << 10)
    @Option(
      "Time for the program to become ready, after it has loaded its models.", in: 0.01...604_800,
      affectsOutput: false)
    var startTimeoutSeconds = 600.0
    @Option(
      "Time for a batch. A program that does not answer is stopped, as if it had died.", in: 0.01...604_800,
      affectsOutput: false, losing: ["command-timed-out"])
    var batchTimeoutSeconds = 300.0
    @Option(
      "How many documents of an input file may be dropped because the program dies at them ('command-died'), does not "
        + "answer ('command-timed-out') or reports an error ('command-failed'); one more fails the stage. When it dies, "
        + "the batch is halved until one document is left.", in: 0...1_000_000_000)
    var maximumDied = 10
    @Option(
      "Larger answers to a batch are refused.", in: ByteCount(1 << 10)...ByteCount.gibibytes(16), affectsOutput: false)
    var maximumAnswer = ByteCount(64 << 20)

    public init() {}
  }

  public static let name = "command.documents"
  public static let revision = 1
  public static let summary =
    "Runs documents through a program of your own, in any language, which keeps, changes, splits or drops each."
  static let documents = Input<Documents>("documents", "The documents that the program reads.")
  static let answered = Output<Documents>("documents", "The documents as the program leaves them.")
  public static let inputs = [documents.port]
  public static let outputs = [answered.port]

  private let options: Options
  private let pool = CommandPool()

  public init(options: Options) { self.options = options }

  public var settled: [String: JSONValue] { options.program.settled }
  public var concealed: Set<String> { ["variables"] }
  public var namedFiles: [String: InputFiles] { options.program.namedFiles }

  public func validate() throws { try options.program.validate() }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    if options.frames == .arrow { try ArrowFrame.requireLibrary() }
    let (inputs, places) = try options.program.inputs(context)
    return try TaskPlan.perFile(context.files(Self.documents), memoryBytes: options.program.admittedBytes).map {
      try $0.with(inputs: inputs, payload: places).using(cores: options.program.cores, gpus: options.program.gpus)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let (options, format) = (self.options.program, self.options.frames)
    let files = workspace.files(ProgramFolder.role), places: [String] = try workspace.payload()
    try CommandSession(self.options, workspace, pool: pool) { devices in
      try CommandProcess(options, folder: ProgramFolder(files, places: places), devices: devices, format: format)
    }.run()
  }
}
