import Glibc
import PipelineKit
import ShardKit

/// The folder in which a program runs: copies of the files that the stage names, at the paths that it names. What is not
/// named is not there, so a helper file cannot decide the result without being in the fingerprint.
final class ProgramFolder: Sendable {
  static let role: TaskInputs.Role = "program"
  /// Larger files are linked.
  private static let mostCopiedBytes: Int64 = 16 << 20

  let path: String
  /// For temporary files of the program.
  let temporary: String
  /// Where Python finds the module `pipeline_stage`, which fits this version of the protocol.
  let modules: String

  private let root: TemporaryFolder

  /// - Parameter places: of each file, relative to the folder.
  init(_ files: [ArtifactFile], places: [String]) throws {
    root = try TemporaryFolder()
    path = root.path + "/program"
    temporary = root.path + "/tmp"
    modules = root.path + "/modules"
    for folder in [path, temporary, modules] { try FileSystem.makeDirectory(folder) }
    try FileSystem.write(PackageResources.pipeline_stage_py, to: modules + "/pipeline_stage.py")
    for (file, place) in zip(files, places) { try Self.put(file, at: "\(path)/\(place)") }
  }

  private static func put(_ file: ArtifactFile, at place: String) throws {
    try FileSystem.makeDirectory(ArchivePath.folder(of: place))
    guard file.bytes <= mostCopiedBytes else {
      guard symlink(file.path, place) == 0 else { throw FileSystem.error(place, "cannot be linked") }
      return
    }
    try FileSystem.write(FileSystem.read(file.path), to: place)
    if access(file.path, X_OK) == 0 { chmod(place, 0o755) }
  }

  /// The files of an option, and where each of them belongs.
  /// - Throws: `StageError` (`.options`) if two belong to one place; what `context.files` throws.
  static func places(
    of option: InputFiles, in context: PlanningContext
  ) throws -> [(file: ArtifactFile, place: String)] {
    var placed: [(file: ArtifactFile, place: String)] = []
    var taken: Set<ExactText> = []
    for written in option.paths {
      for file in try context.files(InputFiles([written])) {
        let place = place(of: file, written: written)
        guard taken.insert(ExactText(place)).inserted else {
          throw StageError(
            .options, "files", "two files belong to '\(place)' in the program's folder",
            hint: "Name each once; files outside of the pipeline file's folder need different names.")
        }
        placed.append((file, place))
      }
    }
    return placed
  }

  /// A path below the pipeline file's folder stays; a file from elsewhere gets its name alone.
  static func place(of file: ArtifactFile, written: String) -> String {
    let parts = ArchivePath.parts(written).filter { !$0.isEmpty && $0 != "." }
    if written.hasPrefix("/") || parts.contains("..") { return file.name }
    let isPattern = written.contains("*") || written.contains("?")
    let clean = parts.joined(separator: "/")
    if !isPattern, file.path.endsExactly(in: "/" + clean), file.name.isExactly(parts.last ?? "") { return clean }
    let folder = (isPattern ? parts.dropLast() : parts[...]).joined(separator: "/")
    return folder.isEmpty ? file.name : "\(folder)/\(file.name)"
  }
}

/// The variables that a program gets.
enum ProgramEnvironment {
  /// Those that say where things are, not what to do.
  private static let passed: Set<String> = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "CONDA_PREFIX", "XDG_CACHE_HOME", "HF_HOME", "SSL_CERT_FILE",
  ]
  private static let passedBeginnings = ["LC_", "CUDA_", "NVIDIA_"]
  private static let threads = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]

  /// - Parameter devices: the value of CUDA_VISIBLE_DEVICES; nil: no GPU is assigned.
  static func variables(_ options: ProgramOptions, _ folder: ProgramFolder, devices: String?) -> [String: String] {
    var variables: [String: String] = [:]
    let named = Set(options.variables + options.secrets)
    var next = environ
    while let entry = next.pointee {
      let setting = String(cString: entry)
      let name = String(setting.prefix { $0 != "=" })
      if passed.contains(name) || passedBeginnings.contains(where: name.hasPrefix) || named.contains(name) {
        variables[name] = String(setting.dropFirst(name.count + 1))
      }
      next += 1
    }
    // Python: the same order of sets in every process, and what is printed at once.
    variables["PYTHONHASHSEED"] = "0"
    variables["PYTHONUNBUFFERED"] = "1"
    variables["TMPDIR"] = folder.temporary
    variables["PYTHONPATH"] = ([folder.modules] + [variables["PYTHONPATH"]].compactMap { $0 }).joined(separator: ":")
    for name in threads { variables[name] = "\(options.cores)" }
    if let devices { variables["CUDA_VISIBLE_DEVICES"] = devices }
    return variables
  }
}
