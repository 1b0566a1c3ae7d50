import PipelineKit
import ShardKit
import TextKit

/// The shingle sets of some documents of one input file, for exact comparison, by ascending row: the number of hashes and
/// the sorted distinct hashes of each, then the table of rows and offsets, then the number of sets. All 64-bit,
/// little-endian. A file without sets is empty.
struct ShingleFileWriter: ~Copyable {
  private let sink: any ByteSink
  private var sketcher: SignatureHasher
  private var hashes: [UInt64] = []
  private var table: [UInt64] = []
  private var offset: UInt64 = 0

  init(_ sink: any ByteSink, shape: SignatureShape, oldForms: Bool = false) {
    self.sink = sink
    sketcher = SignatureHasher(shape: shape, oldForms: oldForms)
  }

  mutating func append(row: Int, text: UnsafeRawBufferPointer) throws(ShardError) {
    hashes.removeAll(keepingCapacity: true)
    hashes.append(contentsOf: sketcher.shingles(text.bindMemory(to: UInt8.self)))
    let count = hashes.withUnsafeMutableBufferPointer { ShingleSet.sort($0) }
    hashes.removeLast(hashes.count - count)
    try sink.write(record: UInt64(count))
    try sink.write(records: hashes[...])
    table.append(contentsOf: [UInt64(row), offset])
    offset += UInt64(8 + 8 * count)
  }

  /// Writes the table; the caller commits the sink.
  func finish() throws(ShardError) {
    guard !table.isEmpty else { return }
    try sink.write(records: table[...])
    try sink.write(record: UInt64(table.count / 2))
  }
}

/// The shingle sets of all input files, by random access.
struct ShingleSets {
  private let files: [MappedFile]
  /// The number of each file's first document, then the total.
  private let bases: [Int]

  /// - Throws: `ShardError` if a file cannot be opened, or is not whole sets.
  init(_ paths: [String], bases: [Int]) throws(ShardError) {
    self.bases = bases
    var files: [MappedFile] = []
    for path in paths {
      let file = try MappedFile(path)
      guard file.bytes.isEmpty || Self.hasTable(file.bytes) else { throw Self.damaged(path) }
      files.append(file)
    }
    self.files = files
  }

  private static func hasTable(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 32 && bytes.count % 8 == 0 && Int(clamping: word(bytes, bytes.count - 8)) <= (bytes.count - 8) / 24
  }

  private static func damaged(_ path: String) -> ShardError {
    ShardError(.malformed, path, "its sets are incomplete", hint: "Run 'pipeline verify'.")
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    bytes.load(fromByteOffset: offset, as: UInt64.self)
  }

  /// Exact Jaccard similarity of two documents.
  /// - Throws: `ShardError` (`.malformed`) if a document's set is missing.
  func jaccard(_ a: UInt32, _ b: UInt32) throws(ShardError) -> Double {
    ShingleSet.jaccard(try hashes(a), try hashes(b))
  }

  /// The size of a document's set.
  /// - Throws: `ShardError` (`.malformed`) if it is missing.
  func bytes(_ document: UInt32) throws(ShardError) -> Int { try hashes(document).count * MemoryLayout<UInt64>.stride }

  private func hashes(_ document: UInt32) throws(ShardError) -> UnsafeBufferPointer<UInt64> {
    let part = lowerBound(bases, Int(document) + 1) - 1
    let bytes = files[part].bytes
    let row = UInt64(Int(document) - bases[part])
    let count = bytes.isEmpty ? 0 : Int(Self.word(bytes, bytes.count - 8))
    let table = bytes.count - 8 - 16 * count
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if Self.word(bytes, table + 16 * middle) < row { low = middle + 1 } else { high = middle }
    }
    guard low < count, Self.word(bytes, table + 16 * low) == row else { throw Self.damaged(files[part].path) }
    let offset = Int(clamping: Self.word(bytes, table + 16 * low + 8))
    guard offset <= table - 8, Self.word(bytes, offset) <= UInt64((table - 8 - offset) / 8) else {
      throw Self.damaged(files[part].path)
    }
    let first = (bytes.baseAddress! + offset + 8).assumingMemoryBound(to: UInt64.self)
    return UnsafeBufferPointer(start: first, count: Int(Self.word(bytes, offset)))
  }

  func release() { for file in files { file.release() } }
}

/// The index of the first element in a sorted array that is not below `value`.
func lowerBound<Value: Comparable>(_ sorted: [Value], _ value: Value) -> Int {
  var low = 0
  var high = sorted.count
  while low < high {
    let middle = (low + high) / 2
    if sorted[middle] < value { low = middle + 1 } else { high = middle }
  }
  return low
}
