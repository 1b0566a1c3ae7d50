import Glibc

/// A moment by the calendar and the clock, of UTC unless it is said to be local.
public struct CivilTime: Equatable, Sendable {
  public var year: Int
  public var month: Int
  public var day: Int
  public var hour = 0
  public var minute = 0
  public var second = 0

  public init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  public init(secondsSince1970 seconds: Int, isLocal: Bool = false) {
    var seconds = time_t(seconds)
    var parts = tm()
    if isLocal { localtime_r(&seconds, &parts) } else { gmtime_r(&seconds, &parts) }
    self.init(year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday))
    (hour, minute, second) = (Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec))
  }

  /// Of the moment as one of UTC; a 32nd of January is the first of February.
  public var secondsSince1970: Int {
    var parts = tm()
    (parts.tm_year, parts.tm_mon) = (Int32(clamping: year - 1900), Int32(clamping: month - 1))
    (parts.tm_mday, parts.tm_hour) = (Int32(clamping: day), Int32(clamping: hour))
    (parts.tm_min, parts.tm_sec) = (Int32(clamping: minute), Int32(clamping: second))
    return timegm(&parts)
  }

  /// `2026-01-31`
  public func date(_ separator: String = "-") -> String {
    [padded(year, 4), padded(month, 2), padded(day, 2)].joined(separator: separator)
  }

  /// `23:59:59`
  public func time(_ separator: String = ":") -> String {
    [hour, minute, second].map { padded($0, 2) }.joined(separator: separator)
  }
}
