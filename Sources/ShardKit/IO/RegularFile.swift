import Glibc

/// Opens regular files only, since other kinds may block a reader forever or never end.
enum RegularFile {
  /// Returns a descriptor and the file's size.
  static func open(_ path: String) throws(ShardError) -> (descriptor: Int32, bytes: Int64) {
    guard !path.utf8.contains(0) else {
      throw ShardError(.notFound, path, "the path contains a NUL character", hint: "Check the path.")
    }
    // Checked before it is opened, since opening some devices has side effects. A FIFO that replaces a file in between
    // does not block: opened this way, it does not wait for a writer.
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileSystem.error(path, "cannot be opened") }
    try check(path, status)
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    do throws(ShardError) {
      guard fstat(descriptor, &status) == 0 else { throw FileSystem.error(path, "cannot be read") }
      try check(path, status)
    } catch {
      close(descriptor)
      throw error
    }
    return (descriptor, Int64(status.st_size))
  }

  private static func check(_ path: String, _ status: stat) throws(ShardError) {
    let kind: String
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: kind = "a folder"
    case S_IFIFO: kind = "a FIFO"
    case S_IFSOCK: kind = "a socket"
    case S_IFCHR, S_IFBLK: kind = "a device"
    default: kind = "of another kind"
    }
    throw ShardError(
      .unsupported, path, "it is not a regular file but \(kind)",
      hint: "Copy its contents to a regular file and use that, or move it out of the folder.")
  }
}
