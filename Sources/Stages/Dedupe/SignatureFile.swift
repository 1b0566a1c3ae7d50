import PipelineKit
import ShardKit
import TextKit

/// The layout of a signature file: blocks of up to 4,096 documents; each block has the signatures document by
/// document, then the band keys band by band, so that one band can be read alone. Little-endian.
struct SignatureLayout: Sendable {
  static let blockDocuments = 4096
  let shape: SignatureShape

  /// Signatures begin at multiples of eight bytes.
  var stride: Int { (shape.hashes * 2 + 7) & ~7 }
  var documentBytes: Int { stride + shape.bands * 8 }
  var blockBytes: Int { Self.blockDocuments * documentBytes }
}

/// Writes the signatures of documents to a file. Memory: one block.
struct SignatureWriter: ~Copyable {
  private let layout: SignatureLayout
  private let sink: any ByteSink
  private var sketcher: SignatureHasher
  private let signatures: UnsafeMutableRawBufferPointer
  private var keys: [UInt64]
  private var count = 0

  init(_ sink: any ByteSink, shape: SignatureShape, oldForms: Bool = false) {
    layout = SignatureLayout(shape: shape)
    self.sink = sink
    sketcher = SignatureHasher(shape: shape, oldForms: oldForms)
    signatures = .allocate(byteCount: SignatureLayout.blockDocuments * layout.stride, alignment: 64)
    signatures.initializeMemory(as: UInt8.self, repeating: 0)
    keys = Array(repeating: 0, count: SignatureLayout.blockDocuments * shape.bands)
  }

  deinit { signatures.deallocate() }

  mutating func append(_ text: [UInt8]) throws(ShardError) {
    let hashes = (signatures.baseAddress! + count * layout.stride).assumingMemoryBound(to: UInt16.self)
    text.withUnsafeBufferPointer { _ = sketcher.signature($0, into: hashes) }
    for band in 0..<layout.shape.bands {
      keys[band * SignatureLayout.blockDocuments + count] = layout.shape.bandKey(band, of: hashes)
    }
    count += 1
    if count == SignatureLayout.blockDocuments { try flush() }
  }

  private mutating func flush() throws(ShardError) {
    try sink.write(UnsafeRawBufferPointer(rebasing: signatures[..<(count * layout.stride)]))
    for band in 0..<layout.shape.bands {
      let start = band * SignatureLayout.blockDocuments
      try sink.write(records: keys[start..<(start + count)])
    }
    count = 0
  }

  /// Writes the last block; the caller commits the sink.
  mutating func finish() throws(ShardError) { if count > 0 { try flush() } }
}

/// Reads signature files by random access, for one thread. Memory: the keys of one block.
final class SignatureFiles {
  /// The documents of each file.
  let counts: [Int]
  private let layout: SignatureLayout
  private let files: RandomAccessFiles
  private let keys = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: SignatureLayout.blockDocuments)

  /// - Throws: `ShardError` if a file is not whole signatures.
  init(_ signatures: [ArtifactFile], shape: SignatureShape) throws(ShardError) {
    let layout = SignatureLayout(shape: shape)
    files = RandomAccessFiles(signatures.map { ($0.path, $0.bytes) })
    var counts: [Int] = []
    for file in signatures {
      guard Int(file.bytes) % layout.documentBytes == 0 else {
        throw ShardError(.malformed, file.path, "its signatures are incomplete", hint: "Run 'pipeline verify'.")
      }
      counts.append(Int(file.bytes) / layout.documentBytes)
    }
    self.counts = counts
    self.layout = layout
  }

  deinit { keys.deallocate() }

  /// What a signature takes in memory.
  var stride: Int { layout.stride }

  /// Where a row's block begins, how many documents it has, and the row's index among them.
  private func locate(_ row: Int, of file: Int) -> (start: Int, documents: Int, place: Int) {
    let (block, place) = row.quotientAndRemainder(dividingBy: SignatureLayout.blockDocuments)
    let documents = min(SignatureLayout.blockDocuments, counts[file] - block * SignatureLayout.blockDocuments)
    return (block * layout.blockBytes, documents, place)
  }

  /// Reads a signature into memory of `stride` bytes.
  func read(_ row: Int, of file: Int, into hashes: UnsafeMutableRawPointer) throws(ShardError) {
    let (start, _, place) = locate(row, of: file)
    try files.read(
      file, at: Int64(start + place * layout.stride),
      into: UnsafeMutableRawBufferPointer(start: hashes, count: layout.stride))
  }

  /// The keys of one band for every document of a file in order, block by block.
  func forEachKeyBlock(
    of file: Int, band: Int, _ body: (_ firstRow: Int, _ keys: UnsafeBufferPointer<UInt64>) throws -> Void
  ) throws {
    for row in Swift.stride(from: 0, to: counts[file], by: SignatureLayout.blockDocuments) {
      let (start, documents, _) = locate(row, of: file)
      let block = UnsafeMutableBufferPointer(rebasing: keys[..<documents])
      try files.read(
        file, at: Int64(start + documents * (layout.stride + band * 8)), into: UnsafeMutableRawBufferPointer(block))
      try body(row, UnsafeBufferPointer(block))
    }
  }
}
