import NetKit
import PipelineKit
import ShardKit

/// Which file of which artifact goes where in the repository.
struct UploadFiles {
  /// In the order of the repository's paths.
  let files: [ArtifactFile]
  let paths: [String]

  /// A task's payload: the paths are part of what it does.
  struct Places: Codable {
    /// One for each of the task's files.
    var paths: [String]
  }

  /// The Hub takes about so many in one commit.
  static let maximumFiles = 25_000

  init(
    _ artifacts: [WiredArtifact], _ options: HuggingFaceUpload.Options
  ) throws {
    var places: [String: (file: ArtifactFile, stage: String)] = [:]
    for (artifact, folder) in zip(artifacts, options.layout.folders(for: artifacts)) {
      for file in artifact.files {
        let path = [options.folder, folder, file.name].filter { !$0.isEmpty }.joined(separator: "/")
        guard HubRepository.isPath(path) else {
          throw StageError(.input, artifact.stage, "'\(path)' is no path that a repository can hold")
        }
        if let other = places.updateValue((file, artifact.stage), forKey: path), other.file.digest != file.digest {
          throw StageError(
            .options, "layout", "two files would be \(path): one of '\(other.stage)' and one of '\(artifact.stage)'",
            hint: folder.isEmpty
              ? "Set \"layout\" to folders." : "Upload them with two stages and another \"folder\".")
        }
      }
    }
    guard !places.isEmpty else { throw StageError(.input, "artifacts", "they hold no files") }
    guard places.count <= Self.maximumFiles else {
      throw StageError(
        .input, "artifacts", "they hold \(places.count) files, and the Hub takes at most \(Self.maximumFiles) at once",
        hint: "Write larger shards.")
    }
    let sorted = places.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    paths = sorted.map { $0.key }
    files = sorted.map { $0.value.file }
  }

  /// A task of all files.
  func task(_ key: String) throws -> TaskPlan {
    try TaskPlan(key: key, inputs: [.main: files], payload: Places(paths: paths), memoryBytes: 64 << 20)
  }

  /// The files of a task that was planned so.
  static func candidates(_ workspace: Workspace) throws -> [HubCandidate] {
    let places: Places = try workspace.payload()
    return zip(places.paths, workspace.files(.main)).map { path, file in
      HubCandidate(path: path, file: file.path, bytes: file.bytes, sha256: file.digest)
    }
  }
}

/// How the files compare with the repository at one commit.
struct UploadSurvey {
  enum Change: String { case added, changed, unchanged, ignored }

  struct Entry {
    var candidate: HubCandidate
    var change: Change
    /// How it goes into the commit; nil for what does not.
    var mode: HubMode?
    /// Git's name of what the repository has at this path.
    var remote: String?
  }

  /// nil for a repository or a branch that is not there yet.
  var commit: String?
  var entries: [Entry] = []

  private static let maximumFiles = 1_000_000

  /// - Parameter asksModes: a dry run sends nothing, so it goes by what the Hub does with files of a name and a size.
  init(
    _ candidates: [HubCandidate], _ client: HubClient, _ options: HuggingFaceUpload.Options, asksModes: Bool
  ) throws {
    commit = try client.commit(of: options.revision)
    let files = try commit.map { try client.files(of: $0, maximumFiles: Self.maximumFiles) } ?? []
    let remote = Dictionary(files.map { (ExactText($0.path), $0) }, uniquingKeysWith: { $1 })
    var candidates = candidates
    if let card = remote["README.md"], candidates.contains(where: \.isCard),
      try !UploadCard.mayReplace(card, at: commit!, client)
    {
      candidates.removeAll { $0.isCard }
    }
    for candidate in candidates {
      let there = remote[ExactText(candidate.path)]
      let change: Change = try there.map { try Self.isSame(candidate, $0) ? .unchanged : .changed } ?? .added
      entries.append(Entry(candidate: candidate, change: change, mode: nil, remote: there?.blob))
    }
    let differing = entries.indices.filter { entries[$0].change != .unchanged }
    let modes =
      asksModes
      ? try client.modes(of: differing.map { entries[$0].candidate }, revision: options.revision)
      : differing.map { Self.usualMode(entries[$0].candidate) }
    for (index, mode) in zip(differing, modes) {
      entries[index].mode = mode
      if mode == .ignored { entries[index].change = .ignored }
    }
  }

  private static func isSame(_ candidate: HubCandidate, _ file: HubFile) throws -> Bool {
    guard file.bytes == candidate.bytes else { return false }
    if let sha256 = file.sha256 { return sha256 == candidate.sha256.hex }
    return try GitBlob.name(file: candidate.file, bytes: candidate.bytes) == file.blob
  }

  /// What a new repository's .gitattributes and the Hub's limit for files within git make of it.
  static func usualMode(_ candidate: HubCandidate) -> HubMode {
    if candidate.bytes == 0 { return .regular }
    return candidate.bytes > 10 << 20 || largeSuffixes.contains { candidate.path.hasSuffix($0) } ? .lfs : .regular
  }

  private static let largeSuffixes = [
    ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".ftz", ".gz", ".h5", ".joblib", ".mds", ".mlmodel", ".model",
    ".msgpack", ".npy", ".npz", ".onnx", ".ot", ".parquet", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".rar",
    ".safetensors", ".tar", ".tflite", ".tgz", ".wasm", ".xz", ".zip", ".zst",
  ]

  /// What goes into the commit.
  var differing: [Entry] { entries.filter { $0.change == .added || $0.change == .changed } }
  var large: [HubCandidate] { differing.filter { $0.mode == .lfs }.map(\.candidate) }

  var lines: [UInt8] {
    entries.flatMap { entry -> [UInt8] in
      var members = [
        JSONMember("path", .string(entry.candidate.path)), JSONMember("bytes", .integer(Int(entry.candidate.bytes))),
        JSONMember("sha256", .string(entry.candidate.sha256.hex)), JSONMember("change", .string(entry.change.rawValue)),
      ]
      if let mode = entry.mode, mode != .ignored { members.append(JSONMember("mode", .string(mode.rawValue))) }
      return Array(JSONValue.object(members).text().utf8) + [10]
    }
  }
}
