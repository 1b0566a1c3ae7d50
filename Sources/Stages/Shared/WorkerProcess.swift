import Glibc
import PipelineKit
import ShardKit

/// A child process of this program for computations. Its crash does not affect the runner, and it ends with the runner.
///
/// Its standard output is read line by line; its standard error goes to a file.
final class WorkerProcess {
  private let process: pid_t
  private let output: Int32
  /// The worker's standard input. It closes when this process ends, for whatever reason.
  private let lifeline: Int32
  private let errors: String
  private var pending: [UInt8] = []
  private var status: Int32?

  /// `PIPELINE_WORKER`, or this program itself.
  static func program() throws -> String {
    if let named = getenv("PIPELINE_WORKER") { return String(cString: named) }
    guard let path = realpath("/proc/self/exe", nil) else {
      throw StageError(.environment, "/proc/self/exe", "cannot be read", hint: "Set PIPELINE_WORKER to the program.")
    }
    defer { free(path) }
    return String(cString: path)
  }

  /// - Parameters:
  ///   - environment: variables in addition to this process's.
  ///   - errors: the file for its standard error; existing content is kept.
  init(_ arguments: [String], environment: [String: String] = [:], errors: String) throws {
    self.errors = errors
    let ends = try Self.pipeEnds()
    let life = try Self.pipeEnds()
    output = ends.reading
    lifeline = life.writing
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, life.reading, 0)
    posix_spawn_file_actions_adddup2(&actions, ends.writing, 1)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    // A separate process group: Ctrl-C only reaches the runner, which then signals its workers.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGINT, SIGTERM, SIGPIPE, SIGHUP] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)

    let program = try Self.program()
    let words = [program] + arguments
    let settings = Self.environment(with: environment)
    var child = pid_t()
    let result = withPointers(words) { words in
      withPointers(settings) { posix_spawn(&child, program, &actions, &attributes, words, $0) }
    }
    close(ends.writing)
    close(life.reading)
    guard result == 0 else {
      close(output)
      close(lifeline)
      throw FileSystem.error(program, "cannot be started", number: result)
    }
    process = child
    OpenFiles.restore(child)
  }

  deinit {
    if status == nil {
      kill(process, SIGKILL)
      _ = wait()
    }
    close(output)
    close(lifeline)
  }

  private static func pipeEnds() throws -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw FileSystem.error("pipe", "cannot be made") }
    // Workers started at the same time must not keep each other's pipe ends open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  private static func environment(with own: [String: String]) -> [String] {
    var settings: [String] = []
    var next = environ
    while let entry = next.pointee {
      let setting = String(cString: entry)
      let name = setting.prefix { $0 != "=" }
      if own[String(name)] == nil { settings.append(setting) }
      next += 1
    }
    return settings + own.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }

  /// Why it failed: what it said last, if it came to say something; else how it ended.
  func failure(_ subject: String, _ name: String, hint: String) -> StageError {
    Self.failure(code: wait(), message: lastErrors(lines: 1), subject, name, hint: hint)
  }

  static func failure(code: Int32, message: String, _ subject: String, _ name: String, hint: String) -> StageError {
    if code < 128, !message.isEmpty { return StageError(.check, message) }
    if code == 128 + SIGKILL {
      return StageError(
        .killed, subject, "\(name) was killed by signal 9\(message.isEmpty ? "" : ": \(message)")",
        hint: "This machine, or its job, may have run out of memory. Give it more, or use fewer threads or processes.")
    }
    let end = code > 128 ? "by signal \(code - 128)" : "with code \(code)"
    let words = message.isEmpty ? "" : ": \(message)"
    return StageError(.environment, subject, "\(name) ended \(end)\(words)", hint: hint)
  }

  func signal(_ number: Int32) { if status == nil { kill(process, number) } }

  /// A line without its line end; nothing if none arrived in time; or the end of the worker's output.
  enum Answer { case line([UInt8]), nothing, end }

  func next(timeoutMilliseconds: Int32) -> Answer {
    while true {
      if let end = pending.firstIndex(of: 0x0A) {
        let line = Array(pending[..<end])
        pending.removeSubrange(...end)
        return .line(line)
      }
      var poll = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      guard Glibc.poll(&poll, 1, timeoutMilliseconds) > 0 else { return .nothing }
      // Our events are never longer than this.
      guard pending.count < 1 << 20 else { return .end }
      let count = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 16) { room in
        let count = read(output, room.baseAddress, room.count)
        if count > 0 { pending.append(contentsOf: room[..<count]) }
        return count
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return .end }
    }
  }

  /// Whether it has ended, without waiting.
  var hasEnded: Bool {
    if status == nil {
      var raw: Int32 = 0
      if waitpid(process, &raw, WNOHANG) == process { status = Self.code(raw) }
    }
    return status != nil
  }

  /// Whether it has failed, without waiting.
  var hasFailed: Bool { hasEnded && status != 0 }

  private static func code(_ raw: Int32) -> Int32 { raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F) }

  /// Waits for the process to end. Returns the exit code, or 128 + the signal that ended it.
  func wait() -> Int32 {
    if let status { return status }
    var raw: Int32 = 0
    while waitpid(process, &raw, 0) < 0, errno == EINTR {}
    status = Self.code(raw)
    return Self.code(raw)
  }

  /// The last lines of its standard error, joined. If the worker printed an error of its own, only that line, because
  /// torch and NCCL may print more after it.
  func lastErrors(lines: Int = 3) -> String {
    let text = (try? FileSystem.read(errors, limit: 1 << 24)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    if let reason = text.split(separator: "\n").last(where: { $0.hasPrefix("error: ") }) {
      return String(reason.dropFirst("error: ".count))
    }
    // Removes the worker's "error: ", since the runner adds one to its message.
    return text.split(separator: "\n").suffix(lines)
      .map { $0.hasPrefix("error: ") ? $0.dropFirst("error: ".count) : $0 }.joined(separator: " ")
  }
}

private func withPointers<R>(_ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
  let pointers = words.map { strdup($0) } + [nil]
  defer { pointers.forEach { free($0) } }
  return body(pointers)
}
