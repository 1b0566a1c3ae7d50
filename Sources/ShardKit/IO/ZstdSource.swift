import CZstd

/// Consecutive Zstandard frames.
public final class ZstdSource: ByteSource {
  public var name: String { source.name }
  private let source: any ByteSource
  private let stream: OpaquePointer
  private var input = InputBlock()
  private var insideFrame = false
  /// A frame with a dictionary may be here.
  private var mayBeDictionary: Bool
  /// The decoder filled the last buffer and may hold more, even if the input has ended.
  private var holdsOutput = false
  /// The number of bytes the decoder takes for its next step, at most one block. The output of a failing call is lost;
  /// this way it contains nothing of an earlier block.
  private var wanted = ZstdSource.headBytes

  /// What the skippable frame with a dictionary begins with.
  static let dictionaryFrame: UInt32 = 0x184D_2A5D

  /// This many bytes of a frame determine its header's length.
  private static let headBytes = 6

  /// - Parameter readsDictionary: accepts a dictionary before the frames, as in web archives.
  /// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
  public init(_ source: any ByteSource, readsDictionary: Bool = true) throws(ShardError) {
    guard let stream = ZSTD_createDStream() else { throw noMemory(source.name, "zstd") }
    self.source = source
    self.stream = stream
    mayBeDictionary = readsDictionary
    // Reject windows over 128 MiB (zstd --long=27), which hostile input could request.
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27)
  }

  deinit { ZSTD_freeDStream(stream) }

  /// Decompresses into the buffer; 0 means the end.
  /// - Throws: `ShardError` (`.truncated`, `.malformed`, `.tooLarge`, `.io` without memory); what the source throws.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    var out = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while out.pos == 0 {
      if input.isEmpty, !holdsOutput, try !input.refill(from: source) {
        guard insideFrame else { return 0 }
        throw truncated(name, "zstd", input.consumed)
      }
      if mayBeDictionary {
        mayBeDictionary = false
        if try loadDictionary() { continue }
      }
      try decompress(&out)
    }
    return out.pos
  }

  /// One step, or the data that the decoder still holds.
  private func decompress(_ out: inout ZSTD_outBuffer) throws(ShardError) {
    var block = ZSTD_inBuffer(src: input.pointer, size: holdsOutput ? 0 : min(input.count, wanted), pos: 0)
    let result = ZSTD_decompressStream(stream, &out, &block)
    input.advance(block.pos)
    guard ZSTD_isError(result) == 0 else { throw fault(result) }
    insideFrame = result != 0
    wanted = insideFrame ? result : Self.headBytes
    holdsOutput = insideFrame && out.pos == out.size
  }

  private func fault(_ result: Int) -> ShardError {
    switch ZSTD_getErrorCode(result) {
    case ZSTD_error_memory_allocation: return noMemory(name, "zstd")
    case ZSTD_error_frameParameter_windowTooLarge:
      return ShardError(.tooLarge, name, "the zstd stream needs more than 128 MiB of memory to decode")
    default: return damaged(name, "zstd", input.consumed, String(cString: ZSTD_getErrorName(result)))
    }
  }

  private static let maximumDictionaryBytes = 32 << 20

  /// Web archives may start with a skippable frame that contains the dictionary of all following frames, compressed or
  /// not (IIPC, "Using Zstandard with WARC"). False if there is none.
  private func loadDictionary() throws(ShardError) -> Bool {
    guard input.count >= 8, input.little(0) == Self.dictionaryFrame else { return false }
    let size = input.little(4)
    guard size <= Self.maximumDictionaryBytes else {
      throw ShardError(.tooLarge, name, "its dictionary has \(size) bytes; the limit is \(Self.maximumDictionaryBytes)")
    }
    input.advance(8)
    var bytes: [UInt8] = []
    while bytes.count < size {
      if input.isEmpty, try !input.refill(from: source) { throw truncated(name, "zstd", input.consumed) }
      let count = min(size - bytes.count, input.count)
      bytes.append(contentsOf: UnsafeRawBufferPointer(start: input.pointer, count: count))
      input.advance(count)
    }
    // A dictionary is not searched for another one.
    if bytes.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
      bytes = try ZstdSource(MemorySource(bytes, name: "\(name), its dictionary"), readsDictionary: false).readAll(
        limit: Self.maximumDictionaryBytes)
    }
    // Such a frame used for something else.
    guard bytes.starts(with: [0x37, 0xA4, 0x30, 0xEC]) else { return true }
    let result = ZSTD_DCtx_loadDictionary(stream, bytes, bytes.count)
    guard ZSTD_isError(result) == 0 else {
      throw damaged(name, "zstd", input.consumed, "its dictionary: " + String(cString: ZSTD_getErrorName(result)))
    }
    return true
  }
}
