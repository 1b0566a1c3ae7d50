/// Which n-grams of characters a classifier sees, and how many numbers stand for them.
public struct GramShape: Codable, Equatable, Sendable {
  /// Characters of the shortest and of the longest n-gram.
  public var shortest: Int
  public var longest: Int
  /// n-grams are numbered by a hash of this many bits; those with one number count as one feature.
  public var bits: Int

  public init(shortest: Int, longest: Int, bits: Int) {
    self.shortest = shortest
    self.longest = longest
    self.bits = bits
  }

  /// What the numbers are below.
  public var features: Int { 1 << bits }

  /// Whether the tables that it asks for can be made.
  public var isSane: Bool { shortest >= 1 && shortest <= longest && longest <= 8 && (8...24).contains(bits) }
}

/// Counts the n-grams of texts after NFKC, with ASCII letters in lower case and each run of white space as one space.
///
/// Keeps 4 bytes per feature, and 4 per character of the longest text. Not safe to use from several threads.
public final class GramCounter {
  public let shape: GramShape
  private let counts: UnsafeMutablePointer<UInt32>
  private var normalized: [UInt8] = []
  private var scalars: [UInt32] = []
  /// The features of the text that was counted last, in order of their first occurrence.
  public private(set) var found: [UInt32] = []

  public init(_ shape: GramShape) {
    precondition(shape.isSane)
    self.shape = shape
    counts = .allocate(capacity: shape.features)
    counts.initialize(repeating: 0, count: shape.features)
  }

  deinit { counts.deallocate() }

  /// How often the text that was counted last has a feature.
  @inline(__always)
  public func occurrences(_ feature: UInt32) -> UInt32 { counts[Int(feature)] }

  /// Counts a text's n-grams, in place of the last text's.
  public func count(_ text: UnsafeBufferPointer<UInt8>) {
    for feature in found { counts[Int(feature)] = 0 }
    found.removeAll(keepingCapacity: true)
    decode(text)
    forEachGram { feature, _, _ in
      if counts[feature] == 0 { found.append(UInt32(truncatingIfNeeded: feature)) }
      counts[feature] &+= 1
    }
  }

  /// Calls `body` with each n-gram of a text that has one of the given features.
  public func forEachGram(
    of text: UnsafeBufferPointer<UInt8>, where isWanted: (Int) -> Bool, _ body: (Int, ArraySlice<UInt32>) -> Void
  ) {
    decode(text)
    forEachGram { feature, start, end in if isWanted(feature) { body(feature, scalars[start..<end]) } }
  }

  /// The hash of an n-gram is that of the shorter one that it begins with and of its last character.
  @inline(__always)
  private func forEachGram(_ body: (_ feature: Int, _ start: Int, _ end: Int) -> Void) {
    let shift = UInt64(64 - shape.bits), shortest = shape.shortest, longest = shape.longest
    scalars.withUnsafeBufferPointer { scalars in
      for start in 0..<scalars.count {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        for end in start..<min(start &+ longest, scalars.count) {
          hash = (hash ^ UInt64(scalars[end])) &* 0xD6E8_FEB8_6659_FD93
          hash ^= hash &>> 32
          guard end &- start &+ 1 >= shortest else { continue }
          body(Int(truncatingIfNeeded: (hash &* 0xA076_1D64_78BD_642F) &>> shift), start, end &+ 1)
        }
      }
    }
  }

  private func decode(_ text: UnsafeBufferPointer<UInt8>) {
    normalized.removeAll(keepingCapacity: true)
    NFKC.current.normalize(text, into: &normalized)
    scalars.removeAll(keepingCapacity: true)
    normalized.withUnsafeBufferPointer { bytes in
      var wasSpace = false
      var i = 0
      while i < bytes.count {
        let space = WhiteSpace.width(bytes, i)
        if space > 0 {
          if !wasSpace { scalars.append(0x20) }
          wasSpace = true
          i &+= space
          continue
        }
        wasSpace = false
        let (scalar, width) = UTF8Scanning.scalar(at: i, in: bytes.baseAddress!, end: bytes.count)
        scalars.append((0x41...0x5A).contains(scalar) ? scalar &+ 0x20 : scalar)
        i &+= width
      }
    }
  }
}
