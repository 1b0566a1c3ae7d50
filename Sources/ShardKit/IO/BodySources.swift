import CBrotli
import CZlib

/// A deflate stream without a gzip header: zlib's (RFC 1950) or raw (RFC 1951); servers send both under one name.
public final class DeflateSource: ByteSource {
  public enum Form: Sendable { case zlib, raw }

  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = z_stream()
  private var input = InputBlock()
  private var ended = false
  private var holdsOutput = false
  private var failure: ShardError?

  /// Reads a stream of one of the two forms.
  /// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(_ source: any ByteSource, _ form: Form) throws(ShardError) {
    self.source = source
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, form == .zlib ? 15 : -15, ZLIB_VERSION, size) == Z_OK else {
      throw noMemory(source.name, "deflate")
    }
  }

  deinit { inflateEnd(&stream) }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, or `.io` if memory runs out); what the source throws.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    if let failure { throw failure }
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = UInt32(clamping: buffer.count)
    let room = stream.avail_out
    while stream.avail_out == room, !ended, failure == nil {
      if input.isEmpty, !holdsOutput, try !input.refill(from: source) {
        throw truncated(name, "deflate", input.consumed)
      }
      inflateBlock()
    }
    let count = Int(room - stream.avail_out)
    // Data before the damage is delivered first.
    if count == 0, let failure { throw failure }
    return count
  }

  private func inflateBlock() {
    do throws(ShardError) {
      ended = try input.inflate(&stream, name, "deflate")
      holdsOutput = !ended && stream.avail_out == 0
    } catch { failure = error }
  }
}

/// A Brotli stream (RFC 7932); nothing may follow it.
public final class BrotliSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private let state: OpaquePointer
  private var input = InputBlock()
  private var ended = false
  private var failure: ShardError?

  /// After an error the decoder discards what it decoded in the same call; small calls keep the loss small.
  private static let stepBytes = 256

  /// Reads a Brotli stream.
  /// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(_ source: any ByteSource) throws(ShardError) {
    guard let state = BrotliDecoderCreateInstance(nil, nil, nil) else { throw noMemory(source.name, "brotli") }
    self.source = source
    self.state = state
  }

  deinit { BrotliDecoderDestroyInstance(state) }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, or `.io` if memory runs out); what the source throws.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    if let failure { throw failure }
    var room = buffer.count
    var out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    while room == buffer.count, !ended, failure == nil {
      let step = min(input.count, Self.stepBytes)
      var count = step
      var next: UnsafePointer<UInt8>? = UnsafePointer(input.pointer.assumingMemoryBound(to: UInt8.self))
      let result = BrotliDecoderDecompressStream(state, &count, &next, &room, &out, nil)
      input.advance(step - count)
      switch result {
      case BROTLI_DECODER_RESULT_SUCCESS:
        ended = true
        if !input.isEmpty { failure = damaged(name, "brotli", input.consumed, "there is data after its end") }
      case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: break
      case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        if room == buffer.count, input.isEmpty, try !input.refill(from: source) {
          throw truncated(name, "brotli", input.consumed)
        }
      default: failure = fault
      }
    }
    // Data before the damage is delivered first.
    if room == buffer.count, let failure { throw failure }
    return buffer.count - room
  }

  private var fault: ShardError {
    let code = BrotliDecoderGetErrorCode(state)
    // The error codes for failed allocations, from ALLOC_CONTEXT_MODES (-21) to ALLOC_BLOCK_TYPE_TREES (-30).
    if (-30 ... -21).contains(code.rawValue) { return noMemory(name, "brotli") }
    return damaged(name, "brotli", input.consumed, String(cString: BrotliDecoderErrorString(code)))
  }
}
