import Glibc

/// Another program that is run to its end, in bounded time and with bounded output.
public struct ChildCommand: Sendable {
  public struct Result: Sendable {
    /// The exit code; 128 + n if signal n ended it.
    public var status: Int32
    public var output: [UInt8]
    public var errors: [UInt8]
  }

  /// A path, or a name that is looked up in PATH.
  public var program: String
  public var arguments: [String]
  /// Variables in addition to this process's.
  public var environment: [String: String] = [:]
  /// Beginnings of the names of this process's variables that the program does not get.
  public var withheld: [String] = []
  public var timeoutSeconds: Double
  /// Of each of its two outputs; what is above it is read and thrown away.
  public var maximumBytes = 1 << 20

  public init(_ program: String, _ arguments: [String], timeoutSeconds: Double) {
    self.program = program
    self.arguments = arguments
    self.timeoutSeconds = timeoutSeconds
  }

  /// Runs the program without input, in a process group of its own, which is killed when time is over.
  /// - Parameter shouldStop: asked ten times per second; if true, the program is killed.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io` if it cannot be started or was killed.
  public func run(shouldStop: () -> Bool = { false }) throws(ShardError) -> Result {
    let output = try Self.pipeEnds(), errors: (reading: Int32, writing: Int32)
    do { errors = try Self.pipeEnds() } catch {
      close(output.reading)
      close(output.writing)
      throw error
    }
    defer { for end in [output.reading, errors.reading] { close(end) } }
    let (child, failure) = start(output.writing, errors.writing)
    close(output.writing)
    close(errors.writing)
    guard failure == 0 else { throw FileSystem.error(program, "cannot be started", number: failure) }
    var texts: [[UInt8]] = [[], []]
    let ending = collect([output.reading, errors.reading], of: child, &texts, shouldStop)
    if ending != .ended { kill(-child, SIGKILL) }
    var raw: Int32 = 0
    while waitpid(child, &raw, 0) < 0, errno == EINTR {}
    // What it started in the background must not outlive it.
    kill(-child, SIGKILL)
    guard ending == .ended else {
      throw ShardError(
        .io, program, ending == .late ? "did not end within \(Int(timeoutSeconds)) s" : "was stopped")
    }
    let status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F)
    return Result(status: status, output: texts[0], errors: texts[1])
  }

  private static func pipeEnds() throws(ShardError) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    // Unlike a pipe, closed in other children from its first moment on.
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw FileSystem.error("pipe", "cannot be made") }
    return (ends[0], ends[1])
  }

  private func start(_ output: Int32, _ errors: Int32) -> (child: pid_t, failure: Int32) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, errors, 2)
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
    var child = pid_t()
    let words = [program] + arguments
    let failure = Self.withPointers(words) { words in
      Self.withPointers(settings) { posix_spawnp(&child, program, &actions, &attributes, words, $0) }
    }
    if failure == 0 { OpenFiles.restore(child) }
    return (child, failure)
  }

  private var settings: [String] {
    var settings: [String] = []
    var next = environ
    while let entry = next.pointee {
      let setting = String(cString: entry)
      let name = String(setting.prefix { $0 != "=" })
      if environment[name] == nil, !withheld.contains(where: name.hasPrefix) { settings.append(setting) }
      next += 1
    }
    return settings + environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }

  private static func withPointers<R>(_ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let pointers = words.map { strdup($0) } + [nil]
    defer { pointers.forEach { free($0) } }
    return body(pointers)
  }

  private enum Ending { case ended, late, stopped }

  /// Reads both outputs until they are closed, or until the program has ended and nothing more comes: what it started in
  /// the background may keep them open.
  private func collect(
    _ ends: [Int32], of child: pid_t, _ texts: inout [[UInt8]], _ shouldStop: () -> Bool
  ) -> Ending {
    let deadline = monotonicNanoseconds() + Int(timeoutSeconds * 1e9)
    var polls = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while polls.contains(where: { $0.fd >= 0 }) {
      if shouldStop() { return .stopped }
      guard monotonicNanoseconds() < deadline else { return .late }
      guard poll(&polls, nfds_t(polls.count), 100) > 0 else {
        if Self.hasEnded(child) { return .ended }
        continue
      }
      for place in polls.indices where polls[place].fd >= 0 && polls[place].revents != 0 {
        if !take(polls[place].fd, &texts[place]) { polls[place].fd = -1 }
      }
    }
    return .ended
  }

  /// Without taking its exit code.
  private static func hasEnded(_ child: pid_t) -> Bool {
    var information = siginfo_t()
    return waitid(P_PID, id_t(child), &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_signo == SIGCHLD
  }

  /// - Returns: false at the end.
  private func take(_ end: Int32, _ text: inout [UInt8]) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 16) { room in
      let count = read(end, room.baseAddress, room.count)
      if count < 0 { return errno == EINTR }
      text.append(contentsOf: room[..<min(count, max(0, maximumBytes - text.count))])
      return count > 0
    }
  }
}
