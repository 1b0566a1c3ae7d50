import Glibc
import ShardKit

/// What a run takes of its machine: disk of the store, memory and processor time of this process.
struct MachineFigures: Sendable {
  var families: [MetricFamily] = []

  /// - Parameter store: the store's folder, or one above it if it is not there yet.
  init(store: String) {
    var disk = statvfs()
    if statvfs(store, &disk) == 0 {
      let unit = Double(disk.f_frsize)
      add("pipeline_store_free_bytes", "Free space for the store.", Double(disk.f_bavail) * unit)
      add("pipeline_store_size_bytes", "Size of the store's file system.", Double(disk.f_blocks) * unit)
      if disk.f_files > 0 {
        add("pipeline_store_free_inodes", "Files that can still be created.", Double(disk.f_favail))
      }
    }
    if let resident = Self.residentBytes() {
      add("pipeline_process_resident_memory_bytes", "Memory of the runner, without its workers.", resident)
    }
    add(
      "pipeline_process_cpu_seconds_total", "Processor time of the runner and of its workers that have ended.",
      Self.processorSeconds(), .counter)
  }

  private mutating func add(_ name: String, _ help: String, _ value: Double, _ kind: MetricFamily.Kind = .gauge) {
    families.append(MetricFamily(name, help, kind, [.init(value)]))
  }

  /// The second number of /proc/self/statm, in pages.
  private static func residentBytes() -> Double? {
    guard let text = try? FileSystem.read("/proc/self/statm", limit: 4096) else { return nil }
    let words = String(decoding: text, as: UTF8.self).split(separator: " ")
    guard words.count > 1, let pages = Double(words[1]) else { return nil }
    return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
  }

  private static func processorSeconds() -> Double {
    var own = rusage(), children = rusage()
    getrusage(RUSAGE_SELF.rawValue, &own)
    getrusage(RUSAGE_CHILDREN.rawValue, &children)
    return [own.ru_utime, own.ru_stime, children.ru_utime, children.ru_stime].reduce(0) {
      $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6
    }
  }
}
