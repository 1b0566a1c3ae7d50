/// The compressed block that a decompressor reads from.
struct InputBlock: ~Copyable {
  let buffer: UnsafeMutableRawBufferPointer
  private(set) var start = 0
  private(set) var end = 0
  /// Compressed bytes consumed so far, for messages.
  private(set) var consumed = 0

  init(bytes: Int = 1 << 17) { buffer = .allocate(byteCount: bytes, alignment: 64) }

  deinit { buffer.deallocate() }

  var isEmpty: Bool { start == end }
  var count: Int { end - start }
  var pointer: UnsafeMutableRawPointer { buffer.baseAddress! + start }

  /// Four bytes as a little-endian number.
  func little(_ offset: Int) -> Int {
    Int(UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }

  /// False at the end of the source.
  mutating func refill(from source: any ByteSource) throws(ShardError) -> Bool {
    start = 0
    end = try source.read(into: buffer)
    return end > 0
  }

  mutating func advance(_ count: Int) {
    start += count
    consumed += count
  }
}
