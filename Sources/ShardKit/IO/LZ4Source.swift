import CLZ4

/// Consecutive LZ4 frames.
public final class LZ4Source: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private let stream: OpaquePointer
  private var input = InputBlock()
  private var insideFrame = false
  /// The decoder filled the last buffer and may hold more, even if the input has ended.
  private var holdsOutput = false
  /// The number of bytes the decoder takes for its next step, at most one block. The output of a failing call is lost;
  /// this way it contains nothing of an earlier block.
  private var wanted = LZ4Source.headBytes

  /// The minimum size of a frame header.
  private static let headBytes = 7

  /// Reads consecutive LZ4 frames.
  /// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(_ source: any ByteSource) throws(ShardError) {
    self.source = source
    var context: OpaquePointer?
    guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context else {
      throw noMemory(source.name, "lz4")
    }
    stream = context
  }

  deinit { LZ4F_freeDecompressionContext(stream) }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, or `.io` if memory runs out); what the source throws.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    var written = 0
    while written == 0 {
      if input.isEmpty, !holdsOutput, try !input.refill(from: source) {
        guard insideFrame else { return 0 }
        throw truncated(name, "lz4", input.consumed)
      }
      var (room, used) = (buffer.count, holdsOutput ? 0 : min(input.count, wanted))
      let result = LZ4F_decompress(stream, buffer.baseAddress, &room, input.pointer, &used, nil)
      if LZ4F_isError(result) != 0 {
        let reason = String(cString: LZ4F_getErrorName(result))
        if reason == "ERROR_allocation_failed" { throw noMemory(name, "lz4") }
        throw damaged(name, "lz4", input.consumed, reason)
      }
      input.advance(used)
      written = room
      insideFrame = result != 0
      wanted = insideFrame ? result : Self.headBytes
      holdsOutput = insideFrame && room == buffer.count
    }
    return written
  }
}
