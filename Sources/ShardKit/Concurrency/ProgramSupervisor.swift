import CKernels
import Glibc

/// The processes between the runner and a program of a user's (`pipeline worker supervise`): whatever becomes of runner
/// and program, no process of the program outlives it.
///
/// There are two. The supervisor starts the program, tells of its end and measures its memory; the guard, its parent, does
/// nothing but wait. When one of the two is killed, the other one ends what is left: orphans become its children. The
/// program itself is bound to the supervisor by the kernel, so that it ends even if both are killed at once.
///
/// Descriptors: 0 is the lifeline, whose end means that the program has to end; 1 and 2 are what the program prints; 3 and
/// 4 are its frames; 5 takes one line at the start (`started PID`, `failed ERRNO`) and one at the end (`exited CODE`,
/// `signaled NUMBER`, `memory BYTES`, `stopped`).
public struct ProgramSupervisor {
  /// Bytes of main memory of the program and its descendants together; 0: no limit.
  private let memoryBytes: Int
  private let words: [String]
  /// The program's current folder.
  private let folder: String
  /// How many files it may have open at once; nil: as many as this process.
  private let openFiles: Int?

  static let status: Int32 = 5
  /// How often memory is measured.
  private static let tickMilliseconds: Int32 = 100
  /// Between SIGTERM and SIGKILL.
  private static let graceMilliseconds = 1000

  public init(_ words: [String], folder: String, memoryBytes: Int, openFiles: Int? = nil) {
    self.words = words
    self.openFiles = openFiles
    self.folder = folder
    self.memoryBytes = memoryBytes
  }

  /// As `ps` shows both: whoever ends all runners by their name spares them, and they end the programs.
  private static let name = "program-guard"

  /// Runs the program until it ends or has to end, and ends everything that it started.
  /// - Returns: the exit code of this process.
  public func run() -> Int32 {
    for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_IGN) }
    var life: [Int32] = [-1, -1]
    guard pl_adopt_orphans() == 0, pl_pipe(&life) == 0 else { return tell("failed \(errno)") }
    pl_name_process(Self.name)
    let supervisor = pl_fork()
    guard supervisor >= 0 else { return tell("failed \(errno)") }
    // The end of `life` that is written belongs to the guard alone.
    close(life[supervisor == 0 ? 1 : 0])
    return supervisor == 0 ? supervise(guardLife: life[0]) : Self.guardUntilEnd(of: supervisor)
  }

  /// Waits for the supervisor, and ends what it leaves.
  private static func guardUntilEnd(of supervisor: pid_t) -> Int32 {
    releaseDescriptors()
    var status: Int32 = 0
    while waitpid(supervisor, &status, 0) < 0, errno == EINTR {}
    _ = reap(nil)
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 1
  }

  private func supervise(guardLife: Int32) -> Int32 {
    guard pl_adopt_orphans() == 0, chdir(folder) == 0 else { return tell("failed \(errno)") }
    if let openFiles { OpenFiles.set(openFiles) }
    let (program, failure) = start()
    guard failure == 0 else { return tell("failed \(failure)") }
    _ = tell("started \(program)")
    Self.releaseDescriptors()
    let ending = watch(program, guardLife)
    if case .stopped = ending { terminate(program) }
    let status = Self.reap(program)
    switch ending {
    case .ended: return tell(status & 0x7F == 0 ? "exited \((status >> 8) & 0xFF)" : "signaled \(status & 0x7F)")
    case .memory(let bytes): return tell("memory \(bytes)")
    case .stopped: return tell("stopped")
    case .unguarded: return 1
    }
  }

  private enum Ending {
    case ended, stopped, memory(Int)
    /// The guard was killed.
    case unguarded
  }

  private func tell(_ line: String) -> Int32 {
    let bytes = Array((line + "\n").utf8)
    return write(Self.status, bytes, bytes.count) == bytes.count ? 0 : 1
  }

  private func start() -> (program: pid_t, failure: Int32) {
    var child = pid_t()
    let failure = withCStrings(words) { pl_start_bound($0, Self.status, &child) }
    return (child, failure)
  }

  /// The ends of the pipes belong to the program alone, so that its end closes them.
  private static func releaseDescriptors() {
    for own: Int32 in [3, 4] { close(own) }
    let nowhere = open("/dev/null", O_RDWR | O_CLOEXEC)
    for printed in [STDOUT_FILENO, STDERR_FILENO] { dup2(nowhere, printed) }
    close(nowhere)
  }

  private func watch(_ program: pid_t, _ guardLife: Int32) -> Ending {
    var end: [Int32] = [-1, -1]
    guard pipe(&end) == 0 else { return .stopped }
    let (reading, writing) = (end[0], end[1])
    let waiter = BackgroundThread {
      var information = siginfo_t()
      while waitid(P_PID, id_t(program), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
      close(writing)
    }
    guard let waiter else { return .stopped }
    waiter.detach()
    var polls = [STDIN_FILENO, reading, guardLife].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while true {
      let ready = poll(&polls, 3, memoryBytes > 0 ? Self.tickMilliseconds : -1)
      if ready > 0, polls[1].revents != 0 { return .ended }
      if ready > 0, polls[0].revents != 0 { return .stopped }
      if ready > 0, polls[2].revents != 0 { return .unguarded }
      guard memoryBytes > 0 else { continue }
      let used = ProcessTree.residentBytes(below: getpid())
      if used > memoryBytes { return .memory(used) }
    }
  }

  private func terminate(_ program: pid_t) {
    kill(-program, SIGTERM)
    let deadline = monotonicNanoseconds() + Self.graceMilliseconds * 1_000_000
    while monotonicNanoseconds() < deadline {
      var information = siginfo_t()
      let result = waitid(P_PID, id_t(program), &information, WEXITED | WNOHANG | WNOWAIT)
      if result != 0 || information.si_signo == SIGCHLD { return }
      usleep(5000)
    }
  }

  /// Kills all descendants and waits for them.
  /// - Parameter program: the leader of a process group; nil if there is none any more.
  /// - Returns: the program's status.
  private static func reap(_ program: pid_t?) -> Int32 {
    var status: Int32 = 0
    var running = program
    for _ in 0..<20_000 {
      if let running { kill(-running, SIGKILL) }
      for process in ProcessTree.descendants(of: getpid()) where process != running { kill(process, SIGKILL) }
      var raw: Int32 = 0
      let ended = waitpid(-1, &raw, WNOHANG)
      if ended < 0, errno == ECHILD { break }
      if ended > 0, ended == running { (status, running) = (raw, nil) }
      if ended == 0 { usleep(500) }
    }
    return status
  }
}

/// The attributes of a child process: a process group of its own, and no signals blocked or ignored.
final class SpawnAttributes {
  var value = posix_spawnattr_t()

  init() {
    posix_spawnattr_init(&value)
    posix_spawnattr_setflags(&value, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&value, 0)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&value, &signals)
    for signal in [SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGXFSZ] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&value, &signals)
  }

  deinit { posix_spawnattr_destroy(&value) }
}

/// Calls a function of C with a list of words that ends with nil.
func withCStrings<R>(_ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
  let pointers = words.map { strdup($0) } + [nil]
  defer { pointers.forEach { free($0) } }
  return body(pointers)
}

/// Processes that descend from one, as the kernel lists them.
enum ProcessTree {
  static func descendants(of root: pid_t) -> [pid_t] {
    var found: [pid_t] = []
    var open = [root]
    while let process = open.popLast(), found.count < 100_000 {
      let children = children(of: process)
      found += children
      open += children
    }
    return found
  }

  /// Processes of this user whose variables have a setting that begins so.
  static func processes(withSetting beginning: String) -> [pid_t] {
    let wanted = Array(beginning.utf8)
    return ((try? FileSystem.list("/proc", others: .passedOver)) ?? []).compactMap { pid_t($0) }.filter { process in
      guard process != getpid(), let settings = try? FileSystem.read("/proc/\(process)/environ", limit: 4 << 20) else {
        return false
      }
      return settings.split(separator: 0).contains { $0.starts(with: wanted) }
    }
  }

  /// Main memory of all descendants. Of several processes that share pages, each counts its part.
  static func residentBytes(below root: pid_t) -> Int {
    let processes = descendants(of: root)
    if processes.count == 1 { return residentBytes(processes[0]) }
    return processes.reduce(0) { $0 + (proportionalBytes($1) ?? residentBytes($1)) }
  }

  private static func children(of process: pid_t) -> [pid_t] {
    guard let threads = opendir("/proc/\(process)/task") else { return [] }
    defer { closedir(threads) }
    var found: [pid_t] = []
    while let entry = readdir(threads) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let thread = pid_t(name) else { continue }
      found += words("/proc/\(process)/task/\(thread)/children").compactMap { pid_t($0) }
    }
    return found
  }

  /// The second word is the number of resident pages.
  private static func residentBytes(_ process: pid_t) -> Int {
    let words = words("/proc/\(process)/statm")
    return words.count > 1 ? (Int(words[1]) ?? 0) * Int(getpagesize()) : 0
  }

  private static func proportionalBytes(_ process: pid_t) -> Int? {
    let words = words("/proc/\(process)/smaps_rollup")
    guard let place = words.firstIndex(of: "Pss:"), place + 1 < words.count else { return nil }
    return Int(words[place + 1]).map { $0 << 10 }
  }

  private static func words(_ path: String) -> [Substring] {
    guard let text = try? FileSystem.read(path, limit: 1 << 20) else { return [] }
    return String(decoding: text, as: UTF8.self).split { $0.isWhitespace }
  }
}
