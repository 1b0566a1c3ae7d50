import ShardKit
import TextKit

/// Where things stand in a file of sketches: blocks of up to 4,096 documents, each block its sketches document by
/// document, then its band keys band by band, so that one band is read without the others. Little-endian.
struct SketchLayout: Sendable {
  static let blockDocuments = 4096
  let shape: SketchShape

  /// Sketches begin at multiples of eight bytes.
  var stride: Int { (shape.lanes * 2 + 7) & ~7 }
  var documentBytes: Int { stride + shape.bands * 8 }
  var blockBytes: Int { Self.blockDocuments * documentBytes }
}

/// Sketches documents into a file. Memory: one block.
struct SketchWriter: ~Copyable {
  private let layout: SketchLayout
  private let sink: any ByteSink
  private var sketcher: Sketcher
  private let sketches: UnsafeMutableRawBufferPointer
  private var keys: [UInt64]
  private var count = 0

  init(_ sink: any ByteSink, shape: SketchShape, oldForms: Bool = false) {
    layout = SketchLayout(shape: shape)
    self.sink = sink
    sketcher = Sketcher(shape: shape, oldForms: oldForms)
    sketches = .allocate(byteCount: SketchLayout.blockDocuments * layout.stride, alignment: 64)
    sketches.initializeMemory(as: UInt8.self, repeating: 0)
    keys = Array(repeating: 0, count: SketchLayout.blockDocuments * shape.bands)
  }

  deinit { sketches.deallocate() }

  mutating func append(_ text: [UInt8]) throws(ShardError) {
    let lanes = (sketches.baseAddress! + count * layout.stride).assumingMemoryBound(to: UInt16.self)
    text.withUnsafeBufferPointer { _ = sketcher.sketch($0, into: lanes) }
    for band in 0..<layout.shape.bands {
      keys[band * SketchLayout.blockDocuments + count] = layout.shape.bandKey(band, of: lanes)
    }
    count += 1
    if count == SketchLayout.blockDocuments { try flush() }
  }

  private mutating func flush() throws(ShardError) {
    try sink.write(UnsafeRawBufferPointer(rebasing: sketches[..<(count * layout.stride)]))
    for band in 0..<layout.shape.bands {
      let start = band * SketchLayout.blockDocuments
      try sink.write(records: keys[start..<(start + count)])
    }
    count = 0
  }

  /// Writes the last block; the sink is still to be committed.
  mutating func finish() throws(ShardError) { if count > 0 { try flush() } }
}

/// Reads a file of sketches at random.
struct SketchReader: Sendable {
  let count: Int
  private let layout: SketchLayout
  private let file: MappedFile

  init(_ path: String, shape: SketchShape) throws(ShardError) {
    layout = SketchLayout(shape: shape)
    file = try MappedFile(path)
    count = file.bytes.count / layout.documentBytes
    guard count * layout.documentBytes == file.bytes.count else {
      throw ShardError(.malformed, path, "it does not hold whole sketches", hint: "Run 'pipeline verify'.")
    }
  }

  /// Where a row's block begins, how many documents it holds, and the row's place among them.
  private func locate(_ row: Int) -> (start: Int, documents: Int, place: Int) {
    let (block, place) = row.quotientAndRemainder(dividingBy: SketchLayout.blockDocuments)
    let documents = min(SketchLayout.blockDocuments, count - block * SketchLayout.blockDocuments)
    return (block * layout.blockBytes, documents, place)
  }

  func lanes(_ row: Int) -> UnsafePointer<UInt16> {
    let (start, _, place) = locate(row)
    return (file.bytes.baseAddress! + start + place * layout.stride).assumingMemoryBound(to: UInt16.self)
  }

  /// The keys of one band for every document in turn, block by block.
  func forEachKeyBlock(
    band: Int, _ body: (_ firstRow: Int, _ keys: UnsafeBufferPointer<UInt64>) throws -> Void
  ) throws {
    for row in stride(from: 0, to: count, by: SketchLayout.blockDocuments) {
      let (start, documents, _) = locate(row)
      let keys = file.bytes.baseAddress! + start + documents * (layout.stride + band * 8)
      try body(row, UnsafeBufferPointer(start: keys.assumingMemoryBound(to: UInt64.self), count: documents))
    }
  }

  func release() { file.release() }
}
