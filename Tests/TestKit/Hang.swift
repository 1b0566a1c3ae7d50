import Glibc
import ShardKit
import Synchronization

/// Ends the tests with a message if a thread hangs in work that nothing else would end.
///
/// This does not measure speed: the limit is a minute of the thread's processor time, independent of other load, for
/// work of seconds that would take hours if it were quadratic.
enum Hang {
  private struct Work {
    let what: String
    let clock: clockid_t
    let end: Int
  }

  private static let works = Mutex<(next: Int, running: [Int: Work])>((0, [:]))
  private static let watcher = BackgroundThread {
    while true {
      usleep(500_000)
      for work in works.withLock({ Array($0.running.values) }) where seconds(work.clock) ?? 0 > work.end {
        fatalError("\(work.what) takes more than a minute of processor time")
      }
    }
  }

  private static func seconds(_ clock: clockid_t) -> Int? {
    var time = timespec()
    return clock_gettime(clock, &time) == 0 ? Int(time.tv_sec) : nil
  }

  static func begin(_ what: String) -> Int {
    _ = watcher
    var clock = clockid_t()
    pthread_getcpuclockid(pthread_self(), &clock)
    let work = Work(what: what, clock: clock, end: (seconds(clock) ?? 0) + 60)
    return works.withLock {
      $0.next += 1
      $0.running[$0.next] = work
      return $0.next
    }
  }

  static func end(_ number: Int) { works.withLock { $0.running[number] = nil } }
}

/// Does work on hostile input, which must end.
public func withoutHanging<T>(_ what: String, _ work: () throws -> T) rethrows -> T {
  let number = Hang.begin(what)
  defer { Hang.end(number) }
  return try work()
}
