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

  /// Makes a run as small as the limit asks for.
  static func fit(_ settings: inout PipelineRun.Settings) throws {
    guard let limit else { return }
    let free = limit - mapped
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
  /// but says why. What ends it while there is memory is a fault, and ends it as faults do.
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

  /// Whether what is free is less than a quarter of the limit, or than what one task may ask for. It is asked in a signal
  /// handler, and so takes no memory.
  private static var isShort: Bool {
    guard let limit else { return false }
    return limit - mapped < max(limit / 4, 4 * leastBytes)
  }

  /// Bytes that are mapped now, read without the C library's streams.
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
