import CKernels
import Glibc
import Synchronization

/// How many files this process may have open at once. Shells limit programs to 1024 by default, far below what the system
/// allows them, since programs that wait with `select` cannot have more; this one does not.
public enum OpenFiles {
  /// Twice what 256 threads use that keep 256 files open each. Some programs close every number that there may be.
  private static let most: UInt64 = 1 << 17
  /// The limit before it was raised; 0: it was not.
  private static let before = Atomic<UInt64>(0)

  /// The limit now.
  public static var limit: Int { Int(clamping: limits.rlim_cur) }

  /// What programs that this one starts may have open at once: as many as if this one had not raised its own limit.
  static var limitOfOthers: Int {
    let before = before.load(ordering: .relaxed)
    return before > 0 ? Int(clamping: before) : limit
  }

  /// Raises the limit as far as the system lets this process, at the program's start.
  public static func raise() {
    var limits = limits
    let (now, wanted) = (UInt64(limits.rlim_cur), min(UInt64(limits.rlim_max), most))
    guard now < wanted else { return }
    limits.rlim_cur = rlim_t(wanted)
    if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 {
      before.store(now, ordering: .relaxed)
    }
  }

  /// Sets the limit of this process.
  static func set(_ limit: Int) {
    var limits = limits
    limits.rlim_cur = min(rlim_t(clamping: limit), limits.rlim_max)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
  }

  /// Gives a program that this one has just started the limit of other programs.
  public static func restore(_ process: Int32) {
    let before = before.load(ordering: .relaxed)
    if before > 0 { pl_limit_open_files(process, before) }
  }

  /// How many files each of the threads may keep open, at most 256: half of the limit is left for everything else.
  /// - Parameter threads: nil: as many as there are processors.
  public static func share(limit: Int = OpenFiles.limit, threads: Int? = nil) -> Int {
    min(256, limit / 2 / max(1, threads ?? availableProcessors()))
  }

  private static var limits: rlimit {
    var limits = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
    return limits
  }
}
