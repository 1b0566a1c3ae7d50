import CLZ4
import CZlib

/// Compressed bytes of a text over its bytes: low for text that repeats itself, high for noise. 0 for an empty text.
public final class CompressionRatio {
  private var stream = z_stream()
  private let output: UnsafeMutablePointer<UInt8>
  private var lz4Output: UnsafeMutablePointer<CChar>?
  private static let outputBytes = 1 << 16
  /// LZ4 looks at no more of a text, as in Uzushio.
  public static let lz4Bytes = 1 << 20

  public init() {
    output = .allocate(capacity: Self.outputBytes)
    let status = deflateInit_(&stream, 9, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib cannot be initialised")
  }

  deinit {
    deflateEnd(&stream)
    output.deallocate()
    lz4Output?.deallocate()
  }

  /// zlib at level 9, with its 6 bytes of frame, as Python's `zlib.compress` does it.
  public func zlib(_ text: UnsafeBufferPointer<UInt8>) -> Double {
    guard let bytes = text.baseAddress, text.count > 0 else { return 0 }
    deflateReset(&stream)
    var done = 0, written = 0
    while true {
      let piece = min(text.count - done, 1 << 30)
      stream.next_in = UnsafeMutablePointer(mutating: bytes + done)
      stream.avail_in = UInt32(piece)
      done += piece
      let isLast = done == text.count
      repeat {
        stream.next_out = output
        stream.avail_out = UInt32(Self.outputBytes)
        deflate(&stream, isLast ? Z_FINISH : Z_NO_FLUSH)
        written += Self.outputBytes - Int(stream.avail_out)
      } while stream.avail_out == 0
      if isLast { return Double(written) / Double(text.count) }
    }
  }

  /// One LZ4 block of the first `lz4Bytes`, at the fast level.
  public func lz4(_ text: UnsafeBufferPointer<UInt8>) -> Double {
    let count = Int32(min(text.count, Self.lz4Bytes))
    guard let bytes = text.baseAddress, count > 0 else { return 0 }
    let room = LZ4_compressBound(Int32(Self.lz4Bytes))
    if lz4Output == nil { lz4Output = .allocate(capacity: Int(room)) }
    let written = bytes.withMemoryRebound(to: CChar.self, capacity: Int(count)) {
      LZ4_compress_default($0, lz4Output!, count, room)
    }
    return Double(written) / Double(count)
  }
}
