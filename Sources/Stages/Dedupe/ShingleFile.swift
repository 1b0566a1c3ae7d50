import ShardKit
import TextKit

/// The shingle sets of some documents of one input file, for exact comparison: row, number of hashes, sorted distinct
/// hashes (all 64-bit, little-endian), by ascending row.
struct ShingleFileWriter: ~Copyable {
  private let sink: any ByteSink
  private var sketcher: SignatureHasher
  private var hashes: [UInt64] = []

  init(_ sink: any ByteSink, shape: SignatureShape, oldForms: Bool = false) {
    self.sink = sink
    sketcher = SignatureHasher(shape: shape, oldForms: oldForms)
  }

  mutating func append(row: Int, text: UnsafeRawBufferPointer) throws(ShardError) {
    hashes.removeAll(keepingCapacity: true)
    hashes.append(contentsOf: sketcher.shingles(text.bindMemory(to: UInt8.self)))
    let count = hashes.withUnsafeMutableBufferPointer { ShingleSet.sort($0) }
    hashes.removeLast(hashes.count - count)
    hashes.insert(contentsOf: [UInt64(row), UInt64(count)], at: 0)
    try sink.write(records: hashes[...])
  }
}

/// The shingle sets of all input files, by random access. Memory: twelve bytes per set.
struct ShingleSets {
  private let files: [MappedFile]
  private var documents: [UInt32] = []
  private var places: [(file: Int32, offset: Int)] = []

  /// `bases` are the numbers of the files' first documents.
  init(_ paths: [String], bases: [Int]) throws(ShardError) {
    var files: [MappedFile] = []
    for path in paths { files.append(try MappedFile(path)) }
    self.files = files
    for (part, file) in files.enumerated() {
      var offset = 0
      while offset + 16 <= file.bytes.count {
        documents.append(UInt32(bases[part] + file.bytes.load(fromByteOffset: offset, as: Int.self)))
        places.append((Int32(part), offset))
        offset += 16 + 8 * file.bytes.load(fromByteOffset: offset + 8, as: Int.self)
      }
      guard offset == file.bytes.count else {
        throw ShardError(.malformed, paths[part], "its last set is truncated", hint: "Run 'pipeline verify'.")
      }
    }
  }

  /// Exact Jaccard similarity of two documents whose sets are present.
  func jaccard(_ a: UInt32, _ b: UInt32) -> Double { ShingleSet.jaccard(hashes(a), hashes(b)) }

  /// The size of a document's set.
  func bytes(_ document: UInt32) -> Int { hashes(document).count * MemoryLayout<UInt64>.stride }

  private func hashes(_ document: UInt32) -> UnsafeBufferPointer<UInt64> {
    let (file, offset) = places[lowerBound(documents, document)]
    let bytes = files[Int(file)].bytes
    let first = (bytes.baseAddress! + offset + 16).assumingMemoryBound(to: UInt64.self)
    return UnsafeBufferPointer(start: first, count: bytes.load(fromByteOffset: offset + 8, as: Int.self))
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
