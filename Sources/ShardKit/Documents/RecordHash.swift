import CKernels

/// Fast, stable 64-bit keys of records (XXH3). Not a content identity: see `Digest`.
@inline(__always)
public func recordHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 { pl_xxh3(bytes.baseAddress, bytes.count) }

@inline(__always)
public func recordHash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { recordHash($0) } }

/// XXH3 with 128 bits, for records that are told apart by nothing else.
public func recordHash128(_ bytes: UnsafeRawBufferPointer) -> (high: UInt64, low: UInt64) {
  var low: UInt64 = 0
  let high = pl_xxh3_128(bytes.baseAddress, bytes.count, &low)
  return (high, low)
}

/// XXH64 with a seed, as in the MDS format's `xxh64` hashes.
public func xxh64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
  pl_xxh64(bytes.baseAddress, bytes.count, seed)
}
