import CKernels
import Glibc

/// A program of a user's that runs under a supervisor (`ProgramSupervisor`): a pipe of bytes to it, a pipe from it, and
/// what it prints. Not thread-safe.
public final class SupervisedProgram {
  /// What is started.
  public struct Launch: Sendable {
    /// The program with its arguments; a name without slash is looked up in PATH.
    public var words: [String]
    /// All of its variables.
    public var environment: [String: String]
    /// Its current folder.
    public var folder: String
    /// Bytes of main memory of the program and what it starts together; 0: no limit.
    public var memoryBytes: Int
    /// The path of `pipeline`, which supervises it.
    public var supervisor: String

    public init(
      _ words: [String], environment: [String: String], folder: String, memoryBytes: Int, supervisor: String
    ) {
      self.words = words
      self.environment = environment
      self.folder = folder
      self.memoryBytes = memoryBytes
      self.supervisor = supervisor
    }
  }

  /// How it ended.
  public enum Ending: Equatable, Sendable {
    case exited(Int32)
    case signaled(Int32)
    /// It used so many bytes of memory, more than its limit, and was killed.
    case memory(Int)
    case cannotStart(Int32)
    /// By `stop`.
    case stopped
    /// Its supervisor was killed, and with it the program.
    case lost
  }

  private let process: pid_t
  private var toProgram: Int32
  private var fromProgram: Int32
  private var printed: Int32
  private var status: Int32
  private var lifeline: Int32
  private var isWaitedFor = false
  private var statusText: [UInt8] = []

  private var pending: [UInt8] = []
  private var pendingStart = 0
  /// What the program has written, until the owner takes it.
  public var received: [UInt8] = []
  /// With so many bytes received and not taken, no more are read.
  public var mostReceived = Int.max
  /// Nothing more will be received.
  public private(set) var outputEnded = false
  public private(set) var ending: Ending?
  /// The end of what it printed.
  public private(set) var lastPrinted: [UInt8] = []
  /// Called with what it prints, as it comes.
  public var onPrint: ((UnsafeRawBufferPointer) -> Void)?
  private var identifier: pid_t?

  private static let tailBytes = 4096
  private static let chunkBytes = 1 << 20

  /// - Throws: `ShardError` if the supervisor cannot be started. That the program cannot be is an `ending`.
  public init(_ launch: Launch) throws(ShardError) {
    var pipes: [Pipe] = []
    for _ in 0..<5 { pipes.append(try Pipe()) }
    let (life, log, to, from, told) = (pipes[0], pipes[1], pipes[2], pipes[3], pipes[4])
    process = try Self.start(launch, [life.reading, log.writing, log.writing, to.reading, from.writing, told.writing])
    for end in [life.reading, log.writing, to.reading, from.writing, told.writing] { close(end) }
    (lifeline, printed, toProgram, fromProgram, status) =
      (life.writing, log.reading, to.writing, from.reading, told.reading)
    for pipe in pipes { pipe.isTaken = true }
    for end in [printed, toProgram, fromProgram, status] { Pipe.setNonblocking(end) }
    for end in [toProgram, fromProgram] { Pipe.enlarge(end) }
  }

  deinit {
    for end in [lifeline, toProgram, fromProgram, printed, status] where end >= 0 { close(end) }
    wait()
  }

  private static func start(_ launch: Launch, _ descriptors: [Int32]) throws(ShardError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, own) in descriptors.enumerated() { posix_spawn_file_actions_adddup2(&actions, own, Int32(number)) }
    let own = [
      "worker", "supervise", "--folder", launch.folder, "--memory", "\(launch.memoryBytes)", "--files",
      "\(OpenFiles.limitOfOthers)", "--",
    ]
    let words = [launch.supervisor] + own + launch.words
    let settings = launch.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let spawning = SpawnAttributes()
    var child = pid_t()
    let failure = withCStrings(words) { words in
      withCStrings(settings) { posix_spawn(&child, launch.supervisor, &actions, &spawning.value, words, $0) }
    }
    guard failure == 0 else { throw FileSystem.error(launch.supervisor, "cannot be started", number: failure) }
    return child
  }

  // MARK: Exchange

  /// Bytes that the program has not taken yet.
  public var unsentBytes: Int { pending.count - pendingStart }

  /// Hands bytes to the program, as far as it takes them; the rest follows in `exchange`.
  public func send(_ bytes: some Collection<UInt8>) {
    guard toProgram >= 0 else { return }
    if pendingStart == pending.count {
      pending.removeAll(keepingCapacity: true)
      pendingStart = 0
    }
    pending.append(contentsOf: bytes)
    writePending()
  }

  /// No more bytes come: the program reads the end of its input once it has read the rest.
  public func endInput() {
    if toProgram >= 0 { close(toProgram) }
    toProgram = -1
  }

  /// Reads and writes what is possible now, waiting so long at most for something to happen.
  public func exchange(waitMilliseconds: Int) {
    let frames = received.count < mostReceived ? fromProgram : -1
    let waiting = unsentBytes > 0 ? toProgram : -1
    let ends: [Int32] = [frames, printed, status]
    var polls = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    polls.append(pollfd(fd: waiting, events: Int16(POLLOUT), revents: 0))
    guard poll(&polls, 4, Int32(clamping: waitMilliseconds)) > 0 else { return }
    if polls[3].revents != 0 { writePending() }
    if polls[0].revents != 0 { readFrames() }
    if polls[1].revents != 0 { readPrinted() }
    if polls[2].revents != 0 { readStatus() }
  }

  private func writePending() {
    while unsentBytes > 0, toProgram >= 0 {
      let count = pending.withUnsafeBytes { Int(pl_write_pipe(toProgram, $0.baseAddress! + pendingStart, unsentBytes)) }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return }
      guard count > 0 else { return endInput() }
      pendingStart += count
    }
  }

  private func readFrames() {
    let before = received.count
    let count = Self.read(fromProgram) { received.append(contentsOf: $0) }
    guard received.count == before, count == 0 else { return }
    close(fromProgram)
    fromProgram = -1
    outputEnded = true
  }

  private func readPrinted() {
    let count = Self.read(printed) { bytes in
      onPrint?(bytes)
      lastPrinted.append(contentsOf: bytes.suffix(Self.tailBytes))
      if lastPrinted.count > 4 * Self.tailBytes { lastPrinted.removeFirst(lastPrinted.count - Self.tailBytes) }
    }
    guard count == 0 else { return }
    close(printed)
    printed = -1
  }

  /// - Returns: the number of bytes; 0 at the end; negative if there are none now.
  private static func read(_ end: Int32, _ body: (UnsafeRawBufferPointer) -> Void) -> Int {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: chunkBytes) { room in
      let count = Glibc.read(end, room.baseAddress, room.count)
      if count > 0 { body(UnsafeRawBufferPointer(start: room.baseAddress, count: count)) }
      return count < 0 && errno != EINTR && errno != EAGAIN ? 0 : count
    }
  }

  private func readStatus() {
    let count = Self.read(status) { statusText.append(contentsOf: $0) }
    while let end = statusText.firstIndex(of: 10) {
      note(String(decoding: statusText[..<end], as: UTF8.self))
      statusText.removeSubrange(...end)
    }
    guard count == 0 else { return }
    close(status)
    status = -1
    if ending == nil { lose() }
  }

  private func note(_ line: String) {
    let words = line.split(separator: " ")
    let number = words.count > 1 ? Int(words[1]) ?? 0 : 0
    switch words.first {
    case "started": identifier = pid_t(number)
    case "failed": ending = .cannotStart(Int32(number))
    case "exited": ending = .exited(Int32(number))
    case "signaled": ending = .signaled(Int32(number))
    case "memory": ending = .memory(number)
    default: ending = .stopped
    }
  }

  /// The supervisor ended without a word; the system's memory may have run out.
  private func lose() {
    if let identifier { kill(-identifier, SIGKILL) }
    ending = .lost
  }

  // MARK: Ending

  /// Ends the program and everything that it started: SIGTERM, and SIGKILL a second later. Returns when that is done.
  public func stop() {
    if lifeline >= 0 { close(lifeline) }
    lifeline = -1
    mostReceived = 0
    while ending == nil { exchange(waitMilliseconds: 1000) }
    wait()
  }

  /// Tells the program that no more comes, and lets it end itself; stops it if it has not after a while.
  public func finish(withinMilliseconds patience: Int) {
    endInput()
    let deadline = monotonicNanoseconds() + patience * 1_000_000
    while ending == nil, monotonicNanoseconds() < deadline { exchange(waitMilliseconds: 100) }
    stop()
  }

  private func wait() {
    guard !isWaitedFor else { return }
    isWaitedFor = true
    var raw: Int32 = 0
    while waitpid(process, &raw, 0) < 0, errno == EINTR {}
  }
}

/// Both ends of a pipe; closed with this object, unless somebody takes them.
private final class Pipe {
  let reading: Int32
  let writing: Int32
  var isTaken = false

  private static let bytes: Int32 = 1 << 20

  init() throws(ShardError) {
    var ends: [Int32] = [-1, -1]
    guard pl_pipe(&ends) == 0 else { throw FileSystem.error("pipe", "cannot be made") }
    // Above the numbers that the supervisor's ends get: none overwrites another.
    let high = ends.map { end in
      let moved = fcntl(end, F_DUPFD_CLOEXEC, 16)
      close(end)
      return moved
    }
    (reading, writing) = (high[0], high[1])
    guard reading >= 0, writing >= 0 else {
      for end in high where end >= 0 { close(end) }
      isTaken = true
      throw FileSystem.error("pipe", "cannot be made")
    }
  }

  deinit {
    guard !isTaken else { return }
    close(reading)
    close(writing)
  }

  static func setNonblocking(_ end: Int32) { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }

  /// Room for a batch that comes while the program works on another.
  static func enlarge(_ end: Int32) { pl_enlarge_pipe(end, bytes) }
}
