import CKernels
import Glibc

/// Records in pages of their own: unlike memory of `malloc`, they go back to the system as soon as the buffer is released.
final class PageBuffer<Record: BitwiseCopyable> {
  /// Not initialized beyond what was written.
  private(set) var records: UnsafeMutableBufferPointer<Record>
  private let name: String
  private let use: PageUse
  private var bytes: Int

  /// - Parameters:
  ///   - name: what the memory is for, for errors: a path.
  ///   - use: counts the bytes.
  /// - Throws: `ShardError` (`.io`) if there is no memory.
  init(capacity: Int, for name: String, countedBy use: PageUse) throws(ShardError) {
    (self.name, self.use) = (name, use)
    bytes = PageUse.bytes(of: Record.self, capacity)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0), start != MAP_FAILED else {
      throw FileSystem.error(name, "cannot be sorted")
    }
    records = Self.records(start, capacity)
    use.change(by: bytes)
  }

  deinit {
    munmap(records.baseAddress!, bytes)
    use.change(by: -bytes)
  }

  /// Makes room for more records; those written stay. Copies nothing.
  /// - Throws: `ShardError` (`.io`) if there is no memory.
  func grow(to capacity: Int) throws(ShardError) {
    let larger = PageUse.bytes(of: Record.self, capacity)
    guard let start = pl_resize_pages(records.baseAddress!, bytes, larger) else {
      throw FileSystem.error(name, "cannot be sorted")
    }
    records = Self.records(start, capacity)
    use.change(by: larger - bytes)
    bytes = larger
  }

  private static func records(_ start: UnsafeMutableRawPointer, _ count: Int) -> UnsafeMutableBufferPointer<Record> {
    UnsafeMutableBufferPointer(start: start.bindMemory(to: Record.self, capacity: count), count: count)
  }
}

/// Counts the bytes of pages that are mapped for one purpose. Not for several threads.
final class PageUse: @unchecked Sendable {
  /// Counts what every sorter holds that is made in its scope.
  @TaskLocal static var ofAllSorters: PageUse?
  private let whole: PageUse?
  private(set) var bytes = 0
  /// The most at once.
  private(set) var mostBytes = 0

  /// - Parameter whole: counts these bytes too.
  init(within whole: PageUse? = nil) { self.whole = whole }

  func change(by bytes: Int) {
    self.bytes += bytes
    mostBytes = max(mostBytes, self.bytes)
    whole?.change(by: bytes)
  }

  private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))

  /// Whole pages that hold some records.
  static func bytes<Record>(of _: Record.Type, _ count: Int) -> Int {
    (max(1, count) * MemoryLayout<Record>.stride + page - 1) / page * page
  }

  /// How many records fit into whole pages of at most `bytes`.
  static func capacity<Record>(of _: Record.Type, _ bytes: Int) -> Int {
    bytes / page * page / MemoryLayout<Record>.stride
  }
}
