import Glibc

/// A temporary file, not synced.
final class SpillFile {
  private let path: String
  private let descriptor: Int32
  private var isOpen = true

  init(_ path: String) throws(ShardError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be written") }
  }

  deinit { if isOpen { close(descriptor) } }

  /// Closes it: some file systems say only then that the disk is full.
  func finish() throws(ShardError) {
    isOpen = false
    guard close(descriptor) == 0 || errno == EINTR else { throw FileSystem.error(path, "cannot be written") }
  }

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
final class RunReader<Record: SortableRecord> {
  private let path: String
  private let source: FileSource
  private let block: PageBuffer<Record>
  private let records: UnsafeMutableBufferPointer<Record>
  private var position = 0
  private var count = 0
  private(set) var head: Record?

  init(_ path: String, _ block: PageBuffer<Record>) throws(ShardError) {
    self.path = path
    source = try FileSource(path)
    self.block = block
    records = block.records
    try advance()
  }

  func advance() throws(ShardError) {
    if position == count { try refill() }
    head = position < count ? records[position] : nil
    position += 1
  }

  private func refill() throws(ShardError) {
    let bytes = UnsafeMutableRawBufferPointer(records)
    var filled = 0
    while filled < bytes.count {
      let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
      if read == 0 { break }
      filled += read
    }
    guard filled % MemoryLayout<Record>.stride == 0 else {
      throw ShardError(.truncated, path, "ends within a record", hint: "Run again; check the disk of temporary files.")
    }
    position = 0
    count = filled / MemoryLayout<Record>.stride
  }
}

/// A binary heap of runs, ordered by their first records.
struct RunMerge<Record: SortableRecord> {
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
