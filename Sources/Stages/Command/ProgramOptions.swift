import Glibc
public import PipelineKit
import ShardKit

/// The options of every stage that runs a program of the user's: what it is, what it depends on, what it needs.
public struct ProgramOptions: StageOptions {
  @Option(
    "The program and its arguments, one word per item: [\"python3\", \"filter.py\"]. A name without slash is looked up in "
      + "PATH; a path is one of 'files', or absolute. Files that a word names by an absolute path are part of the "
      + "fingerprint, unless they belong to the system. No shell is involved.", required: true)
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
    "Environment variables with secrets, such as tokens, that the program gets. Their values are nowhere recorded, and no "
      + "part of the fingerprint: another token changes nothing.", affectsOutput: false)
  var secrets: [String] = []
  @Option(
    "Increase it when the program gives other results for a reason that no other option shows.", in: 0...1_000_000)
  var revision = 1
  @Option(
    "Main memory that one process may use, with all that it starts: it is stopped above that, and no more tasks run at "
      + "once than fit --memory. 0: no limit, and 1 GiB is assumed.",
    in: ByteCount(0)...ByteCount.gibibytes(65536), affectsOutput: false, losing: ["command-died"])
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
    for (option, names) in [("variables", variables), ("secrets", secrets)] {
      for name in names where name.wholeMatch(of: #/[A-Za-z_][A-Za-z0-9_]*/#) == nil {
        throw StageError(.options, option, "'\(name)' is not the name of a variable")
      }
    }
    for name in variables where Self.isSecret(name) || secrets.contains(name) {
      throw StageError(
        .options, "variables", "'\(name)' is a secret, and values of 'variables' are part of the fingerprint",
        hint:
          "Name it in 'secrets': the program gets it, and it is recorded nowhere. If it decides the result, rename it.")
    }
    guard lockFile.paths.count <= 1 else { throw StageError(.options, "lockFile", "it names several files; name one") }
  }

  /// Files that the command names by absolute paths, also as in `--words=/data/words.txt`.
  var namedFiles: [String: InputFiles] {
    var paths: [String] = []
    for path in command.compactMap(Self.path) where Self.isOwnFile(path) && !paths.contains(path) { paths.append(path) }
    return paths.isEmpty ? [:] : ["command": InputFiles(paths)]
  }

  private static func path(in word: String) -> String? {
    if word.hasPrefix("/") { return word }
    guard word.hasPrefix("-"), let place = word.firstIndex(of: "=") else { return nil }
    let value = word[word.index(after: place)...]
    return value.hasPrefix("/") ? String(value) : nil
  }

  /// Folders of the system: what is installed there is not seen elsewhere either.
  private static let systems = [
    "/usr/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/", "/proc/", "/sys/", "/dev/",
  ]

  private static func isOwnFile(_ path: String) -> Bool {
    var status = stat()
    guard !path.contains(where: { "*?".contains($0) }), stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG
    else { return false }
    let real = FileSystem.realPath(path)
    return real.hasPrefix("/usr/local/") || !systems.contains(where: real.hasPrefix)
  }

  /// Whether a variable holds a secret, by its name or by a password in its value's URL.
  private static func isSecret(_ name: String) -> Bool {
    let value = getenv(name).map { String(cString: $0) } ?? ""
    let pattern = #/(.*_)?(TOKEN|(KEY|APIKEY|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL)S?)/#.ignoresCase()
    // A count or a short word, such as that of SORT_KEY, is none.
    if name.wholeMatch(of: pattern) != nil, value.isEmpty || (value.utf8.count >= 8 && Double(value) == nil) {
      return true
    }
    return value.contains(#/://[^/@\s:]*:[^/@\s]+@/#)
  }

  /// Values of variables are recorded as digests, and in manifests with the store's salt: some can be guessed.
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
    var inputs: TaskInputs = [ProgramFolder.role: placed.map(\.file), "lock": lock]
    for named in namedFiles.values {
      // Another machine has a file of its own at the path, and the program may write to it: the contents count.
      inputs += ["named": try context.files(named).map { $0.unwatched }]
    }
    return (inputs, placed.map(\.place))
  }
}

extension ArtifactFile {
  /// The file without the state in which it was seen.
  fileprivate var unwatched: ArtifactFile {
    var file = self
    file.seen = nil
    return file
  }
}
