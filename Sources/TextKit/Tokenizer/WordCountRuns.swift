public import ShardKit

/// Sorted runs of counted words on disk.
///
/// A run is a zstd stream of records in ascending order of (XXH3 of the word, word): count, length (both LEB128), bytes.
/// Hash order merges as well as any other and needs no text comparisons.
public enum WordCountRuns {
  public static let fileSuffix = ".words.zst"

  /// Writes all words as one run into `sink`, which the caller commits.
  /// - Throws: what the sink throws.
  public static func write(_ words: borrowing WordCounts, to sink: any ByteSink) throws(ShardError) {
    var buffer: [UInt8] = []
    try words.forEachSorted { (word, count) throws(ShardError) in
      append(word, count, to: &buffer)
      if buffer.count >= 1 << 17 {
        try sink.write(buffer)
        buffer.removeAll(keepingCapacity: true)
      }
    }
    try sink.write(buffer)
  }

  private static func append(_ word: UnsafeBufferPointer<UInt8>, _ count: Int64, to buffer: inout [UInt8]) {
    append(UInt64(count), to: &buffer)
    append(UInt64(word.count), to: &buffer)
    buffer.append(contentsOf: word)
  }

  private static func append(_ number: UInt64, to buffer: inout [UInt8]) {
    var rest = number
    while rest >= 0x80 {
      buffer.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    buffer.append(UInt8(rest))
  }

  /// Maximum number of open runs; more are merged in rounds.
  static let fanIn = 128

  /// Calls `body` once for each distinct word of all runs with its total count, in run order. `temporaryDirectory` is
  /// used if there are more runs than can be open at once.
  /// - Throws: `ShardError` if a run cannot be read or written, or is damaged; what `body` throws.
  public static func merge(
    _ paths: [String], temporaryDirectory: String,
    _ body: (_ word: UnsafeBufferPointer<UInt8>, _ count: Int64) throws(ShardError) -> Void
  ) throws(ShardError) {
    var paths = paths
    var made = 0
    while paths.count > fanIn {
      let path = "\(temporaryDirectory)/merged-\(made)\(fileSuffix)"
      let sink = ZstdSink(try FileSink(path), level: 1)
      var buffer: [UInt8] = []
      try mergeAtOnce(Array(paths.prefix(fanIn))) { (word, count) throws(ShardError) in
        append(word, count, to: &buffer)
        if buffer.count >= 1 << 17 {
          try sink.write(buffer)
          buffer.removeAll(keepingCapacity: true)
        }
      }
      try sink.write(buffer)
      try sink.commit()
      paths.removeFirst(fanIn)
      paths.append(path)
      made += 1
    }
    try mergeAtOnce(paths, body)
  }

  private static func mergeAtOnce(
    _ paths: [String],
    _ body: (_ word: UnsafeBufferPointer<UInt8>, _ count: Int64) throws(ShardError) -> Void
  ) throws(ShardError) {
    var heap: [WordCountReader] = []
    for path in paths {
      let reader = try WordCountReader(path)
      if try reader.next() { heap.append(reader) }
    }
    for i in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(&heap, i) }
    var word: [UInt8] = []
    var hash: UInt64 = 0
    var count: Int64 = 0
    while let top = heap.first {
      if count > 0, top.hash == hash, top.isWord(word) {
        count &+= top.count
      } else {
        if count > 0 { try word.withUnsafeBufferPointer { (word) throws(ShardError) in try body(word, count) } }
        word.removeAll(keepingCapacity: true)
        word.append(contentsOf: top.word)
        (hash, count) = (top.hash, top.count)
      }
      if !(try top.next()) {
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
      }
      if !heap.isEmpty { sink(&heap, 0) }
    }
    if count > 0 { try word.withUnsafeBufferPointer { (word) throws(ShardError) in try body(word, count) } }
  }

  private static func sink(_ heap: inout [WordCountReader], _ start: Int) {
    let reader = heap[start]
    var i = start
    while true {
      var child = 2 * i + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(reader) else { break }
      heap[i] = heap[child]
      i = child
    }
    heap[i] = reader
  }
}

/// Reads one run.
private final class WordCountReader {
  private let source: any ByteSource
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var wordStart = 0
  private(set) var hash: UInt64 = 0
  private(set) var count: Int64 = 0

  init(_ path: String) throws(ShardError) {
    source = try openSource(path)
    buffer = .allocate(byteCount: 1 << 17, alignment: 16)
  }

  deinit { buffer.deallocate() }

  /// The current word, until `next`.
  var word: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[wordStart..<start]) }
  func isWord(_ other: [UInt8]) -> Bool { word.elementsEqual(other) }

  func precedes(_ other: WordCountReader) -> Bool {
    hash != other.hash ? hash < other.hash : word.lexicographicallyPrecedes(other.word)
  }

  /// False at the end.
  func next() throws(ShardError) -> Bool {
    if start == end, !(try fill(1)) { return false }
    count = Int64(truncatingIfNeeded: try number())
    let length = try number()
    guard count > 0, length < 1 << 28 else { throw malformed }
    guard try fill(Int(length)) else { throw malformed }
    wordStart = start
    start += Int(length)
    hash = recordHash(word)
    return true
  }

  private func number() throws(ShardError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 63, by: 7) {
      guard try fill(1) else { throw malformed }
      let byte = buffer[start]
      start += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw malformed
  }

  /// Makes `needed` bytes available after `start`; false if the run ends first.
  private func fill(_ needed: Int) throws(ShardError) -> Bool {
    if end - start >= needed { return true }
    let rest = UnsafeRawBufferPointer(rebasing: buffer[start..<end])
    if buffer.count < needed {
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: needed * 2, alignment: 16)
      larger.copyMemory(from: rest)
      buffer.deallocate()
      buffer = larger
    } else {
      buffer.copyMemory(from: rest)
    }
    (start, end) = (0, rest.count)
    while end < needed {
      let taken = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
      if taken == 0 { return false }
      end += taken
    }
    return true
  }

  private var malformed: ShardError {
    ShardError(.malformed, source.name, "is not a complete run of word counts", hint: "Run the stage again.")
  }
}
