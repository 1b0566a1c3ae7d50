import Glibc
import PipelineKit
import ShardKit

/// What a process may do where its address space is limited (`ulimit -v`): everything that it maps counts there, used or
/// not.
enum AddressSpace {
  /// Less than this is too little for a run.
  private static let leastBytes = 128 << 20
  private static let stackBytes = 16 << 20

  /// The limit; nil where there is none.
  static var limit: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < UInt(Int.max) else {
      return nil
    }
    return Int(limit.rlim_cur)
  }

  /// Bytes that are mapped now.
  private static var used: Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var pages = 0
    withUnsafeMutablePointer(to: &pages) { _ = withVaList([$0]) { vfscanf(file, "%ld", $0) } }
    return pages * sysconf(Int32(_SC_PAGESIZE))
  }

  /// Makes a run as small as the limit asks for.
  static func fit(_ settings: inout PipelineRun.Settings) throws {
    guard let limit else { return }
    let free = limit - used
    let threads = max(1, min(settings.jobs, (free - leastBytes) / 4 / stackBytes))
    guard free >= leastBytes + 2 * stackBytes else {
      throw RunError(
        .environment,
        "this shell allows the process \(Quantities.bytes(Int64(limit))) of address space (ulimit -v), of which "
          + "\(Quantities.bytes(Int64(max(0, free)))) are free: too little for a run",
        hint: "Raise the limit with `ulimit -v unlimited`.")
    }
    shareOneArena()
    settings.jobs = threads
    settings.waitingThreads = min(settings.waitingThreads, threads)
    settings.memoryBytes = min(settings.memoryBytes, (free - 2 * threads * stackBytes) / 2)
  }

  private static let sentence = Array(
    ("error: The process cannot go on, most likely for want of memory: its address space is limited (ulimit -v). "
      + "Raise the limit and run again; finished work is kept.\n").utf8)

  /// Where memory that a library or the language asks for cannot be had there is no error to catch: the process ends,
  /// but says why.
  static func explainTheEnd() {
    guard limit != nil else { return }
    _ = sentence.count
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV] {
      signal(number) { _ in
        AddressSpace.sentence.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(1)
      }
    }
  }
}
