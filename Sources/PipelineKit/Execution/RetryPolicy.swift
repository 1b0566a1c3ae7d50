import ShardKit

/// Which failures of tasks are worth another attempt, and how long to wait before it.
enum RetryPolicy {
  /// Transient errors are: a disk or server that may work again, a timeout. An error that says nothing about it is retried; stages
  /// turn network errors into their own, which do.
  static func mayRetry(_ error: any Error) -> Bool {
    (error as? any DescribedError)?.isTransient ?? true
  }

  /// 1 s after the first attempt, twice as long after each further one, at most a minute.
  static func delaySeconds(after attempt: Int) -> Double { min(60, Double(1 << min(attempt - 1, 6))) }
}
