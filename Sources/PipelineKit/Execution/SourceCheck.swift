import ShardKit
import Synchronization

/// Checks that the external files that a task reads still match its fingerprint.
enum SourceCheck {
  /// What belongs to one task: the files that it reads, and the folders in which it alone writes.
  private struct Claim {
    var paths: Set<ExactText>
    var folders: [ExactText]

    func contains(_ path: ExactText) -> Bool {
      paths.contains(path) || folders.contains { path.text.utf8.starts(with: $0.text.utf8) }
    }
  }

  private struct Claims {
    /// By task number.
    var running: [Int: Claim] = [:]
    /// Paths that lost pages during tasks that have ended.
    var settled: Set<ExactText> = []
    var tasks = 0

    mutating func begin(_ files: [ArtifactFile], _ folders: [String]) -> Int {
      tasks += 1
      running[tasks] = Claim(
        paths: Set(files.map { ExactText($0.path) }), folders: folders.map { ExactText($0 + "/") })
      return tasks
    }

    mutating func end(_ task: Int) {
      let own = running.removeValue(forKey: task)!
      settled.formUnion(MappedFile.losses.keys.filter(own.contains))
    }

    func isAnothers(_ path: ExactText, than task: Int) -> Bool {
      !running[task]!.contains(path) && (settled.contains(path) || running.values.contains { $0.contains(path) })
    }
  }

  private static let claims = Mutex(Claims())
  private static let digests = RepeatedDigests()

  /// Runs work on files and throws if one of them changed since it was digested. The change takes precedence over any
  /// other result, since a truncated file may look like a damaged one.
  /// - Parameter folders: those in which only this task writes: what is cut there fails no other task.
  static func guarding<Result>(
    _ files: [ArtifactFile], folders: [String] = [], _ work: () throws -> Result
  ) throws -> Result {
    try check(files, reading: false)
    let task = claims.withLock { $0.begin(files, folders) }
    defer { claims.withLock { $0.end(task) } }
    let before = MappedFile.losses
    let result: Result
    do { result = try work() } catch {
      try check(files, reading: true)
      throw error
    }
    try check(files, reading: true)
    if let path = lost(since: before, by: task) {
      throw StageError(
        .environment, path, "the file was truncated while it was read, or its disk cannot be read",
        hint: "Check the disk, run `pipeline verify`, and run again.")
    }
    return result
  }

  /// A file that lost pages meanwhile: one of this task's, or one that belongs to no other task.
  private static func lost(since before: [ExactText: Int], by task: Int) -> String? {
    let lost = MappedFile.losses.filter { $0.value > before[$0.key, default: 0] }.keys.sorted()
    return claims.withLock { claims in lost.first { !claims.isAnothers($0, than: task) } }?.text
  }

  private static func check(_ files: [ArtifactFile], reading: Bool) throws {
    for file in files {
      guard let seen = file.seen, try !isUnchanged(file, seen) else { continue }
      throw changed(file.path, reading ? "while the task read it" : "before the task read it")
    }
  }

  static func changed(_ path: String, _ when: String) -> StageError {
    StageError(
      .input, path, "the file changed \(when)",
      hint: "Run again when nothing writes to it; it is then read again.")
  }

  /// A rename or a permission change also updates the change time; in that case the content decides.
  private static func isUnchanged(_ file: ArtifactFile, _ seen: FileSystem.Status) throws -> Bool {
    guard let now = FileSystem.status(file.path) else { return false }
    if now.bytes != seen.bytes || now.inode != seen.inode || now.modified != seen.modified { return false }
    return try now.changed == seen.changed || digests.digest(file.path, now) == file.digest
  }
}
