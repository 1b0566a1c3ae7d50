import Glibc

/// A record of fixed size that can be sorted on disk.
public protocol SortableRecord: BitwiseCopyable, Comparable {
  /// Consistent with `<` as far as it goes: a < b implies a.prefix <= b.prefix.
  var prefix: UInt64 { get }
}

/// Sorts any number of records within a memory limit: full buffers are sorted and spilled as runs, which are merged
/// while they are read. Two buffers share the memory. O(n log n); not stable.
public final class ExternalSorter<Record: SortableRecord> {
  private let scratch: String
  private let capacity: Int
  private let memoryBytes: Int
  private var buffer: UnsafeMutableBufferPointer<Record>
  private var count = 0
  private var runs: [String] = []

  /// `scratch` is the path prefix of the run files; they are removed when the sorter is released.
  public init(scratch: String, memoryBytes: Int) {
    self.scratch = scratch
    self.memoryBytes = memoryBytes
    capacity = max(1024, memoryBytes / (2 * MemoryLayout<Record>.stride))
    buffer = .allocate(capacity: min(capacity, 1024))
  }

  deinit {
    buffer.deallocate()
    for run in runs { unlink(run) }
  }

  /// Runs spilled so far.
  var spilledRuns: Int { runs.count }

  /// Adds a record; a full buffer is spilled.
  /// - Throws: `ShardError` if a run cannot be written, such as `.notFound` (no folder), `.permission` or `.diskFull`.
  public func append(_ record: Record) throws(ShardError) {
    if count == buffer.count { try makeRoom() }
    buffer[count] = record
    count += 1
  }

  private func makeRoom() throws(ShardError) {
    guard buffer.count < capacity else { return try spill() }
    let larger = UnsafeMutableBufferPointer<Record>.allocate(capacity: min(capacity, buffer.count * 2))
    _ = larger.update(fromContentsOf: UnsafeBufferPointer(rebasing: buffer[..<count]))
    buffer.deallocate()
    buffer = larger
  }

  private func spill() throws(ShardError) {
    let sorted = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
    sortRecords(sorted)
    let path = "\(scratch).run\(runs.count)"
    let file = try SpillFile(path)
    runs.append(path)
    try file.write(UnsafeRawBufferPointer(sorted))
    count = 0
  }

  /// Calls `body` for every record in order, once; the sorter is empty afterwards.
  /// - Throws: `ShardError` if a run cannot be written or read; what `body` throws.
  public func drain(_ body: (Record) throws -> Void) throws {
    guard !runs.isEmpty else {
      let sorted = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
      sortRecords(sorted)
      for record in sorted { try body(record) }
      count = 0
      return
    }
    if count > 0 { try spill() }
    buffer.deallocate()
    buffer = .allocate(capacity: 0)
    let block = max(1 << 12, memoryBytes / (runs.count * MemoryLayout<Record>.stride))
    var merge = RunMerge<Record>()
    for run in runs { try merge.add(RunReader(run, records: block)) }
    while let record = try merge.next() { try body(record) }
  }
}

/// A temporary file, not synced.
private final class SpillFile {
  private let path: String
  private let descriptor: Int32

  init(_ path: String) throws(ShardError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be written") }
  }

  deinit { close(descriptor) }

  func write(_ bytes: UnsafeRawBufferPointer) throws(ShardError) {
    var rest = bytes
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw FileSystem.error(path, "cannot be written")
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }
}

/// Reads a sorted run block by block.
private final class RunReader<Record: SortableRecord> {
  private let source: FileSource
  private let block: UnsafeMutableBufferPointer<Record>
  private var position = 0
  private var count = 0
  private(set) var head: Record?

  init(_ path: String, records: Int) throws(ShardError) {
    source = try FileSource(path)
    block = .allocate(capacity: records)
    try advance()
  }

  deinit { block.deallocate() }

  func advance() throws(ShardError) {
    if position == count { try refill() }
    head = position < count ? block[position] : nil
    position += 1
  }

  private func refill() throws(ShardError) {
    let bytes = UnsafeMutableRawBufferPointer(block)
    var filled = 0
    while filled < bytes.count {
      let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
      if read == 0 { break }
      filled += read
    }
    position = 0
    count = filled / MemoryLayout<Record>.stride
  }
}

/// A binary heap of runs, ordered by their first records.
private struct RunMerge<Record: SortableRecord> {
  private var heap: [RunReader<Record>] = []

  mutating func add(_ run: RunReader<Record>) {
    guard run.head != nil else { return }
    heap.append(run)
    var child = heap.count - 1
    while child > 0, heap[child].head! < heap[(child - 1) / 2].head! {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func next() throws(ShardError) -> Record? {
    guard let least = heap.first, let record = least.head else { return nil }
    try least.advance()
    if least.head == nil {
      heap.swapAt(0, heap.count - 1)
      heap.removeLast()
    }
    siftDown()
    return record
  }

  private mutating func siftDown() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
        if heap[child].head! < heap[least].head! { least = child }
      }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}

/// Sorts in memory, using as much memory again: by the top 22 bits of the prefixes' range (two counting passes), then
/// each small segment by comparison.
func sortRecords<Record: SortableRecord>(_ records: UnsafeMutableBufferPointer<Record>) {
  var records = records
  guard records.count > 256 else { return records.sort() }
  var least = UInt64.max
  var greatest = UInt64.min
  for record in records {
    least = min(least, record.prefix)
    greatest = max(greatest, record.prefix)
  }
  let spanBits = 64 - (greatest - least).leadingZeroBitCount
  let shift = max(0, spanBits - 22)
  let other = UnsafeMutableBufferPointer<Record>.allocate(capacity: records.count)
  defer { other.deallocate() }
  count(records, into: other) { Int(truncatingIfNeeded: (($0.prefix - least) >> UInt64(shift)) & 0x7FF) }
  count(UnsafeMutableBufferPointer(rebasing: other[...]), into: records) {
    Int(truncatingIfNeeded: ($0.prefix - least) >> UInt64(shift + 11))
  }
  var start = 0
  while start < records.count {
    let digits = (records[start].prefix - least) >> UInt64(shift)
    var end = start + 1
    while end < records.count, (records[end].prefix - least) >> UInt64(shift) == digits { end += 1 }
    if end - start > 1 { records[start..<end].sort() }
    start = end
  }
}

/// One stable counting pass by an 11-bit digit.
private func count<Record: SortableRecord>(
  _ source: UnsafeMutableBufferPointer<Record>, into target: UnsafeMutableBufferPointer<Record>,
  by digit: (Record) -> Int
) {
  withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << 11) { places in
    places.update(repeating: 0)
    for record in source { places[digit(record)] += 1 }
    var sum = 0
    for i in places.indices { (places[i], sum) = (sum, sum + places[i]) }
    for record in source {
      let d = digit(record)
      target[places[d]] = record
      places[d] += 1
    }
  }
}
