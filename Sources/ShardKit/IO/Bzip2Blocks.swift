import CKernels
import Glibc

/// The blocks of a bzip2 file from one of them on, decoded in a fifth of the time of libbz2. The blocks of consecutive
/// streams are read as those of one.
///
/// A block is handed out before its checksum is known. A damaged one is an error that reading can go on behind.
public final class Bzip2Blocks: ByteSource {
  /// What decoding holds, roughly.
  public static let memoryBytes = 12 << 20

  public let name: String
  /// The bit at which the block begins that was read last.
  public private(set) var place: Int64 = 0
  private let source: FileSource
  private let decoder: OpaquePointer
  private let input: UnsafeMutableRawBufferPointer
  /// Bytes of input, and the file's offset of the first.
  private var filled = 0
  private var offset: Int64
  private var isAtEnd = false
  /// The next bit of the input.
  private var bit: UInt64
  /// Whether a block was decoded whose end was not reached.
  private var isInBlock = false
  /// Whether what begins at `bit` could not be decoded.
  private var isStuck = false

  /// Where the blocks of a file begin, in bits: wherever the 48 bits of their magic number are. One pass.
  /// - Throws: `ShardError` if the file cannot be read.
  public static func places(_ path: String) throws(ShardError) -> [Int64] {
    try places(path, bufferBytes: 1 << 20 - Int(PL_BUNZIP_PADDING))
  }

  /// - Parameter room: bytes that are searched at once, seven or more.
  static func places(_ path: String, bufferBytes room: Int) throws(ShardError) -> [Int64] {
    let source = try FileSource(path)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: room + Int(PL_BUNZIP_PADDING), alignment: 64)
    defer { block.deallocate() }
    var places: [Int64] = []
    var filled = 0, offset: Int64 = 0
    var bit: UInt64 = 0
    while true {
      let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: block[filled..<room]))
      if count == 0 { return places }
      filled += count
      let bytes = block.baseAddress!.assumingMemoryBound(to: UInt8.self)
      while case let found = pl_bunzip_find(bytes, filled, bit), found != .max {
        places.append(offset * 8 + Int64(found))
        bit = found + 1
      }
      let next = firstCut(filled), start = Int(next / 8)
      memmove(block.baseAddress!, block.baseAddress! + start, filled - start)
      offset += Int64(start)
      filled -= start
      bit = next % 8
    }
  }

  /// The first bit of so many bytes at which a beginning may be cut by their end: those before it are whole.
  private static func firstCut(_ bytes: Int) -> UInt64 { UInt64(max(0, bytes * 8 - 47)) }

  /// - Parameter start: the bit at which a block begins, or 0 for the first of the file.
  /// - Throws: `ShardError` if the file cannot be opened, or if there is no memory (`.io`).
  public convenience init(_ path: String, from start: Int64) throws(ShardError) {
    try self.init(path, from: start, bufferBytes: 4 << 20 - Int(PL_BUNZIP_PADDING))
  }

  /// - Parameter room: bytes of the file that are held: a block must fit.
  init(_ path: String, from start: Int64, bufferBytes room: Int) throws(ShardError) {
    name = path
    offset = start / 8
    bit = start == 0 ? 32 : UInt64(start % 8)
    source = try FileSource(path, offset: start / 8)
    guard let decoder = pl_bunzip_new() else { throw noMemory(path, "bzip2") }
    self.decoder = decoder
    input = UnsafeMutableRawBufferPointer.allocate(byteCount: room + Int(PL_BUNZIP_PADDING), alignment: 64)
  }

  deinit {
    pl_bunzip_free(decoder)
    input.deallocate()
  }

  /// Decompresses bytes of one block into the buffer; 0 means the end.
  /// - Throws: `ShardError`: a block is damaged (`.malformed`) or cut off (`.truncated`); what reading the file throws.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    while true {
      if !isInBlock, try !decode() { return 0 }
      let count = pl_bunzip_take(
        decoder, buffer.baseAddress!.assumingMemoryBound(to: UInt8.self), buffer.count)
      if count > 0 { return count }
      isInBlock = false
      guard pl_bunzip_is_intact(decoder) != 0 else { throw damage }
    }
  }

  /// Goes to the next block behind what failed. False if there is none.
  /// - Throws: `ShardError` if the file cannot be read.
  public func skipDamaged() throws(ShardError) -> Bool {
    guard isStuck else { return true }
    isStuck = false
    bit += 1
    while true {
      let found = pl_bunzip_find(bytes, filled, bit)
      if found != .max {
        bit = found
        return true
      }
      if isAtEnd { return false }
      bit = max(bit, Self.firstCut(filled))
      try fill(Int(PL_BUNZIP_BLOCK_BYTES))
    }
  }

  // MARK: Decoding

  /// Decodes the next block. False at the end of the last stream.
  private func decode() throws(ShardError) -> Bool {
    guard try beginBlock() else { return false }
    place = offset * 8 + Int64(bit)
    switch Int(pl_bunzip_read(decoder, bytes, filled, &bit)) {
    case Int(PL_BUNZIP_OK):
      isInBlock = true
      return true
    case Int(PL_BUNZIP_SHORT):
      isStuck = true
      throw truncated(name, "bzip2", Int(place / 8))
    default:
      isStuck = true
      throw damage
    }
  }

  private var damage: ShardError { damaged(name, "bzip2", Int(place / 8), "a checksum or the data is wrong") }

  /// Goes to the next block, over the ends of streams. False at the end of the last one.
  private func beginBlock() throws(ShardError) -> Bool {
    try fill(Int(PL_BUNZIP_BLOCK_BYTES))
    guard Int(bit / 8) < filled else { return false }
    while pl_bunzip_is_end(bytes, filled, bit) != 0 {
      // The magic number and the stream's checksum, up to a whole byte; then the next stream's header.
      bit = (bit + 80 + 7) / 8 * 8
      let header = Int(bit / 8)
      guard header + 4 <= filled, input[header] == 0x42, input[header + 1] == 0x5A, input[header + 2] == 0x68 else {
        return false
      }
      bit += 32
      try fill(Int(PL_BUNZIP_BLOCK_BYTES))
    }
    return true
  }

  private var bytes: UnsafePointer<UInt8> { UnsafePointer(input.baseAddress!.assumingMemoryBound(to: UInt8.self)) }

  /// Reads until the input has so many bytes from the next bit on, or the file ends.
  private func fill(_ wanted: Int) throws(ShardError) {
    let start = min(filled, Int(bit / 8))
    guard !isAtEnd, filled - start < wanted else { return }
    memmove(input.baseAddress!, input.baseAddress! + start, filled - start)
    offset += Int64(start)
    bit -= UInt64(start) * 8
    filled -= start
    let room = input.count - Int(PL_BUNZIP_PADDING)
    while !isAtEnd, filled < room {
      let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: input[filled..<room]))
      isAtEnd = count == 0
      filled += count
    }
  }
}
