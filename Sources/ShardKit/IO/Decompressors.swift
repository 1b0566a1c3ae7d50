import CBz2
import CZlib
import Glibc

/// Consecutive gzip members; trailing zeros, as left by tapes, are skipped.
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

  /// - Parameter readsOneMember: stops after the first member; `consumed` then gives the position of the next one.
  /// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(_ source: any ByteSource, readsOneMember: Bool = false) throws(ShardError) {
    self.source = source
    self.readsOneMember = readsOneMember
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else { throw noMemory(source.name, "gzip") }
  }

  deinit { inflateEnd(&stream) }

  /// The data read so far consists of complete members, whatever follows.
  public var isBehindWholeMember: Bool { members > 0 && stream.total_out == 0 }

  /// Compressed bytes used so far.
  public var consumed: Int64 { Int64(input.consumed) }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, or `.io` if memory runs out); what the source throws.
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
    // Data before the damage is delivered first.
    if count == 0, let failure { throw failure }
    return count
  }

  /// False if only zeros remain.
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
    do throws(ShardError) {
      let ended = try input.inflate(&stream, name, "gzip")
      holdsOutput = !ended && stream.avail_out == 0
      if ended {
        insideMember = false
        members += 1
      }
    } catch { failure = error }
  }
}

/// Consecutive bzip2 streams (as in multistream dumps).
public final class Bzip2Source: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = bz_stream()
  private var input = InputBlock()
  private var insideStream = false
  /// A block of up to 900 kB is decoded as a unit, so the decoder may still hold data when the input has ended.
  private var holdsOutput = false
  private var failure: ShardError?

  /// Reads consecutive bzip2 streams.
  /// - Throws: nothing; `read(into:)` reports that memory runs out.
  public init(_ source: any ByteSource) throws(ShardError) { self.source = source }

  deinit { if insideStream { BZ2_bzDecompressEnd(&stream) } }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, or `.io` if memory runs out); what the source throws.
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
    // Data before the damage is delivered first.
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
    case BZ_DATA_ERROR_MAGIC: failure = damaged(name, "bzip2", input.consumed, "there is no bzip2 stream here")
    default: failure = damaged(name, "bzip2", input.consumed, "error \(result)")
    }
  }
}
