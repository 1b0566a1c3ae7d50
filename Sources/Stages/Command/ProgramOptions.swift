import Glibc
public import PipelineKit
import ShardKit

/// The options of every stage that runs a program of the user's: what it is, what it depends on, what it needs.
public struct ProgramOptions: StageOptions {
  @Option(
    "The program and its arguments, one word per item: [\"python3\", \"filter.py\"]. A name without slash is looked up in "
      + "PATH; a path is one of 'files', or absolute. No shell is involved.", required: true)
  var command: [String] = []
  @Option(
    "The program's own files: scripts, modules, word lists, a compiled program; folders and * are allowed. The program "
      + "runs in a folder that has copies of these, at the same relative paths, and nothing else. Their contents are part "
      + "of the fingerprint.", holdsRecords: false)
  var files = InputFiles()
  @Option(
    "The file that pins the versions of what the program uses, such as uv.lock or requirements.txt. Its contents are part "
      + "of the fingerprint; it installs nothing.", holdsRecords: false)
  var lockFile = InputFiles()
  @Option(
    "Environment variables that the program gets, besides PATH, HOME, LANG and the like. Their values are part of the "
      + "fingerprint, as digests. All others are withheld, so that none decides the result unnoticed.")
  var variables: [String] = []
  @Option(
    "Increase it when the program gives other results for a reason that no other option shows.", in: 0...1_000_000)
  var revision = 1
  @Option(
    "Main memory that one process may use, with all that it starts: it is stopped above that, and no more tasks run at "
      + "once than fit --memory. 0: no limit, and 1 GiB is assumed.",
    in: ByteCount(0)...ByteCount.gibibytes(65536), affectsOutput: false)
  var memory = ByteCount.gibibytes(2)
  @Option("Threads that one process computes on: OMP_NUM_THREADS and its like.", in: 1...1024, affectsOutput: false)
  var cores = 1
  @Option("GPUs that one process has for itself, as CUDA_VISIBLE_DEVICES.", in: 0...64, affectsOutput: false)
  var gpus = 0

  public init() {}
}

extension ProgramOptions {
  func validate() throws(StageError) {
    guard let program = command.first, !program.isEmpty else {
      throw StageError(.options, "command", "it names no program", hint: "Give a program and its arguments.")
    }
    for name in variables where name.wholeMatch(of: #/[A-Za-z_][A-Za-z0-9_]*/#) == nil {
      throw StageError(.options, "variables", "'\(name)' is not the name of a variable")
    }
    guard lockFile.paths.count <= 1 else { throw StageError(.options, "lockFile", "it names several files; name one") }
  }

  /// Values of variables are recorded as digests: some are secrets.
  var settled: [String: JSONValue] {
    guard !variables.isEmpty else { return [:] }
    let members = variables.sorted().map { name in
      JSONMember(name, getenv(name).map { .string(Self.digest(String(cString: $0))) } ?? .null)
    }
    return ["variables": .object(members)]
  }

  private static func digest(_ value: String) -> String {
    var digester = Digester()
    digester.update(field: "variable")
    digester.update(field: value)
    return "digest " + digester.finish().hex.prefix(16)
  }

  /// For the run's budget.
  var admittedBytes: Int { (memory.bytes == 0 ? 1 << 30 : memory.bytes) + 64 << 20 }

  /// What decides a task besides its own files: the program's.
  func inputs(_ context: PlanningContext) throws -> (inputs: TaskInputs, places: [String]) {
    let placed = try ProgramFolder.places(of: files, in: context)
    let lock = try context.files(lockFile)
    return ([ProgramFolder.role: placed.map(\.file), "lock": lock], placed.map(\.place))
  }
}
