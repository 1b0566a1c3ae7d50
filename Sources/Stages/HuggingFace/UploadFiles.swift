import NetKit
import PipelineKit
import ShardKit

/// Maps the files of the artifacts to paths in the repository.
struct UploadFiles {
  /// Sorted by their paths in the repository.
  let files: [ArtifactFile]
  let paths: [String]

  /// A task's payload: the paths are part of its fingerprint.
  struct Places: Codable {
    /// One path per file of the task.
    var paths: [String]
  }

  /// About the maximum that the Hub accepts in one commit.
  static let maximumFiles = 25_000

  init(
    _ artifacts: [WiredArtifact], _ options: HuggingFaceUpload.Options
  ) throws {
    var places: [String: (file: ArtifactFile, stage: String)] = [:]
    for (artifact, folder) in zip(artifacts, options.layout.folders(for: artifacts)) {
      for file in artifact.files {
        let path = [options.folder, folder, file.name].filter { !$0.isEmpty }.joined(separator: "/")
        guard HubRepository.isPath(path) else {
          throw StageError(.input, artifact.stage, "'\(path)' is not a valid path in a repository")
        }
        if let other = places.updateValue((file, artifact.stage), forKey: path), other.file.digest != file.digest {
          throw StageError(
            .options, "layout",
            "two files would be written to \(path): one of '\(other.stage)' and one of '\(artifact.stage)'",
            hint: folder.isEmpty
              ? "Set \"layout\" to folders." : "Upload them with two stages and different values of \"folder\".")
        }
      }
    }
    guard !places.isEmpty else { throw StageError(.input, "artifacts", "contain no files") }
    guard places.count <= Self.maximumFiles else {
      throw StageError(
        .input, "artifacts", "contain \(places.count) files; the Hub accepts at most \(Self.maximumFiles) per commit",
        hint: "Write larger shards.")
    }
    let sorted = places.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    paths = sorted.map { $0.key }
    files = sorted.map { $0.value.file }
  }

  /// One task with all files.
  func task(_ key: String) throws -> TaskPlan {
    try TaskPlan(key: key, inputs: [.main: files], payload: Places(paths: paths), memoryBytes: 64 << 20)
  }

  /// The files of such a task.
  static func candidates(_ workspace: Workspace) throws -> [HubCandidate] {
    let places: Places = try workspace.payload()
    return zip(places.paths, workspace.files(.main)).map { path, file in
      HubCandidate(path: path, file: file.path, bytes: file.bytes, sha256: file.digest)
    }
  }
}

/// Compares the files with the repository at one commit.
struct UploadSurvey {
  enum Change: String { case added, changed, unchanged, ignored }

  struct Entry {
    var candidate: HubCandidate
    var change: Change
    /// How the file is added to the commit; nil if it is not added.
    var mode: HubMode?
    /// Git's hash of the repository's file at this path.
    var remote: String?
  }

  /// nil if the repository or the branch does not exist yet.
  var commit: String?
  var entries: [Entry] = []

  private static let maximumFiles = 1_000_000

  /// - Parameter asksModes: false in a dry run, which sends nothing and guesses each mode from the name and the size.
  init(
    _ candidates: [HubCandidate], _ client: HubClient, _ options: HuggingFaceUpload.Options, asksModes: Bool
  ) throws {
    commit = try client.commit(of: options.revision)
    let files = try commit.map { try client.files(of: $0, maximumFiles: Self.maximumFiles) } ?? []
    let remote = Dictionary(files.map { (ExactText($0.path), $0) }, uniquingKeysWith: { $1 })
    var candidates = candidates
    if let commit, let card = remote["README.md"], candidates.contains(where: \.isCard),
      try !UploadCard.mayReplace(card, at: commit, client)
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

  /// The mode by a new repository's .gitattributes and the Hub's size limit for files within git.
  static func usualMode(_ candidate: HubCandidate) -> HubMode {
    if candidate.bytes == 0 { return .regular }
    return candidate.bytes > 10 << 20 || largeSuffixes.contains { candidate.path.hasSuffix($0) } ? .lfs : .regular
  }

  private static let largeSuffixes = [
    ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".ftz", ".gz", ".h5", ".joblib", ".mds", ".mlmodel", ".model",
    ".msgpack", ".npy", ".npz", ".onnx", ".ot", ".parquet", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".rar",
    ".safetensors", ".tar", ".tflite", ".tgz", ".wasm", ".xz", ".zip", ".zst",
  ]

  /// The files that the commit contains.
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
