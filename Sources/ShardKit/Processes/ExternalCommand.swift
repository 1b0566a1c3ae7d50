import Glibc

/// Another program, run to its end: what it printed, and how it ended.
public struct ExternalCommand: Sendable {
  public struct Outcome: Sendable {
    /// The exit code, or 128 + the signal that ended it.
    public var code: Int32
    public var output: String
    public var errors: String

    /// What it said of a failure: the last line on standard error, else how it ended.
    public var reason: String {
      let last = errors.split(separator: "\n").last.map(String.init) ?? ""
      if !last.isEmpty { return last }
      return code > 128 ? "ended by signal \(code - 128)" : "ended with code \(code)"
    }
  }

  public var words: [String]
  /// Replaces this process's environment.
  public var environment: [String: String]
  public var timeoutSeconds: Double

  public init(_ words: [String], environment: [String: String] = Self.ownEnvironment, timeoutSeconds: Double = 60) {
    self.words = words
    self.environment = environment
    self.timeoutSeconds = timeoutSeconds
  }

  /// The most that is read of each output.
  private static let mostOutput = 256 << 20

  /// The variables of this process.
  public static var ownEnvironment: [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let setting = String(cString: entry)
      if let equals = setting.firstIndex(of: "=") {
        variables[String(setting[..<equals])] = String(setting[setting.index(after: equals)...])
      }
      next += 1
    }
    return variables
  }

  /// Runs it, with nothing on its standard input, and waits.
  /// - Throws: `ShardError`: `.notFound` if there is no such program; `.io` if it does not end in time, which ends it.
  public func run() throws(ShardError) -> Outcome {
    let nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
    let output = try Pipe(), errors = try Pipe()
    defer { for end in [nothing, output.reading, errors.reading] { close(end) } }
    let started = Result { () throws(ShardError) in
      try Self.spawn(words, environment, descriptors: [nothing, output.writing, errors.writing])
    }
    for end in [output.writing, errors.writing] { close(end) }
    let process = try started.get()
    var texts: [Int32: [UInt8]] = [output.reading: [], errors.reading: []]
    let isWhole = Self.read(&texts, seconds: timeoutSeconds)
    if !isWhole { kill(-process, SIGKILL) }
    let code = Self.wait(process)
    guard isWhole else {
      throw ShardError(
        .io, words[0], "did not end within \(Int(timeoutSeconds)) s", hint: "Check that what it asks answers.")
    }
    func text(_ end: Int32) -> String { String(decoding: texts[end] ?? [], as: UTF8.self) }
    return Outcome(code: code, output: text(output.reading), errors: text(errors.reading))
  }

  /// Starts a program, found in PATH, in a process group of its own.
  /// - Parameter descriptors: its standard input, output and error.
  /// - Throws: `ShardError` if it cannot be started.
  private static func spawn(
    _ words: [String], _ environment: [String: String], descriptors: [Int32]
  ) throws(ShardError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, own) in descriptors.enumerated() { posix_spawn_file_actions_adddup2(&actions, own, Int32(target)) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
    posix_spawnattr_setflags(&attributes, Int16(flags))
    posix_spawnattr_setpgroup(&attributes, 0)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGUSR1, SIGXFSZ] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let settings = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    var child = pid_t()
    let failure = withPointers(words) { words in
      withPointers(settings) { posix_spawnp(&child, words[0]!, &actions, &attributes, words, $0) }
    }
    guard failure == 0 else { throw FileSystem.error(words[0], "cannot be started", number: failure) }
    return child
  }

  /// Waits for a child process. Returns the exit code, or 128 + the signal that ended it.
  private static func wait(_ process: pid_t) -> Int32 {
    var raw: Int32 = 0
    while waitpid(process, &raw, 0) < 0, errno == EINTR {}
    return raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F)
  }

  private struct Pipe {
    var reading: Int32, writing: Int32

    init() throws(ShardError) {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else { throw FileSystem.error("pipe", "cannot be made") }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      (reading, writing) = (ends[0], ends[1])
    }
  }

  /// Reads all outputs until they end. False when the time is over.
  private static func read(_ texts: inout [Int32: [UInt8]], seconds: Double) -> Bool {
    let until = monotonicNanoseconds() + Int(seconds * 1e9)
    var open = Set(texts.keys)
    while !open.isEmpty {
      let left = (until - monotonicNanoseconds()) / 1_000_000
      guard left > 0 else { return false }
      var polls = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      guard poll(&polls, nfds_t(polls.count), Int32(min(left, 1000))) >= 0 || errno == EINTR else { return false }
      for ready in polls where ready.revents != 0 && !receive(ready.fd, &texts[ready.fd, default: []]) {
        open.remove(ready.fd)
      }
    }
    return true
  }

  /// False at the end.
  private static func receive(_ descriptor: Int32, _ text: inout [UInt8]) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 16) { room in
      let count = Glibc.read(descriptor, room.baseAddress, room.count)
      if count < 0 { return errno == EINTR || errno == EAGAIN }
      if count > 0, text.count < mostOutput { text.append(contentsOf: room[..<count]) }
      return count > 0
    }
  }
}

private func withPointers<R>(_ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
  let pointers = words.map { strdup($0) } + [nil]
  defer { pointers.forEach { free($0) } }
  return body(pointers)
}
