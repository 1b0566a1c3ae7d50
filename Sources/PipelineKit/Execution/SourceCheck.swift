import ShardKit

/// Whether the files from outside that a task reads are still those that its fingerprint speaks of.
enum SourceCheck {
  /// Does the work on files and throws if one of them was changed since it was digested. The change is then the error,
  /// whatever the work made of it: half a file may look like a damaged one.
  static func guarding<Result>(_ files: [ArtifactFile], _ work: () throws -> Result) throws -> Result {
    try check(files, reading: false)
    let losses = MappedFile.losses
    let result: Result
    do { result = try work() } catch {
      try check(files, reading: true)
      throw error
    }
    try check(files, reading: true)
    guard MappedFile.losses == losses else {
      throw StageError(
        .environment, "", "a file was cut while it was read, or its disk cannot be read",
        hint: "Look at the disk, run `pipeline verify`, and run again.")
    }
    return result
  }

  private static func check(_ files: [ArtifactFile], reading: Bool) throws {
    for file in files {
      guard let seen = file.seen, try !isUnchanged(file, seen) else { continue }
      throw changed(file.path, reading ? "while the task read it" : "before the task read it")
    }
  }

  static func changed(_ path: String, _ when: String) -> StageError {
    StageError(
      .input, path, "the file was changed \(when)",
      hint: "Run again when nothing writes to it: it is then read anew.")
  }

  /// Another name or other permissions change the time of change too: then the content decides.
  private static func isUnchanged(_ file: ArtifactFile, _ seen: FileSystem.Status) throws -> Bool {
    guard let now = FileSystem.status(file.path) else { return false }
    if now.bytes != seen.bytes || now.inode != seen.inode || now.modified != seen.modified { return false }
    return try now.changed == seen.changed || Digester.digest(file: file.path) == file.digest
  }
}
