import Glibc
import PipelineKit
import ShardKit

/// A folder that files are copied to and read from.
struct FolderDestination {
  private let root: String
  let control: TaskControl

  init(_ root: String, _ control: TaskControl) {
    var root = root
    while root.hasSuffix("/") { root.removeLast() }
    self.root = root
    self.control = control
  }

  /// Whether a path names a folder below `/`, without `.` or `..` components.
  static func isNarrow(_ path: String) -> Bool {
    let parts = ArchivePath.parts(path).filter { !$0.isEmpty }
    return !parts.isEmpty && !parts.contains("..") && !parts.contains(".")
  }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  /// Copies a file atomically: it appears complete, checked and durable, or not at all.
  func write(_ file: ArtifactFile, to path: String) throws {
    let folder = ArchivePath.folder(of: path)
    try FileSystem.makeDirectory(folder)
    let source = try FileSource(file.path)
    let sink = try FileSink(path)
    var digester = Digester()
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    while true {
      try control.check()
      let count = try source.read(into: block)
      if count == 0 { break }
      let part = UnsafeRawBufferPointer(rebasing: block[..<count])
      digester.update(part)
      try sink.write(part)
      control.advance(bytes: count)
    }
    guard digester.finish() == file.digest else {
      throw StageError(.input, file.path, "its content changed after it was made", hint: "Run 'pipeline verify'.")
    }
    try sink.commit()
    try FileSystem.syncDirectory(folder)
  }

  /// Checks that copied files are present, before an index refers to them.
  func check(_ records: [UploadRecord]) throws {
    for record in records where FileSystem.status(record.place)?.bytes != record.bytes {
      throw StageError(
        .check, record.place, "was copied, but is missing now",
        hint: "Make sure that nothing else writes there, then set another \"snapshot\".")
    }
  }

  /// Removes every file but those named, and folders left empty. Links are removed, not followed.
  /// - Returns: the number of files.
  func removeAll(but names: Set<ExactText>, dryRun: Bool) throws -> Int {
    try FileSystem.isDirectory(root) ? remove("", names, dryRun) : 0
  }

  private func remove(_ folder: String, _ names: Set<ExactText>, _ dryRun: Bool) throws -> Int {
    var removed = 0
    for entry in try FileSystem.list(path(folder), hidden: false) {
      let name = folder + entry
      var status = stat()
      guard lstat(path(name), &status) == 0 else { continue }
      if status.st_mode & S_IFMT == S_IFDIR {
        removed += try remove(name + "/", names, dryRun)
        // Kept if not empty.
        if !dryRun { rmdir(path(name)) }
      } else if !names.contains(ExactText(name)) {
        if !dryRun { try FileSystem.remove(path(name)) }
        removed += 1
      }
    }
    return removed
  }
}
