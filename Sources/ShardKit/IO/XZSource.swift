import CLZMA

/// `LZMA_CONCATENATED`, a macro that Swift does not import.
private let concatenated: UInt32 = 0x08

/// Consecutive XZ streams. The decoder's memory is limited to 1 GiB.
public final class XZSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private var stream = lzma_stream()
  private var input = InputBlock()
  private var ended = false
  private var failure: ShardError?

  /// Reads consecutive XZ streams.
  /// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(_ source: any ByteSource) throws(ShardError) {
    self.source = source
    guard lzma_stream_decoder(&stream, 1 << 30, concatenated) == LZMA_OK else { throw noMemory(source.name, "xz") }
  }

  deinit { lzma_end(&stream) }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, `.tooLarge`, `.io` without memory); what the source throws.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    if let failure { throw failure }
    stream.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = buffer.count
    while stream.avail_out == buffer.count && !ended && failure == nil {
      var action = LZMA_RUN
      if input.isEmpty, try !input.refill(from: source) { action = LZMA_FINISH }
      stream.next_in = UnsafePointer(input.pointer.assumingMemoryBound(to: UInt8.self))
      stream.avail_in = input.count
      let result = lzma_code(&stream, action)
      input.advance(input.count - stream.avail_in)
      switch result {
      case LZMA_STREAM_END: ended = true
      case LZMA_OK: break
      case LZMA_BUF_ERROR: failure = truncated(name, "xz", input.consumed)
      case LZMA_DATA_ERROR: failure = damaged(name, "xz", input.consumed, "a checksum or the data is wrong")
      case LZMA_FORMAT_ERROR: failure = damaged(name, "xz", input.consumed, "there is no xz stream here")
      case LZMA_MEM_ERROR: failure = noMemory(name, "xz")
      case LZMA_MEMLIMIT_ERROR:
        failure = ShardError(.tooLarge, name, "the xz stream needs more than 1 GiB of memory to decode")
      default: failure = damaged(name, "xz", input.consumed, "error \(result.rawValue)")
      }
    }
    let count = buffer.count - stream.avail_out
    // Data before the damage is delivered first.
    if count == 0, let failure { throw failure }
    return count
  }
}
