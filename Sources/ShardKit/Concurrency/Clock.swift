import Glibc

/// Nanoseconds of the monotonic clock.
public func monotonicNanoseconds() -> Int { nanoseconds(of: CLOCK_MONOTONIC) }

/// Seconds of the monotonic clock.
public func monotonicSeconds() -> Double { Double(monotonicNanoseconds()) * 1e-9 }

/// Milliseconds since 1970.
public func wallMilliseconds() -> Int { nanoseconds(of: CLOCK_REALTIME) / 1_000_000 }

/// Seconds since 1970.
public func wallSeconds() -> Double { Double(nanoseconds(of: CLOCK_REALTIME)) * 1e-9 }

private func nanoseconds(of clock: clockid_t) -> Int {
  var time = timespec()
  clock_gettime(clock, &time)
  return Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
}
