import ShardKit
import TrainerCore

/// A measurement of all-reduce bandwidth as a table.
struct AllReduceTable {
  let result: AllReduceResult

  init(_ result: AllReduceResult) { self.result = result }

  var markdown: String {
    var text = """
      # All-reduce bandwidth

      \(result.processes) processes, \(result.backend), \(result.device), torch \(result.torch). Algorithm bandwidth is the message \
      per time; bus bandwidth is that times 2·(n−1)/n for n processes, what each link carries.

      | message | time | algorithm bandwidth, GB/s | bus bandwidth, GB/s |
      |--:|--:|--:|--:|

      """
    for point in result.points {
      text +=
        "| \(binarySize(point.bytes)) | \(Self.time(point.seconds)) | \(Self.gigabytes(point.algorithmBytesPerSecond)) "
        + "| \(Self.gigabytes(point.busBytesPerSecond)) |\n"
    }
    return text
  }

  /// "64 MiB in 1.23 ms, 95.4 GB/s"
  static func line(_ point: AllReducePoint) -> String {
    "\(binarySize(point.bytes)) in \(time(point.seconds)), \(gigabytes(point.busBytesPerSecond)) GB/s"
  }

  private static func time(_ seconds: Double) -> String {
    seconds < 1e-3 ? "\(fixed(seconds * 1e6, 1)) µs" : "\(fixed(seconds * 1e3, 2)) ms"
  }

  private static func gigabytes(_ bytesPerSecond: Double) -> String {
    fixed(bytesPerSecond / 1e9, bytesPerSecond < 1e10 ? 3 : 1)
  }
}
