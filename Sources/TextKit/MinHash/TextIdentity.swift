import CKernels

/// A 128-bit hash (XXH3) of a text: equal for equal texts, and in practice different for different ones.
public struct TextIdentity: BitwiseCopyable, Hashable, Comparable, Sendable {
  public var high: UInt64
  public var low: UInt64

  /// Of the raw bytes.
  public init(raw utf8: UnsafeBufferPointer<UInt8>) { self.init(UnsafeRawBufferPointer(utf8)) }

  /// Of the text folded by `folder`.
  public init(folded utf8: UnsafeBufferPointer<UInt8>, by folder: inout ComparedText) {
    folder.fold(utf8)
    self.init(UnsafeRawBufferPointer(folder.scalars))
  }

  /// Of any bytes.
  public init(_ bytes: UnsafeRawBufferPointer) {
    var low: UInt64 = 0
    high = pl_xxh3_128(bytes.baseAddress, bytes.count, &low)
    self.low = low
  }

  public static func < (a: TextIdentity, b: TextIdentity) -> Bool {
    a.high != b.high ? a.high < b.high : a.low < b.low
  }
}
