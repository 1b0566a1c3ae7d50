/// Which n-grams of characters a classifier sees, and how many numbers stand for them.
public struct GramShape: Codable, Equatable, Sendable {
  /// Characters of the shortest and of the longest n-gram.
  public var shortest: Int
  public var longest: Int
  /// n-grams are numbered by a hash of this many bits; those with one number count as one feature.
  public var bits: Int
  /// Characters at the beginning and at the end of a text whose n-grams count a second time, as `GramPart.beginning` and
  /// `.end`, along with those of `.sentences`; 0: none of these.
  public var edge: Int

  public init(shortest: Int, longest: Int, bits: Int, edge: Int = 0) {
    self.shortest = shortest
    self.longest = longest
    self.bits = bits
    self.edge = edge
  }

  /// The parts of a text whose n-grams are told apart, in the order of `GramCounter.ends`.
  public var parts: [GramPart] { edge > 0 ? GramPart.allCases : [.text] }

  /// What the numbers are below.
  public var features: Int { 1 << bits }

  /// The measures that `GramCounter.traits` has, in its order.
  public var traits: [String] {
    TextTrait.allCases.map(\.rawValue)
      + (shortest...longest).flatMap { ["distinct\($0)Grams", "top\($0)Gram"] }
  }

  /// Whether the tables that it asks for can be made.
  public var isSane: Bool {
    shortest >= 1 && shortest <= longest && longest <= 8 && (8...24).contains(bits) && (0...1000).contains(edge)
  }
}

/// Counts the n-grams of texts after NFKC, with ASCII letters in lower case and each run of white space as one space.
///
/// Keeps 4 bytes per feature, and 4 per character of the longest text. Not safe to use from several threads.
public final class GramCounter {
  public let shape: GramShape
  private let counts: UnsafeMutablePointer<UInt32>
  private var normalized: [UInt8] = []
  private var scalars: [UInt32] = []
  /// The features of the text that was counted last, part by part, in order of their first occurrence.
  public private(set) var found: [UInt32] = []
  /// Where the features of each part end in `found`.
  public private(set) var ends: [Int] = []
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
    ends.removeAll(keepingCapacity: true)
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * (shape.longest + 1)) { tallies in
      tallies.update(repeating: 0)
      forEachGram(.text) { feature, start, end, _ in
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
    ends.append(found.count)
    for part in shape.parts.dropFirst() {
      forEachGram(part) { feature, _, _, _ in
        if counts[feature] == 0 { found.append(UInt32(truncatingIfNeeded: feature)) }
        counts[feature] &+= 1
      }
      ends.append(found.count)
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

  /// Calls `body` with each n-gram of a text that has one of the given features: the feature and the n-gram's name, with ^
  /// before or $ after one at a sentence's beginning or end, ^^ and $$ at the text's.
  public func forEachGram(
    of text: UnsafeBufferPointer<UInt8>, where isWanted: (Int) -> Bool, _ body: (Int, String) -> Void
  ) {
    decode(text)
    for part in shape.parts {
      forEachGram(part) { feature, start, end, isEnd in
        guard isWanted(feature) else { return }
        let gram = String(String.UnicodeScalarView(scalars[start..<end].compactMap { Unicode.Scalar($0) }))
        let mark = part == .text ? "" : String(repeating: isEnd ? "$" : "^", count: part == .sentences ? 1 : 2)
        body(feature, isEnd ? gram + mark : mark + gram)
      }
    }
  }

  /// Calls `body` with the feature of each n-gram of a part, where it is, and whether it stands for the end of something.
  @inline(__always)
  private func forEachGram(_ part: GramPart, _ body: (_ feature: Int, _ start: Int, _ end: Int, _ isEnd: Bool) -> Void)
  {
    scalars.withUnsafeBufferPointer { scalars in
      if part == .sentences { forEachSentenceGram(scalars, body) } else { forEachGram(part, scalars, body) }
    }
  }

  @inline(__always)
  private func forEachGram(
    _ part: GramPart, _ scalars: UnsafeBufferPointer<UInt32>,
    _ body: (_ feature: Int, _ start: Int, _ end: Int, _ isEnd: Bool) -> Void
  ) {
    let bits = shape.bits, shortest = shape.shortest, longest = shape.longest, seed = part.seed()
    let range = part.range(in: scalars.count, shape.edge)
    for start in range {
      var hash = seed
      for end in start..<min(start &+ longest, range.upperBound) {
        hash = GramHash.extend(hash, scalars[end])
        guard end &- start &+ 1 >= shortest else { continue }
        body(GramHash.feature(hash, bits), start, end &+ 1, part == .end)
      }
    }
  }

  @inline(__always)
  private func forEachSentenceGram(
    _ scalars: UnsafeBufferPointer<UInt32>, _ body: (_ feature: Int, _ start: Int, _ end: Int, _ isEnd: Bool) -> Void
  ) {
    let bits = shape.bits
    var sentences = SentenceSpans(scalars)
    while let span = sentences.next() {
      var hash = GramPart.sentences.seed()
      for length in 1...min(GramPart.sentenceBeginnings.upperBound, span.count) {
        hash = GramHash.extend(hash, scalars[span.lowerBound &+ length &- 1])
        body(GramHash.feature(hash, bits), span.lowerBound, span.lowerBound &+ length, false)
      }
      hash = GramPart.sentences.seed(1)
      for length in 1...min(GramPart.sentenceEnds.upperBound, span.count) {
        hash = GramHash.extend(hash, scalars[span.upperBound &- length])
        guard length >= GramPart.sentenceEnds.lowerBound else { continue }
        body(GramHash.feature(hash, bits), span.upperBound &- length, span.upperBound, true)
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
