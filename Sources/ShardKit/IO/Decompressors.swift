import CBz2
import CLZMA
import CZlib
import CZstd

/// Zstandard frames, one after another.
public final class ZstdSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private let stream: OpaquePointer
  private var input = InputBlock()
  private var insideFrame = false

  public init(_ source: any ByteSource) throws(ShardError) {
    self.source = source
    stream = ZSTD_createDStream()
    // Refuse windows over 128 MiB (zstd --long=27), which hostile input could ask for.
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27)
  }

  deinit { ZSTD_freeDStream(stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    var out = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while out.pos == 0 {
      if input.isEmpty, try !input.refill(from: source) {
        guard insideFrame else { return 0 }
        throw truncated(name, "zstd", input.consumed)
      }
      var block = ZSTD_inBuffer(src: input.pointer, size: input.count, pos: 0)
      let result = ZSTD_decompressStream(stream, &out, &block)
      input.advance(block.pos)
      guard ZSTD_isError(result) == 0 else {
        throw damaged(name, "zstd", input.consumed, String(cString: ZSTD_getErrorName(result)))
      }
      insideFrame = result != 0
    }
    return out.pos
  }
}

/// Gzip members, one after another.
public final class GzipSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = z_stream()
  private var input = InputBlock()
  private var insideMember = false

  public init(_ source: any ByteSource) throws(ShardError) {
    self.source = source
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else {
      throw ShardError(.io, source.name, "zlib cannot be started")
    }
  }

  deinit { inflateEnd(&stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = UInt32(clamping: buffer.count)
    let room = stream.avail_out
    while stream.avail_out == room {
      if input.isEmpty, try !input.refill(from: source) {
        guard insideMember else { return 0 }
        throw truncated(name, "gzip", input.consumed)
      }
      if !insideMember {
        inflateReset(&stream)
        insideMember = true
      }
      stream.next_in = input.pointer.assumingMemoryBound(to: UInt8.self)
      stream.avail_in = UInt32(input.count)
      let result = inflate(&stream, Z_NO_FLUSH)
      input.advance(input.count - Int(stream.avail_in))
      switch result {
      case Z_STREAM_END: insideMember = false
      case Z_OK, Z_BUF_ERROR: break
      default: throw damaged(name, "gzip", input.consumed, stream.msg.map { String(cString: $0) } ?? "bad data")
      }
    }
    return Int(room - stream.avail_out)
  }
}

/// Bzip2 streams, one after another (as in multistream dumps).
public final class Bzip2Source: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = bz_stream()
  private var input = InputBlock()
  private var insideStream = false

  public init(_ source: any ByteSource) throws(ShardError) { self.source = source }

  deinit { if insideStream { BZ2_bzDecompressEnd(&stream) } }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
    stream.avail_out = UInt32(clamping: buffer.count)
    let room = stream.avail_out
    while stream.avail_out == room {
      if input.isEmpty, try !input.refill(from: source) {
        guard insideStream else { return 0 }
        throw truncated(name, "bzip2", input.consumed)
      }
      if !insideStream {
        guard BZ2_bzDecompressInit(&stream, 0, 0) == BZ_OK else {
          throw ShardError(.io, name, "bzip2 cannot be started")
        }
        insideStream = true
      }
      stream.next_in = input.pointer.assumingMemoryBound(to: CChar.self)
      stream.avail_in = UInt32(input.count)
      let result = BZ2_bzDecompress(&stream)
      input.advance(input.count - Int(stream.avail_in))
      switch result {
      case BZ_STREAM_END:
        BZ2_bzDecompressEnd(&stream)
        insideStream = false
      case BZ_OK: break
      default: throw damaged(name, "bzip2", input.consumed, "error \(result)")
      }
    }
    return Int(room - stream.avail_out)
  }
}

/// `LZMA_CONCATENATED`, a macro that Swift does not import.
private let concatenated: UInt32 = 0x08

/// XZ streams, one after another. The decoder's memory is limited to 1 GiB.
public final class XZSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = lzma_stream()
  private var input = InputBlock()
  private var ended = false

  public init(_ source: any ByteSource) throws(ShardError) {
    self.source = source
    guard lzma_stream_decoder(&stream, 1 << 30, concatenated) == LZMA_OK else {
      throw ShardError(.io, source.name, "xz cannot be started")
    }
  }

  deinit { lzma_end(&stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = buffer.count
    while stream.avail_out == buffer.count && !ended {
      var action = LZMA_RUN
      if input.isEmpty, try !input.refill(from: source) { action = LZMA_FINISH }
      stream.next_in = UnsafePointer(input.pointer.assumingMemoryBound(to: UInt8.self))
      stream.avail_in = input.count
      let result = lzma_code(&stream, action)
      input.advance(input.count - stream.avail_in)
      switch result {
      case LZMA_STREAM_END: ended = true
      case LZMA_OK: break
      case LZMA_BUF_ERROR: throw truncated(name, "xz", input.consumed)
      default: throw damaged(name, "xz", input.consumed, "error \(result.rawValue)")
      }
    }
    return buffer.count - stream.avail_out
  }
}

private func truncated(_ name: String, _ format: String, _ position: Int) -> ShardError {
  ShardError(
    .truncated, name, "the \(format) stream ends in its middle, at compressed byte \(position)",
    hint: "Fetch the file again; what came before the break was read.")
}

private func damaged(_ name: String, _ format: String, _ position: Int, _ reason: String) -> ShardError {
  ShardError(
    .malformed, name, "the \(format) stream is damaged at compressed byte \(position) (\(reason))",
    hint: "Fetch the file again.")
}
