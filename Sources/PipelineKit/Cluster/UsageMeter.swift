import Glibc
import ShardKit

/// What a task has used, where it ran.
public struct TaskUsage: Codable, Equatable, Sendable {
  public var host: String
  /// The scheduler's number of the job.
  public var job: String
  public var milliseconds: Int
  public var processorMilliseconds: Int
  /// The largest resident memory of the task's process, or of a child if that is more.
  public var peakBytes: Int
  public var askedBytes: Int
  public var askedCores: Int
}

/// Measures what a task uses in this process and its children.
struct UsageMeter {
  private let request: JobRequest
  private let job: String
  private let began = monotonicNanoseconds()
  private let processor = Self.processorMilliseconds()

  init(_ request: JobRequest, job: String) {
    self.request = request
    self.job = job
    // Makes the kernel forget the largest size so far.
    let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    if descriptor >= 0 {
      _ = write(descriptor, "5", 1)
      close(descriptor)
    }
  }

  func usage() -> TaskUsage {
    TaskUsage(
      host: hostName(), job: job, milliseconds: (monotonicNanoseconds() - began) / 1_000_000,
      processorMilliseconds: Self.processorMilliseconds() - processor,
      peakBytes: max(Self.peakBytes(), Int(Self.usage(RUSAGE_CHILDREN).ru_maxrss) << 10),
      askedBytes: request.memoryBytes, askedCores: request.cores)
  }

  private static func usage(_ whose: __rusage_who) -> rusage {
    var usage = rusage()
    getrusage(__rusage_who_t(whose.rawValue), &usage)
    return usage
  }

  private static func processorMilliseconds() -> Int {
    [RUSAGE_SELF, RUSAGE_CHILDREN].map(usage).reduce(0) { sum, usage in
      sum + [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + $1.tv_sec * 1000 + Int($1.tv_usec) / 1000 }
    }
  }

  /// VmHWM of this process.
  private static func peakBytes() -> Int {
    guard let text = try? FileSystem.read("/proc/self/status", limit: 1 << 16) else { return 0 }
    for line in text.split(separator: 10) where line.starts(with: Array("VmHWM:".utf8)) {
      let digits = line.filter { (48...57).contains($0) }
      return (Int(String(decoding: digits, as: UTF8.self)) ?? 0) << 10
    }
    return 0
  }
}
