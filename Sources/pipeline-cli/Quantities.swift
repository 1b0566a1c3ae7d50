import Glibc
import ShardKit
import Stages

/// Formats numbers for people. Independent of the locale, so that logs can be compared.
enum Quantities {
  /// `1,234,567`
  static func count(_ number: Int) -> String { grouped(number) }

  /// `950`, `12.3k`, `4.56M`
  static func short(_ number: Double) -> String {
    if abs(number) < 1000 { return "\(Int(number.rounded()))" }
    if number < 1e6 { return fixed(number / 1e3, number < 1e4 ? 2 : 1) + "k" }
    if number < 1e9 { return fixed(number / 1e6, number < 1e7 ? 2 : 1) + "M" }
    return fixed(number / 1e9, 2) + "G"
  }

  /// `950 B`, `12.3 kB`, `1.20 GB`: decimal units.
  static func bytes(_ number: Int64) -> String {
    let value = Double(number)
    if number < 1000 { return "\(number) B" }
    if value < 1e6 { return fixed(value / 1e3, 1) + " kB" }
    if value < 1e9 { return fixed(value / 1e6, 1) + " MB" }
    return fixed(value / 1e9, 2) + " GB"
  }

  /// Formats a stage's metric, as bytes if its name says so: `1,234`, `0.248`, `37.2 MB`.
  static func figure(_ value: Double, of name: String) -> String {
    if name == "bytes" || name.hasSuffix("Bytes"), value >= 0, value < 9e18 { return bytes(Int64(value)) }
    if value == value.rounded(), abs(value) < 9e18 { return count(Int(value)) }
    return fixed(value, abs(value) < 1 ? 4 : abs(value) < 100 ? 3 : 1)
  }

  /// `41.2 MB/s`
  static func rate(_ bytesPerSecond: Double) -> String {
    let value = bytesPerSecond / 1e6
    return fixed(value, value < 9.95 ? 2 : value < 99.5 ? 1 : 0) + " MB/s"
  }

  /// `0.42 s`, `12.3 s`, `3m07s`, `2h05m`
  static func duration(milliseconds: Int) -> String {
    let seconds = Double(milliseconds) / 1000
    if seconds < 9.995 { return fixed(seconds, 2) + " s" }
    if seconds < 59.95 { return fixed(seconds, 1) + " s" }
    let whole = Int(seconds.rounded())
    if whole < 3600 { return "\(whole / 60)m\(padded(whole % 60, 2))s" }
    return "\(whole / 3600)h\(padded(whole / 60 % 60, 2))m"
  }

  /// `1:07`, `2:05:09`
  static func clock(milliseconds: Int) -> String {
    let seconds = milliseconds / 1000
    if seconds < 3600 { return "\(seconds / 60):\(padded(seconds % 60, 2))" }
    return "\(seconds / 3600):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
  }

  /// `2026-11-21 23:27:08`, in local time.
  static func moment(milliseconds: Int) -> String {
    let moment = CivilTime(secondsSince1970: milliseconds / 1000, isLocal: true)
    return "\(moment.date()) \(moment.time())"
  }

  /// `3 tasks`, `1 task`
  static func plural(_ number: Int, _ noun: String) -> String { "\(count(number)) \(noun)\(number == 1 ? "" : "s")" }
}
