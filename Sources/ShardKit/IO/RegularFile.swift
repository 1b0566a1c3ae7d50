import Glibc

/// Opening what is to be read: a regular file, since the others may hang a reader for ever or never end.
enum RegularFile {
  /// Returns a descriptor and the file's size.
  static func open(_ path: String) throws(ShardError) -> (descriptor: Int32, bytes: Int64) {
    guard !path.utf8.contains(0) else {
      throw ShardError(.notFound, path, "the path holds a NUL character", hint: "Check the path.")
    }
    // Looked at before it is opened, since opening some devices does something. A FIFO that takes the place of a file
    // in between does not hang: without its writer it is opened at once.
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
      .unsupported, path, "it is no regular file but \(kind)",
      hint: "Copy what it gives to a file, and name that one, or take it out of the folder.")
  }
}
