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

/// Reads a signature file by random access.
struct SignatureReader: Sendable {
  let count: Int
  private let layout: SignatureLayout
  private let file: MappedFile

  init(_ path: String, shape: SignatureShape) throws(ShardError) {
    layout = SignatureLayout(shape: shape)
    file = try MappedFile(path)
    count = file.bytes.count / layout.documentBytes
    guard count * layout.documentBytes == file.bytes.count else {
      throw ShardError(.malformed, path, "its signatures are incomplete", hint: "Run 'pipeline verify'.")
    }
  }

  /// Where a row's block begins, how many documents it has, and the row's index among them.
  private func locate(_ row: Int) -> (start: Int, documents: Int, place: Int) {
    let (block, place) = row.quotientAndRemainder(dividingBy: SignatureLayout.blockDocuments)
    let documents = min(SignatureLayout.blockDocuments, count - block * SignatureLayout.blockDocuments)
    return (block * layout.blockBytes, documents, place)
  }

  func hashes(_ row: Int) -> UnsafePointer<UInt16> {
    let (start, _, place) = locate(row)
    return (file.bytes.baseAddress! + start + place * layout.stride).assumingMemoryBound(to: UInt16.self)
  }

  /// The keys of one band for every document in order, block by block.
  func forEachKeyBlock(
    band: Int, _ body: (_ firstRow: Int, _ keys: UnsafeBufferPointer<UInt64>) throws -> Void
  ) throws {
    for row in stride(from: 0, to: count, by: SignatureLayout.blockDocuments) {
      let (start, documents, _) = locate(row)
      let keys = file.bytes.baseAddress! + start + documents * (layout.stride + band * 8)
      try body(row, UnsafeBufferPointer(start: keys.assumingMemoryBound(to: UInt64.self), count: documents))
    }
  }

  func release() { file.release() }
}
