import CBz2
import CZlib
import CZstd
import Glibc

/// Zstandard frames, one after another.
public final class ZstdSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private let stream: OpaquePointer
  private var input = InputBlock()
  private var insideFrame = false
  private var isAtStart = true
  /// The decoder filled the last buffer and may hold more, even when the input has ended.
  private var holdsOutput = false

  public init(_ source: any ByteSource) throws(ShardError) {
    guard let stream = ZSTD_createDStream() else { throw noMemory(source.name, "zstd") }
    self.source = source
    self.stream = stream
    // Refuse windows over 128 MiB (zstd --long=27), which hostile input could ask for.
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27)
  }

  deinit { ZSTD_freeDStream(stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    var out = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while out.pos == 0 {
      if input.isEmpty, !holdsOutput, try !input.refill(from: source) {
        guard insideFrame else { return 0 }
        throw truncated(name, "zstd", input.consumed)
      }
      if isAtStart {
        isAtStart = false
        if try loadDictionary() { continue }
      }
      var block = ZSTD_inBuffer(src: input.pointer, size: input.count, pos: 0)
      let result = ZSTD_decompressStream(stream, &out, &block)
      input.advance(block.pos)
      guard ZSTD_isError(result) == 0 else {
        switch ZSTD_getErrorCode(result) {
        case ZSTD_error_memory_allocation: throw noMemory(name, "zstd")
        case ZSTD_error_frameParameter_windowTooLarge:
          throw ShardError(.tooLarge, name, "the zstd stream asks for more than 128 MiB of memory to decode")
        default: break
        }
        throw damaged(name, "zstd", input.consumed, String(cString: ZSTD_getErrorName(result)))
      }
      insideFrame = result != 0
      holdsOutput = insideFrame && out.pos == out.size
    }
    return out.pos
  }

  private static let maximumDictionaryBytes = 32 << 20

  /// Web archives may begin with a frame that is passed over by others and holds the dictionary of all that follow,
  /// compressed or not (IIPC, "Using Zstandard with WARC"). False where there is none.
  private func loadDictionary() throws(ShardError) -> Bool {
    guard input.count >= 8, input.little(0) == 0x184D_2A5D else { return false }
    let size = input.little(4)
    guard size <= Self.maximumDictionaryBytes else {
      throw ShardError(.tooLarge, name, "its dictionary has \(size) bytes, the limit is \(Self.maximumDictionaryBytes)")
    }
    input.advance(8)
    var bytes: [UInt8] = []
    while bytes.count < size {
      if input.isEmpty, try !input.refill(from: source) { throw truncated(name, "zstd", input.consumed) }
      let count = min(size - bytes.count, input.count)
      bytes.append(contentsOf: UnsafeRawBufferPointer(start: input.pointer, count: count))
      input.advance(count)
    }
    if Compression.detect(bytes) == .zstd {
      let packed = try ZstdSource(MemorySource(bytes, name: "\(name), its dictionary"))
      // A dictionary has none of its own, nor has that one.
      packed.isAtStart = false
      bytes = try packed.readAll(limit: Self.maximumDictionaryBytes)
    }
    // Another use of such a frame.
    guard bytes.starts(with: [0x37, 0xA4, 0x30, 0xEC]) else { return true }
    let result = ZSTD_DCtx_loadDictionary(stream, bytes, bytes.count)
    guard ZSTD_isError(result) == 0 else {
      throw damaged(name, "zstd", input.consumed, "its dictionary: " + String(cString: ZSTD_getErrorName(result)))
    }
    return true
  }
}

/// Gzip members, one after another; zeros behind the last one, as tapes leave them, are passed over.
public final class GzipSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = z_stream()
  private var input = InputBlock()
  private var members = 0
  private var insideMember = false
  private var holdsOutput = false
  private var failure: ShardError?

  private let readsOneMember: Bool

  /// - Parameter readsOneMember: ends behind the first member; `consumed` then says where the next one begins.
  public init(_ source: any ByteSource, readsOneMember: Bool = false) throws(ShardError) {
    self.source = source
    self.readsOneMember = readsOneMember
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else { throw noMemory(source.name, "gzip") }
  }

  deinit { inflateEnd(&stream) }

  /// What was read are whole members, whatever stands behind them.
  public var isBehindWholeMember: Bool { members > 0 && stream.total_out == 0 }

  /// Compressed bytes used so far.
  public var consumed: Int64 { Int64(input.consumed) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    if let failure { throw failure }
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = UInt32(clamping: buffer.count)
    let room = stream.avail_out
    while stream.avail_out == room && failure == nil {
      if readsOneMember && members == 1 { return 0 }
      if input.isEmpty, !holdsOutput, try !input.refill(from: source) {
        guard insideMember else { return 0 }
        throw truncated(name, "gzip", input.consumed)
      }
      if !insideMember, try !beginMember() { return 0 }
      inflateBlock()
    }
    let count = Int(room - stream.avail_out)
    // What came before the damage is delivered first.
    if count == 0, let failure { throw failure }
    return count
  }

  /// False when nothing but zeros is left.
  private func beginMember() throws(ShardError) -> Bool {
    while members > 0, input.pointer.load(as: UInt8.self) == 0 {
      input.advance(1)
      if input.isEmpty, try !input.refill(from: source) { return false }
    }
    inflateReset(&stream)
    insideMember = true
    return true
  }

  private func inflateBlock() {
    stream.next_in = input.pointer.assumingMemoryBound(to: UInt8.self)
    stream.avail_in = UInt32(input.count)
    let result = inflate(&stream, Z_NO_FLUSH)
    input.advance(input.count - Int(stream.avail_in))
    holdsOutput = result == Z_OK && stream.avail_out == 0
    switch result {
    case Z_STREAM_END:
      insideMember = false
      members += 1
    case Z_OK, Z_BUF_ERROR: break
    case Z_MEM_ERROR: failure = noMemory(name, "gzip")
    default:
      failure = damaged(name, "gzip", input.consumed, stream.msg.map { String(cString: $0) } ?? "bad data")
    }
  }
}

/// Bzip2 streams, one after another (as in multistream dumps).
public final class Bzip2Source: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = bz_stream()
  private var input = InputBlock()
  private var insideStream = false
  /// A block of up to 900 kB is decoded as a whole, so the decoder may hold it when the input has ended.
  private var holdsOutput = false
  private var failure: ShardError?

  public init(_ source: any ByteSource) throws(ShardError) { self.source = source }

  deinit { if insideStream { BZ2_bzDecompressEnd(&stream) } }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    if let failure { throw failure }
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
    stream.avail_out = UInt32(clamping: buffer.count)
    let room = stream.avail_out
    while stream.avail_out == room && failure == nil {
      if input.isEmpty, !holdsOutput, try !input.refill(from: source) {
        guard insideStream else { return 0 }
        throw truncated(name, "bzip2", input.consumed)
      }
      if !insideStream {
        guard BZ2_bzDecompressInit(&stream, 0, 0) == BZ_OK else { throw noMemory(name, "bzip2") }
        insideStream = true
      }
      decompressBlock()
    }
    let count = Int(room - stream.avail_out)
    // What came before the damage is delivered first.
    if count == 0, let failure { throw failure }
    return count
  }

  private func decompressBlock() {
    stream.next_in = input.pointer.assumingMemoryBound(to: CChar.self)
    stream.avail_in = UInt32(input.count)
    let result = BZ2_bzDecompress(&stream)
    input.advance(input.count - Int(stream.avail_in))
    holdsOutput = result == BZ_OK && stream.avail_out == 0
    switch result {
    case BZ_STREAM_END:
      BZ2_bzDecompressEnd(&stream)
      insideStream = false
    case BZ_OK: break
    case BZ_MEM_ERROR: failure = noMemory(name, "bzip2")
    case BZ_DATA_ERROR: failure = damaged(name, "bzip2", input.consumed, "a checksum or the data is wrong")
    case BZ_DATA_ERROR_MAGIC: failure = damaged(name, "bzip2", input.consumed, "no bzip2 stream begins here")
    default: failure = damaged(name, "bzip2", input.consumed, "error \(result)")
    }
  }
}
