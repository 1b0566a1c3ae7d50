public import Glibc
import ShardKit

/// The built program as a child process, with its output in files: for tests of exit codes, kills and messages.
public final class ChildProcess {
  public struct Result: Equatable, Sendable {
    /// The exit code; 128 + n if signal n ended it.
    public var status: Int32
    public var output: String
    public var errors: String
  }

  /// `PIPELINE_BINARY`; else the faster release build, unless it is older than the sources; else the debug build.
  public static let pipeline: String = {
    if let path = getenv("PIPELINE_BINARY") { return String(cString: path) }
    let release = packagePath(".build/release/pipeline")
    return isNewerThanSources(release) ? release : packagePath(".build/debug/pipeline")
  }()

  private static func isNewerThanSources(_ path: String) -> Bool {
    guard let built = FileSystem.status(path), let names = try? FileSystem.walk(packagePath("Sources")) else {
      return false
    }
    return names.allSatisfy {
      (FileSystem.status(packagePath("Sources/" + $0))?.modified ?? .max) <= built.modified
    }
  }

  public let identifier: pid_t
  private let folder: String

  /// Starts a program.
  /// - Parameter environment: variables in addition to this process's.
  public init(_ arguments: [String], program: String = ChildProcess.pipeline, environment: [String: String] = [:])
    throws
  {
    folder = temporaryDirectory()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, folder + "/out", O_WRONLY | O_CREAT, 0o644)
    posix_spawn_file_actions_addopen(&actions, 2, folder + "/err", O_WRONLY | O_CREAT, 0o644)
    // Through env(1), which adds variables and finds programs by name.
    let words = ["/usr/bin/env"] + environment.map { "\($0.key)=\($0.value)" } + [program] + arguments
    var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    pointers.append(nil)
    defer { pointers.forEach { free($0) } }
    // A test may run on a libdispatch thread, which blocks most signals; a child inherits the blocked signals.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var child = pid_t()
    let result = posix_spawn(&child, words[0], &actions, &attributes, pointers, environ)
    guard result == 0 else { throw FileSystem.error(words[0], "cannot be started", number: result) }
    identifier = child
  }

  deinit { try? FileSystem.removeTree(folder) }

  public func signal(_ number: Int32) { kill(identifier, number) }

  /// Its standard output so far.
  public func outputSoFar() throws -> String {
    String(decoding: try FileSystem.read(folder + "/out"), as: UTF8.self)
  }

  /// Its standard error so far.
  public func errorsSoFar() throws -> String {
    String(decoding: try FileSystem.read(folder + "/err"), as: UTF8.self)
  }

  /// Whether it is still running.
  public var isRunning: Bool {
    var information = siginfo_t()
    return waitid(P_PID, id_t(identifier), &information, WEXITED | WNOHANG | WNOWAIT) == 0
      && information.si_signo == 0
  }

  /// Waits until a condition is true while it runs. Throws if it ends before, or after minutes.
  public func works(until what: String, _ isReached: () throws -> Bool) throws {
    for _ in 0..<60_000 {
      let runs = isRunning
      if try isReached() { return }
      guard runs else {
        let end = try wait()
        throw ShardError(
          .io, what, "did not occur before the end, \(end.status): \(end.output.suffix(2000))\(end.errors)")
      }
      usleep(5000)
    }
    signal(SIGKILL)
    throw ShardError(.io, what, "did not occur within minutes: \(try wait().errors)")
  }

  /// Waits until it stops at a `FaultPoint` with this gate file, runs the body and opens the gate.
  public func atGate<T>(_ gate: String, _ body: () throws -> T) throws -> T {
    try works(until: "the gate \(gate)") { FileSystem.exists(gate) }
    defer { try? FileSystem.remove(gate) }
    return try body()
  }

  /// The JSON line with a server's ports; an error if the server ends without one.
  func greeting(of server: String) throws -> JSONValue {
    try works(until: "the first line of \(server)") { try outputSoFar().hasSuffix("\n") }
    return try JSONValue.parse(Array(outputSoFar().utf8)).value
  }

  /// Waits until it ends.
  public func wait() throws -> Result {
    var status: Int32 = 0
    while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    return Result(
      status: code, output: String(decoding: try FileSystem.read(folder + "/out"), as: UTF8.self),
      errors: String(decoding: try FileSystem.read(folder + "/err"), as: UTF8.self))
  }

  /// Waits until it ends, and looks some hundred times a second at its anonymous memory.
  /// - Returns: the result, and the most bytes that it was seen with.
  public func waitMeasuringMemory() throws -> (result: Result, bytes: Int) {
    var most = 0
    while isRunning {
      let status = (try? FileSystem.read("/proc/\(identifier)/status", limit: 1 << 16)) ?? []
      for line in String(decoding: status, as: UTF8.self).split(separator: "\n") where line.hasPrefix("RssAnon:") {
        most = max(most, (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10)
      }
      usleep(2000)
    }
    return (try wait(), most)
  }

  /// Kills it after a time unless it ends before.
  public func killed(afterMicroseconds delay: UInt32) throws -> Result {
    usleep(delay)
    signal(SIGKILL)
    return try wait()
  }

  public static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Result {
    try ChildProcess(arguments, environment: environment).wait()
  }
}
