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

  /// The measures that `GramCounter.traits` has, in its order.
  public var traits: [String] {
    TextTrait.allCases.map(\.rawValue)
      + (shortest...longest).flatMap { ["distinct\($0)Grams", "top\($0)Gram"] }
  }

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
  private var census = TraitCensus()
  /// Of each length of n-grams: how many distinct ones the text has, and how often the most frequent one.
  private var distinct: [UInt32] = []
  private var highest: [UInt32] = []

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
    let counts = counts
    var found = found
    self.found = []
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * (shape.longest + 1)) { tallies in
      tallies.update(repeating: 0)
      forEachGram { feature, start, end in
        let length = end &- start
        let count = counts[feature] &+ 1
        counts[feature] = count
        if count == 1 {
          found.append(UInt32(truncatingIfNeeded: feature))
          tallies[2 &* length] &+= 1
        }
        if count > tallies[2 &* length &+ 1] { tallies[2 &* length &+ 1] = count }
      }
      distinct = (shape.shortest...shape.longest).map { tallies[2 * $0] }
      highest = (shape.shortest...shape.longest).map { tallies[2 * $0 + 1] }
    }
    self.found = found
  }

  /// Measures of the text that was counted last, as `GramShape.traits` names them: those of `TextTrait`; of n-grams of each
  /// length, the distinct ones and the most frequent one as fractions of all.
  public var traits: [Float] {
    var traits = census.values
    for (place, length) in (shape.shortest...shape.longest).enumerated() {
      let all = Float(max(1, scalars.count - length + 1))
      traits.append(Float(distinct[place]) / all)
      traits.append(Float(highest[place]) / all)
    }
    return traits
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
    var scalars = scalars, census = TraitCensus()
    self.scalars = []
    scalars.removeAll(keepingCapacity: true)
    scalars.reserveCapacity(normalized.count)
    normalized.withUnsafeBufferPointer { bytes in
      var wasSpace = false
      var i = 0
      while i < bytes.count {
        var (scalar, width) = (UInt32(0x20), WhiteSpace.width(bytes, i))
        let isSpace = width > 0
        if !isSpace {
          (scalar, width) = UTF8Scanning.scalar(at: i, in: bytes.baseAddress!, end: bytes.count)
          if (0x41...0x5A).contains(scalar) { scalar &+= 0x20 }
        }
        if !isSpace || !wasSpace {
          scalars.append(scalar)
          census.add(scalar)
        }
        wasSpace = isSpace
        i &+= width
      }
    }
    self.scalars = scalars
    self.census = census
  }
}
