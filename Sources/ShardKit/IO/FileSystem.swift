import Glibc

/// The project's file system calls, with error messages that say what to do.
public enum FileSystem {
  public struct Status: Codable, Equatable, Sendable {
    public var bytes: Int64
    public var isDirectory: Bool
    public var inode: UInt64
    /// Nanoseconds since 1970.
    public var modified: Int64
    /// When content or attributes last changed, in nanoseconds since 1970: no program can set it back.
    public var changed: Int64
    /// Number of hard links to the file.
    public var links: Int
  }

  /// nil if the path does not exist.
  public static func status(_ path: String) -> Status? {
    var s = stat()
    guard stat(path, &s) == 0 else { return nil }
    return Status(
      bytes: Int64(s.st_size), isDirectory: s.st_mode & S_IFMT == S_IFDIR, inode: UInt64(s.st_ino),
      modified: nanoseconds(s.st_mtim), changed: nanoseconds(s.st_ctim), links: Int(s.st_nlink))
  }

  /// A damaged file system may report any time.
  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  public static func isDirectory(_ path: String) -> Bool { status(path)?.isDirectory ?? false }

  /// How to treat names that are not UTF-8.
  public enum OtherNames: Sendable {
    case refused, passedOver
    /// With replacement characters for invalid bytes: for display.
    case repaired
  }

  /// Names in a directory, sorted by bytes, without `.` and `..`.
  /// - Parameter hidden: false skips names that start with a dot.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`; `.unsupported` for a refused name that is not UTF-8.
  public static func list(
    _ path: String, hidden: Bool = true, others: OtherNames = .refused
  ) throws(ShardError) -> [String] {
    try entries(path, hidden: hidden, others: others).map(\.name)
  }

  /// The same, and of each whether the directory says that it is a regular file; what it does not say is to be asked.
  private static func entries(
    _ path: String, hidden: Bool, others: OtherNames
  ) throws(ShardError) -> [(name: String, isFile: Bool)] {
    guard let directory = opendir(path) else { throw error(path, "cannot be listed") }
    defer { closedir(directory) }
    var entries: [(name: String, isFile: Bool)] = []
    for (name, isFile) in self.entries(in: directory).sorted(by: { $0.name.lexicographicallyPrecedes($1.name) })
    where hidden || name.first != UInt8(ascii: ".") {
      let text = String(decoding: name, as: UTF8.self)
      if others != .repaired, !text.utf8.elementsEqual(name) {
        if others == .refused { throw noUTF8(path, text) }
        continue
      }
      entries.append((text, isFile))
    }
    return entries
  }

  /// The names as bytes, which need not be UTF-8.
  private static func entries(in directory: OpaquePointer) -> [(name: [UInt8], isFile: Bool)] {
    var entries: [(name: [UInt8], isFile: Bool)] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { room in
        Array(room.prefix(strnlen(room.baseAddress!.assumingMemoryBound(to: CChar.self), room.count)))
      }
      if name != [UInt8(ascii: ".")], name != [UInt8(ascii: "."), UInt8(ascii: ".")] {
        entries.append((name, entry.pointee.d_type == UInt8(DT_REG)))
      }
    }
    return entries
  }

  /// The error for a file name that is not valid text.
  /// - Parameter name: with replacement characters for invalid bytes.
  public static func noUTF8(_ folder: String, _ name: String) -> ShardError {
    ShardError(
      .unsupported, folder, "the name of its file '\(name)' is not UTF-8",
      hint: "Rename the file.")
  }

  private static let mostFolders = 1_000_000
  private static let mostNested = 256

  /// Files below a directory, as paths relative to it, sorted by bytes.
  ///
  /// Links to folders are followed, but not into a folder that contains the link.
  /// - Parameter hidden: false skips names that start with a dot.
  /// - Throws: `ShardError` (`.tooLarge`) beyond a million folders or 256 levels; what `list(_:hidden:others:)` throws.
  public static func walk(
    _ root: String, hidden: Bool = false, others: OtherNames = .refused
  ) throws(ShardError) -> [String] {
    var out: [String] = []
    var pending = [(folder: "", inside: [realPath(root)])]
    var folders = 0
    while let (folder, inside) = pending.popLast() {
      folders += 1
      guard folders <= mostFolders, inside.count <= mostNested else {
        throw ShardError(
          .tooLarge, root, "it contains more than \(mostFolders) folders, or they are nested deeper than \(mostNested)",
          hint: "Check its folders for links that point to one another.")
      }
      for (name, isFile) in try entries(folder.isEmpty ? root : root + "/" + folder, hidden: hidden, others: others) {
        let relative = folder.isEmpty ? name : folder + "/" + name
        guard !isFile, isDirectory(root + "/" + relative) else {
          out.append(relative)
          continue
        }
        let real = realPath(root + "/" + relative)
        if !inside.contains(real) { pending.append((relative, inside + [real])) }
      }
    }
    out.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return out
  }

  /// The path with links resolved; the path itself if it does not exist.
  public static func realPath(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  /// Makes a directory and its parents.
  /// - Throws: `ShardError`: `.permission`, `.diskFull`, `.io`, or `.notFound` if it is a dangling link.
  public static func makeDirectory(_ path: String) throws(ShardError) {
    if mkdir(path, 0o777) == 0 { return }
    if errno == ENOENT, let parent = ArchivePath.parent(of: path), parent != "/" {
      try makeDirectory(parent)
      if mkdir(path, 0o777) == 0 { return }
    }
    let number = errno
    if number == EEXIST, isDirectory(path) { return }
    var s = stat()
    if number == EEXIST || number == ENOENT, lstat(path, &s) == 0, s.st_mode & S_IFMT == S_IFLNK, !exists(path) {
      throw ShardError(
        .notFound, path, "it is a dangling symbolic link",
        hint: "Create the folder that it points to, or remove the link.")
    }
    throw error(path, "cannot be created as a folder", number: number)
  }

  /// Renames a file or folder; replaces an existing file.
  /// - Throws: `ShardError` if it cannot be renamed, such as `.notFound`, `.permission` or `.io`.
  public static func rename(_ from: String, to: String) throws(ShardError) {
    guard Glibc.rename(from, to) == 0 else { throw error(to, "cannot be renamed into place") }
    FaultPoint.reach("file.renamed")
  }

  /// Creates a hard link; falls back to a copy across file systems. Replaces an existing file.
  /// - Throws: `ShardError` if it cannot be linked or copied, such as `.notFound`, `.permission`, `.diskFull` or `.io`.
  public static func link(_ from: String, to: String) throws(ShardError) {
    unlink(to)
    if Glibc.link(from, to) == 0 { return }
    guard errno == EXDEV || errno == EPERM || errno == EMLINK else { throw error(to, "cannot be linked to \(from)") }
    let sink = try FileSink(to)
    try sink.copy(from: FileSource(from))
    try sink.commit()
  }

  /// Removes a file, if it exists.
  /// - Throws: `ShardError` if it cannot be removed: `.permission` or `.io`.
  public static func remove(_ path: String) throws(ShardError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw error(path, "cannot be removed") }
  }

  /// Removes a file, or a folder with everything in it, whatever the names.
  /// - Throws: `ShardError` if something in it cannot be listed or removed: `.permission` or `.io`.
  public static func removeTree(_ path: String) throws(ShardError) { try removeTree(Array(path.utf8)) }

  private static func removeTree(_ path: [UInt8]) throws(ShardError) {
    var s = stat()
    let shown = String(decoding: path, as: UTF8.self)
    let name = path.map { CChar(truncatingIfNeeded: $0) } + [0]
    guard lstat(name, &s) == 0 else { return }
    guard s.st_mode & S_IFMT == S_IFDIR else {
      guard unlink(name) == 0 || errno == ENOENT else { throw error(shown, "cannot be removed") }
      return
    }
    guard let directory = opendir(name) else { throw error(shown, "cannot be listed") }
    let entries = entries(in: directory)
    closedir(directory)
    for entry in entries { try removeTree(path + [UInt8(ascii: "/")] + entry.name) }
    guard rmdir(name) == 0 || errno == ENOENT else { throw error(shown, "cannot be removed") }
  }

  /// Makes renames in a directory durable.
  /// - Throws: `ShardError` if it cannot be opened or synced: `.notFound`, `.permission` or `.io`.
  public static func syncDirectory(_ path: String) throws(ShardError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY)
    guard descriptor >= 0 else { throw error(path, "cannot be opened") }
    defer { close(descriptor) }
    // Some network file systems reject fsync on directories; the durability of their renames is up to them.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw error(path, "cannot be synced") }
  }

  /// All bytes of a file.
  /// - Throws: `ShardError` (`.tooLarge`) if there are more than `limit`; what `FileSource` throws.
  public static func read(_ path: String, limit: Int = 1 << 30) throws(ShardError) -> [UInt8] {
    let source = try FileSource(path)
    let size = Int(status(path)?.bytes ?? 0)
    guard size <= limit else { throw ShardError(.tooLarge, path, "has \(size) bytes; the limit is \(limit)") }
    return try source.readAll(limit: limit, reserving: size)
  }

  /// Writes a file, which appears complete or not at all.
  /// - Throws: `ShardError` if it cannot be written, such as `.notFound` (no folder), `.permission` or `.diskFull`.
  public static func write(_ bytes: [UInt8], to path: String) throws(ShardError) {
    let sink = try FileSink(path)
    try sink.write(bytes)
    try sink.commit()
  }

  /// An error with the text of `errno`.
  public static func error(_ path: String, _ what: String) -> ShardError { error(path, what, number: errno) }

  /// An error with the text of an error number of the system.
  public static func error(_ path: String, _ what: String, number: Int32) -> ShardError {
    let reason = String(cString: strerror(number))
    switch number {
    case ENOENT:
      return ShardError(.notFound, path, "\(what): there is no such file or folder", hint: "Check the path.")
    case EACCES, EPERM, EROFS:
      return ShardError(.permission, path, "\(what): \(reason)", hint: "Check the owner and permissions.")
    case EFBIG:
      return ShardError(
        .diskFull, path, "\(what): it would exceed the maximum file size of this process or its disk",
        hint: "Increase the limit (`ulimit -f unlimited`) and run again; finished work is kept.")
    case ENOMEM:
      return ShardError(
        .io, path, "\(what): out of memory",
        hint: "Reduce --memory and --jobs, or increase the limit of this shell (`ulimit -v`).")
    case ENOSPC, EDQUOT:
      return ShardError(
        .diskFull, path, "\(what): its disk is full",
        hint: "Free some space (`pipeline prune`) and run again; finished work is kept.")
    default: return ShardError(.io, path, "\(what): \(reason)")
    }
  }
}
