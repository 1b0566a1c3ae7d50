import Glibc
import ShardKit
import Synchronization

/// Lines that are appended to a file or a pipe, or written to standard output between those of the program.
///
/// A pipe that nobody reads loses its lines after a second. A file that was moved away, as `logrotate` does, is opened
/// again under its name.
final class AppendedLines: Sendable {
  private static let standardOutput = "-"

  private let path: String
  /// nil: standard output.
  private let file: Mutex<LineFile?>

  /// - Throws: `ShardError` if the file cannot be opened, is a pipe without a reader, or takes no lines.
  init(_ path: String) throws(ShardError) {
    self.path = path
    guard path != Self.standardOutput else {
      file = Mutex(nil)
      return
    }
    var opened = LineFile(path)
    try opened.open()
    file = Mutex(opened)
  }

  deinit { file.withLock { $0?.close() } }

  /// - Throws: `ShardError` if the file cannot be written, or its reader does not read.
  func append(_ lines: [String]) throws(ShardError) {
    guard path == Self.standardOutput else {
      return try file.withLock { file throws(ShardError) in try file?.append(lines) }
    }
    for line in lines { Console.standardOutput(line + "\n") }
  }
}

private struct LineFile: Sendable {
  /// Nanoseconds that a pipe is given to take all lines of one call; none once it has not.
  private static let patience = 1_000_000_000

  private let path: String
  private var descriptor: Int32 = -1
  private var identity = stat()
  /// The rest of a line that a pipe took a part of.
  private var rest: [UInt8] = []
  private var isStalled = false

  init(_ path: String) { self.path = path }

  mutating func open() throws(ShardError) {
    // Without O_NONBLOCK a pipe would be waited for, without an end.
    descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o644)
    guard descriptor >= 0 else { throw openingError(errno) }
    guard fstat(descriptor, &identity) == 0, [S_IFREG, S_IFIFO, S_IFCHR].contains(identity.st_mode & S_IFMT) else {
      close()
      throw ShardError(
        .io, path, "cannot be written: it is neither a file nor a pipe nor a terminal", hint: "Name a file.")
    }
  }

  private func openingError(_ number: Int32) -> ShardError {
    guard number == ENXIO else { return FileSystem.error(path, "cannot be written", number: number) }
    return ShardError(.io, path, "is a pipe that nobody reads", hint: "Start its reader first, or name a file.")
  }

  mutating func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
    rest = []
  }

  mutating func append(_ lines: [String]) throws(ShardError) {
    try openAgainIfMoved()
    let until = monotonicNanoseconds() + (isStalled ? 0 : Self.patience)
    // What has begun is ended before anything else: readers see whole lines.
    let begun = rest
    rest = Array(begun.dropFirst(try write(begun, until: until)))
    isStalled = !rest.isEmpty
    for line in lines where !isStalled {
      let bytes = Array((line + "\n").utf8)
      let done = try write(bytes, until: until)
      isStalled = done < bytes.count
      if done > 0 { rest = Array(bytes[done...]) }
    }
    guard isStalled else { return }
    throw ShardError(
      .io, path, "its reader does not read, so lines are lost", hint: "Is it still at work? A file needs no reader.")
  }

  private mutating func openAgainIfMoved() throws(ShardError) {
    var now = stat()
    let isThere = stat(path, &now) == 0
    if descriptor >= 0, isThere, (now.st_dev, now.st_ino) == (identity.st_dev, identity.st_ino) { return }
    close()
    try open()
  }

  /// - Returns: the number of bytes written until the deadline.
  private mutating func write(_ bytes: [UInt8], until deadline: Int) throws(ShardError) -> Int {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
      if count > 0 {
        done += count
      } else if errno == EAGAIN {
        guard waitUntilWritable(deadline) else { return done }
      } else if errno != EINTR {
        let error = FileSystem.error(path, "cannot be written")
        close()
        throw error
      }
    }
    return done
  }

  private func waitUntilWritable(_ deadline: Int) -> Bool {
    let left = max(0, deadline - monotonicNanoseconds()) / 1_000_000
    guard left > 0 else { return false }
    var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&polled, 1, Int32(left)) > 0 || errno == EINTR
  }
}
