import Glibc
public import PipelineKit
public import ShardKit

/// A program of the user's that works on whole artifacts: an evaluation harness, a trainer of language models, a merger.
///
/// It reads folders and writes folders; what it wrote becomes visible only when it ends with code 0 and is of the kind of
/// its port.
public struct CommandFiles: SinglePhaseStage {
  public struct Options: StageOptions {
    @OptionGroup var program: ProgramOptions

    public init() {}
  }

  public static let name = "command.files"
  public static let revision = 1
  public static let summary =
    "Runs a program of your own on whole artifacts: {input.PORT}, {output.PORT} and {state} in its command are folders."
  static let documents = Input<Documents>("documents", "Documents, as compressed JSON lines.", required: false)
  static let files = Input<AnyArtifact>("files", "Artifacts of any kind.", required: false, many: true)
  static let model = Input<AnyArtifact>("model", "A model, or an artifact of any other kind.", required: false)
  static let tokenizer = Input<TokenizerFiles>("tokenizer", "A tokenizer.", required: false)
  public static let inputs = [documents.port, files.port, model.port, tokenizer.port]
  public static let outputs = CommandOutput.all.map(\.port)

  private let options: Options

  public init(options: Options) { self.options = options }

  public var settled: [String: JSONValue] { options.program.settled }
  public var concealed: Set<String> { ["variables"] }
  public var namedFiles: [String: InputFiles] { options.program.namedFiles }

  public func validate() throws {
    try options.program.validate()
    let words = try CommandWords(options.program.command)
    guard !words.outputs.isEmpty else {
      throw StageError(
        .options, "command", "it names no output, so nothing would be published",
        hint: "Let the program write to {output.PORT}, such as {output.files} or {output.report}.")
    }
  }

  /// Where an input's files are, relative to the folder of all inputs.
  struct Place: Codable {
    var role: String
    var folder: String
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let wired = [
      ("documents", context.artifacts(Self.documents)), ("files", context.artifacts(Self.files)),
      ("model", context.artifacts(Self.model)), ("tokenizer", context.artifacts(Self.tokenizer)),
    ]
    var (inputs, programPlaces) = try options.program.inputs(context)
    var places: [Place] = []
    for (port, artifacts) in wired {
      if artifacts.isEmpty, try CommandWords(options.program.command).inputs.contains(port) {
        throw StageError(
          .options, "inputs.\(port)", "the command names {input.\(port)}, but nothing is wired to it",
          hint: "Wire a stage to '\(port)', or remove the word.")
      }
      for artifact in artifacts {
        // One artifact's files are in the port's folder; several have a folder each.
        let folder = artifacts.count == 1 ? port : "\(port)/\(Self.folderName(artifact, among: artifacts))"
        places.append(Place(role: "input.\(folder)", folder: folder))
        inputs += [TaskInputs.Role("input.\(folder)"): artifact.files]
      }
    }
    let task = TaskPlan(key: "command", inputs: inputs, memoryBytes: options.program.admittedBytes)
    return [
      try task.with(payload: Payload(program: programPlaces, inputs: places))
        .using(cores: options.program.cores, gpus: options.program.gpus)
    ]
  }

  struct Payload: Codable {
    /// Of the program's files; see `ProgramFolder`.
    var program: [String]
    var inputs: [Place]
  }

  private static func folderName(_ artifact: WiredArtifact, among all: [WiredArtifact]) -> String {
    all.count { $0.stage == artifact.stage } > 1 ? "\(artifact.stage).\(artifact.port)" : artifact.stage
  }

  public func run(_ workspace: Workspace) throws {
    let payload: Payload = try workspace.payload()
    let words = try CommandWords(options.program.command)
    // The program runs in a folder of its own, where relative paths lead elsewhere.
    let root = FileSystem.realPath(try workspace.temporaryDirectory())
    let inputs = try Self.placeInputs(payload.inputs, below: root + "/inputs", workspace)
    for port in words.outputs { try FileSystem.makeDirectory("\(root)/outputs/\(port)") }
    let state = words.usesState ? FileSystem.realPath(try workspace.stateDirectory()) : ""
    var program = options.program
    program.command = words.filled(inputs: root + "/inputs", outputs: root + "/outputs", state: state)
    let devices = try ProgramDevices().hold(program.gpus, workspace.control)
    let folder = try ProgramFolder(workspace.files(ProgramFolder.role), places: payload.program)
    try CommandRun(program, folder, devices, workspace).run()
    for input in inputs { try input.check() }
    for port in words.outputs {
      guard let output = CommandOutput.all.first(where: { $0.port.name == port }) else { continue }
      try output.publish("\(root)/outputs/\(port)", workspace)
    }
    let documents =
      workspace.files("input.documents")
      + payload.inputs.filter { $0.folder.hasPrefix("documents/") }
      .flatMap { workspace.files(TaskInputs.Role($0.role)) }
    for file in documents {
      workspace.countInput(documents: file.documents, bytes: Int(file.textBytes))
      workspace.consume(documents: file.documents, bytes: Int(file.textBytes))
    }
  }

  /// A file of the store that the program can reach. It is not copied, since it may be large.
  private struct PlacedInput {
    let path: String
    private let status: FileSystem.Status?

    init(_ path: String) {
      self.path = path
      status = FileSystem.status(path)
    }

    /// - Throws: `StageError` (`.check`) if the program has changed it.
    func check() throws(StageError) {
      // Links to it, which others make and remove, are no change.
      let now = FileSystem.status(path)
      guard now?.bytes != status?.bytes || now?.modified != status?.modified || now?.inode != status?.inode else {
        return
      }
      throw StageError(
        .check, path, "the program has changed its input, which is a finished output of another stage",
        hint: "Let it copy what it changes. `pipeline verify` finds the damaged file, and the next run makes it again.")
    }
  }

  private static func placeInputs(
    _ places: [Place], below root: String, _ workspace: Workspace
  ) throws -> [PlacedInput] {
    var placed: [PlacedInput] = []
    for place in places {
      for file in workspace.files(TaskInputs.Role(place.role)) {
        let path = "\(root)/\(place.folder)/\(file.name)"
        try FileSystem.makeDirectory(ArchivePath.folder(of: path))
        // Some programs pass symbolic links over.
        guard link(file.path, path) == 0 || symlink(file.path, path) == 0 else {
          throw FileSystem.error(path, "cannot be linked")
        }
        placed.append(PlacedInput(file.path))
      }
    }
    return placed
  }
}

/// One run of a program to its end.
private struct CommandRun {
  let options: ProgramOptions
  let process: CommandProcess
  let workspace: Workspace
  let prints: ProgramLog

  init(_ options: ProgramOptions, _ folder: ProgramFolder, _ devices: DeviceSlots.Hold?, _ workspace: Workspace) throws
  {
    self.options = options
    self.workspace = workspace
    prints = ProgramLog(workspace, secrets: options.secrets)
    process = try CommandProcess(options, folder: folder, devices: devices)
  }

  /// - Throws: `StageError` if it ends with another code than 0; (`.cancelled`, `.timedOut`), after it has been stopped.
  func run() throws {
    let program = process.program
    program.onPrint = { [prints] in prints.write($0) }
    program.endInput()
    program.mostReceived = 0
    do {
      while program.ending == nil {
        try workspace.control.checkStop()
        program.exchange(waitMilliseconds: 500)
        report()
      }
    } catch {
      program.stop()
      throw error
    }
    program.exchange(waitMilliseconds: 0)
    guard let ending = program.ending, ending != .exited(0) else { return }
    let words = process.lastWords
    throw StageError(
      .check, ArchivePath.lastPart(of: options.command[0]), "it \(ending.words)\(words.isEmpty ? "" : ": \(words)")",
      hint: "`pipeline logs` shows what it printed. Nothing of what it wrote is kept, except in {state}.")
  }

  private func report() {
    let words = process.lastWords
    if !words.isEmpty { workspace.control.report(TaskStatus(fraction: 0, text: String(words.prefix(80)))) }
  }
}
