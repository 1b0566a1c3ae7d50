import Glibc

/// A folder in which many files are looked at: each lookup goes from there, and not from the root.
public final class OpenFolder {
  /// Negative if there is no such folder; then no file is found.
  private let descriptor: Int32

  /// Linux' `O_PATH`, which C declares only to programs that ask for more than POSIX: no permission to list is needed.
  private static let pathOnly: Int32 = 0o10_000_000

  public init(_ path: String) { descriptor = open(path, Self.pathOnly | O_DIRECTORY | O_CLOEXEC) }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// The size of a file, named by a path below the folder; nil if there is none.
  public func bytes(of name: String) -> Int64? {
    var status = stat()
    return descriptor >= 0 && fstatat(descriptor, name, &status, 0) == 0 ? Int64(status.st_size) : nil
  }
}
