import PipelineKit
import ShardKit

/// Files of ascending records that begin with a document's number, of which the records of some documents are read.
final class RecordsByDocument<Record: BitwiseCopyable> {
  private let files: RandomAccessFiles
  private let number: (Record) -> UInt32
  private let block = UnsafeMutableBufferPointer<Record>.allocate(capacity: 8192)

  /// - Parameter number: of the document by which a record is ordered.
  /// - Throws: `ShardError` if a file is not whole records.
  init(_ records: [ArtifactFile], number: @escaping (Record) -> UInt32) throws(ShardError) {
    files = RandomAccessFiles(records.map { ($0.path, $0.bytes) })
    self.number = number
    for file in records where Int(file.bytes) % MemoryLayout<Record>.stride != 0 {
      throw ShardError(.malformed, file.path, "its records are incomplete", hint: "Run 'pipeline verify'.")
    }
  }

  deinit { block.deallocate() }

  /// File by file.
  func forEach(of documents: Range<Int>, _ body: (Record) throws -> Void) throws {
    for file in files.sizes.indices {
      let last = try place(of: documents.upperBound, in: file)
      var next = try place(of: documents.lowerBound, in: file)
      while next < last {
        let part = UnsafeMutableBufferPointer(rebasing: block[..<min(block.count, last - next)])
        try read(part, at: next, of: file)
        for record in part { try body(record) }
        next += part.count
      }
    }
  }

  /// The number of records of lower documents.
  private func place(of document: Int, in file: Int) throws -> Int {
    var (low, high) = (0, Int(files.sizes[file]) / MemoryLayout<Record>.stride)
    let one = UnsafeMutableBufferPointer(rebasing: block[..<1])
    while low < high {
      let middle = (low + high) / 2
      try read(one, at: middle, of: file)
      if Int(number(one[0])) < document { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func read(_ records: UnsafeMutableBufferPointer<Record>, at place: Int, of file: Int) throws {
    try files.read(file, at: Int64(place * MemoryLayout<Record>.stride), into: UnsafeMutableRawBufferPointer(records))
  }
}
