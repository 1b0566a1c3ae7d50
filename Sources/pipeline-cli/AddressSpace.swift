import Glibc
import PipelineKit
import ShardKit

/// Fits a run into a limited address space (`ulimit -v`): every mapped byte counts toward the limit, whether it is used
/// or not.
enum AddressSpace {
  /// A run needs at least this many bytes.
  private static let leastBytes = 128 << 20
  private static let stackBytes = 16 << 20

  /// The limit; nil: unlimited.
  static var limit: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < UInt(Int.max) else {
      return nil
    }
    return Int(limit.rlim_cur)
  }

  /// Reduces the run's threads and memory to fit the limit.
  static func fit(_ settings: inout PipelineRun.Settings) throws {
    guard let limit else { return }
    let free = limit - mapped
    let threads = max(1, min(settings.jobs, (free - leastBytes) / 4 / stackBytes))
    guard free >= leastBytes + 2 * stackBytes else {
      throw RunError(
        .environment,
        "this shell limits the process to \(Quantities.bytes(Int64(limit))) of address space (ulimit -v), of which "
          + "\(Quantities.bytes(Int64(max(0, free)))) are free; that is not enough for a run",
        hint: "Raise the limit with `ulimit -v unlimited`.")
    }
    shareOneArena()
    settings.jobs = threads
    settings.waitingThreads = min(settings.waitingThreads, threads)
    settings.memoryBytes = min(settings.memoryBytes, (free - 2 * threads * stackBytes) / 2)
  }

  private static let sentence = Array(
    ("error: The process cannot continue, most likely because it ran out of its address-space limit (ulimit -v). "
      + "Raise the limit and run again; finished work is kept.\n").utf8)

  /// A failed allocation in a library or in the Swift runtime throws no error; it ends the process. This prints the
  /// reason first. A crash while memory is available is a fault, and ends the process as usual.
  static func explainTheEnd() {
    guard limit != nil else { return }
    _ = sentence.count
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV] {
      signal(number) { number in
        guard AddressSpace.isShort else {
          signal(number, SIG_DFL)
          raise(number)
          return
        }
        AddressSpace.sentence.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(1)
      }
    }
  }

  /// Whether less is free than a quarter of the limit, or than one task may need. Called in a signal handler, so it
  /// does not allocate.
  private static var isShort: Bool {
    guard let limit else { return false }
    return limit - mapped < max(limit / 4, 4 * leastBytes)
  }

  /// Bytes mapped now, read without C stdio.
  private static var mapped: Int {
    let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var text: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    return withUnsafeMutableBytes(of: &text) { text in
      let count = max(0, read(file, text.baseAddress, text.count))
      var pages = 0
      for i in 0..<count {
        guard text[i] &- 0x30 < 10 else { break }
        pages = pages &* 10 &+ Int(text[i] &- 0x30)
      }
      return pages &* sysconf(Int32(_SC_PAGESIZE))
    }
  }
}
