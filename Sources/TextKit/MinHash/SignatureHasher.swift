public import CKernels

/// Computes signatures: small fixed-size summaries in which each hash agrees with a probability equal to the texts'
/// Jaccard similarity (over sets of character shingles of the folded text).
///
/// A hash has 16 bits (b-bit minwise hashing: Li, König, WWW 2010). Sketching uses Fast Similarity Sketching
/// (Dahlgaard, Knudsen, Thorup, FOCS 2017): as accurate as one permutation per hash, in time O(n + t log t). Results
/// are the same on every machine. Memory is reused for the next text.
public struct SignatureHasher: ~Copyable {
  public let shape: SignatureShape
  private let level: pl_simd_level
  private var text: ComparedText
  private var hashes: UnsafeMutablePointer<UInt64>
  private var capacity: Int

  /// - Parameter oldForms: whether old kanji and kana are mapped to modern ones.
  public init(
    shape: SignatureShape = SignatureShape(), level: pl_simd_level = pl_simd_widest(), oldForms: Bool = false
  ) {
    precondition(shape.shingleWidth > 0 && shape.hashes > 0 && shape.hashes <= SignatureShape.maximumHashes)
    self.shape = shape
    self.level = level
    text = ComparedText(level: level, oldForms: oldForms)
    capacity = 1 << 12
    hashes = .allocate(capacity: capacity)
  }

  deinit { hashes.deallocate() }

  /// The hashes of the shingles in text order, including repeats; valid until the next call. A text shorter than a
  /// shingle is one shingle, so there is always at least one.
  public mutating func shingles(_ utf8: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt64> {
    text.fold(utf8)
    let scalars = text.scalars
    reserve(scalars.count + 1)
    let count = pl_shingle_hashes(level, scalars.baseAddress!, scalars.count, shape.shingleWidth, hashes)
    return UnsafeBufferPointer(start: hashes, count: count)
  }

  /// Writes `shape.hashes` hashes. Returns the number of shingles, including repeats.
  @discardableResult
  public mutating func signature(_ utf8: UnsafeBufferPointer<UInt8>, into hashes: UnsafeMutablePointer<UInt16>) -> Int {
    let shingles = shingles(utf8)
    pl_sketch(level, shingles.baseAddress!, shingles.count, hashes, shape.hashes)
    return shingles.count
  }

  private mutating func reserve(_ needed: Int) {
    guard needed > capacity else { return }
    hashes.deallocate()
    capacity = max(needed, capacity * 2)
    hashes = .allocate(capacity: capacity)
  }
}

extension SignatureShape {
  /// The key of one band: texts that agree in the band's hashes have the same key.
  public func bandKey(_ band: Int, of hashes: UnsafePointer<UInt16>) -> UInt64 {
    pl_xxh3(hashes + band * rows, rows * 2)
  }

  /// The number of hashes in which two signatures agree.
  public func agreeingHashes(_ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>) -> Int {
    pl_lanes_agreeing(a, b, hashes)
  }

  /// The Jaccard similarity estimated from the number of agreeing hashes, in 0...1; standard error √(s(1 − s)/hashes).
  public func similarity(agreeingHashes: Int) -> Double {
    let byChance = 1.0 / 65536  // different elements with the same 16 bits
    return max(0, (Double(agreeingHashes) / Double(hashes) - byChance) / (1 - byChance))
  }
}
