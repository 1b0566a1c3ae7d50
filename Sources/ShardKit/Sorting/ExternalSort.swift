import Glibc

/// A record of fixed size that can be sorted on disk.
public protocol SortableRecord: BitwiseCopyable, Comparable {
  /// Consistent with `<` as far as it goes: a < b implies a.prefix <= b.prefix.
  var prefix: UInt64 { get }
}

/// Sorts any number of records within a memory limit: full buffers are sorted and spilled as runs, which are merged
/// while they are read, in several passes if they are many. O(n log n); not stable.
///
/// Everything it holds is counted: the records and as much again while they are sorted, or a block of each merged run. It
/// is mapped, not allocated, so that what is released leaves the process at once.
public final class ExternalSorter<Record: SortableRecord> {
  /// Less memory than this is not asked for.
  static var leastBytes: Int { 64 << 10 }
  private let scratch: String
  private let limits: SortLimits<Record>
  private let use = PageUse(within: PageUse.ofAllSorters)
  private var buffer: PageBuffer<Record>?
  private var records = UnsafeMutableBufferPointer<Record>(start: nil, count: 0)
  private var count = 0
  /// Records in runs.
  private var spilled = 0
  private var runs: [String] = []
  private var made = 0
  private let sortInMemory: Sort

  /// Sorts records, with room for as many.
  @usableFromInline
  typealias Sort = (UnsafeMutableBufferPointer<Record>, UnsafeMutableBufferPointer<Record>) -> Void

  /// - Parameters:
  ///   - scratch: the path prefix of the run files; they are removed when the sorter is released.
  ///   - memoryBytes: the most that it holds at once; `leastBytes` if that is more.
  @inlinable
  public convenience init(scratch: String, memoryBytes: Int) {
    self.init(scratch: scratch, memoryBytes: memoryBytes) { sortRecords($0, $1) }
  }

  @usableFromInline
  init(scratch: String, memoryBytes: Int, sort: @escaping Sort) {
    self.scratch = scratch
    sortInMemory = sort
    limits = SortLimits(memoryBytes: max(Self.leastBytes, memoryBytes))
  }

  deinit { for run in runs { unlink(run) } }

  /// Runs on disk.
  var spilledRuns: Int { runs.count }
  /// The most memory held at once so far.
  var mostBytes: Int { use.mostBytes }

  /// Adds a record; a full buffer is spilled.
  /// - Throws: `ShardError` if a run cannot be written, such as `.notFound` (no folder), `.permission` or `.diskFull`, or
  ///   if there is no memory (`.io`).
  public func append(_ record: Record) throws(ShardError) {
    if count == records.count { try makeRoom() }
    records[count] = record
    count += 1
  }

  private func makeRoom() throws(ShardError) {
    guard count < limits.capacity else { return try spill() }
    if let buffer {
      try buffer.grow(to: min(limits.capacity, 2 * count))
    } else {
      buffer = try PageBuffer(capacity: min(limits.capacity, 1024), for: scratch, countedBy: use)
    }
    records = buffer!.records
  }

  private func spill() throws(ShardError) {
    try sort()
    let file = try SpillFile(nextRun())
    try file.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: records[..<count])))
    try file.finish()
    spilled += count
    count = 0
  }

  private func nextRun() -> String {
    runs.append("\(scratch).run\(made)")
    made += 1
    return runs.last!
  }

  private func sort() throws(ShardError) {
    guard count > 1 else { return }
    let spare = try PageBuffer<Record>(capacity: count, for: scratch, countedBy: use)
    withExtendedLifetime(spare) { sortInMemory(UnsafeMutableBufferPointer(rebasing: records[..<count]), spare.records) }
  }

  private func releaseBuffer() {
    buffer = nil
    records = UnsafeMutableBufferPointer(start: nil, count: 0)
    count = 0
  }

  /// Calls `body` for every record in order, once; the sorter is empty afterwards.
  /// - Throws: `ShardError` if a run cannot be written or read, or if there is no memory; what `body` throws.
  public func drain(_ body: (Record) throws -> Void) throws {
    defer { releaseBuffer() }
    guard !runs.isEmpty else {
      try sort()
      for place in 0..<count { try body(records[place]) }
      return
    }
    if count > 0 { try spill() }
    releaseBuffer()
    while runs.count > limits.mergedRuns { try mergeSome() }
    let merged = runs
    runs = []
    defer { for run in merged { unlink(run) } }
    var given = 0
    try merge(merged, buffers: merged.count) { record in
      given += 1
      try body(record)
    }
    guard given == spilled else {
      throw ShardError(
        .truncated, scratch, "its sorted files gave \(given) of \(spilled) records",
        hint: "Run again; check the disk of temporary files.")
    }
    spilled = 0
  }

  /// As `drain`, with one call for equal records.
  /// - Throws: as `drain` does.
  public func forEachDistinct(_ body: (Record) throws -> Void) throws {
    var last: Record?
    try drain { record in
      if record != last { try body(record) }
      last = record
    }
  }

  /// Makes one run of as many as can be merged at once, or as need be.
  private func mergeSome() throws {
    let merged = Array(runs.prefix(min(limits.mergedRuns, runs.count - limits.mergedRuns + 1)))
    let path = nextRun()
    let file = try SpillFile(path)
    let buffers = merged.count + 1
    let block = try PageBuffer<Record>(capacity: limits.block(of: buffers), for: scratch, countedBy: use)
    var filled = 0
    func write() throws {
      try file.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: block.records[..<filled])))
      filled = 0
    }
    try withExtendedLifetime(block) {
      try merge(merged, buffers: buffers) { record in
        block.records[filled] = record
        filled += 1
        if filled == block.records.count { try write() }
      }
      try write()
    }
    try file.finish()
    for run in merged { unlink(run) }
    runs.removeFirst(merged.count)
  }

  private func merge(_ runs: [String], buffers: Int, _ body: (Record) throws -> Void) throws {
    var merge = RunMerge<Record>()
    for run in runs {
      let block = try PageBuffer<Record>(capacity: limits.block(of: buffers), for: run, countedBy: use)
      try merge.add(RunReader(run, block))
    }
    while let record = try merge.next() { try body(record) }
  }
}

/// What a sorter may hold.
struct SortLimits<Record> {
  /// Records in memory: half of it, since sorting takes as much again.
  let capacity: Int
  /// Runs that are merged at once: each has a block of at least 8 KiB and an open file.
  let mergedRuns: Int
  private let memoryBytes: Int

  init(memoryBytes: Int) {
    self.memoryBytes = memoryBytes
    capacity = PageUse.capacity(of: Record.self, memoryBytes / 2)
    mergedRuns = min(64, memoryBytes / (8 << 10) - 1)
  }

  /// Records of each of some equal blocks. Larger ones would not make it faster.
  func block(of buffers: Int) -> Int { PageUse.capacity(of: Record.self, min(4 << 20, memoryBytes / buffers)) }
}
