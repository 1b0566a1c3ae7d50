import CKernels
import CLZ4

/// Compressed size of a text divided by its size: low for repetitive text, high for noise. 0 for an empty text.
public final class CompressionRatio {
  private let sizer: OpaquePointer
  private var lz4Output: UnsafeMutablePointer<CChar>?
  /// LZ4 reads at most this much of a text, as in Uzushio.
  public static let lz4Bytes = 1 << 20

  /// The library's version, which determines the size of a block.
  public static var lz4Version: String { String(cString: LZ4_versionString()) }

  public init() {
    guard let sizer = pl_deflate_sizer_new() else { fatalError("out of memory for measuring compression") }
    self.sizer = sizer
  }

  deinit {
    pl_deflate_sizer_free(sizer)
    lz4Output?.deallocate()
  }

  /// zlib at level 9, with its 6 bytes of framing, like Python's `zlib.compress`; computed without compressing.
  public func zlib(_ text: UnsafeBufferPointer<UInt8>) -> Double {
    guard let bytes = text.baseAddress, text.count > 0 else { return 0 }
    // Records have at most 256 MiB; the sizer counts up to 2 GiB.
    let count = min(text.count, 1 << 30)
    return Double(pl_deflate_size(sizer, bytes, count)) / Double(count)
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
