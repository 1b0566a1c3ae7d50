import ShardKit

/// The trie that 'build_binary trie' writes without quantization and compressed pointers, in place: sorted hashes of words,
/// and n-grams as arrays of bits, each with the first of those that continue it.
struct KenLMTrie: NGramTable, @unchecked Sendable {
  /// Places of n-grams that are one word longer.
  struct Node {
    var begin: Int
    var end: Int
  }

  /// N-grams of one length.
  private struct Level {
    var start: UnsafeRawPointer
    var entries: Int
    var wordBits: UInt64
    var nextBits: UInt64
    /// Of the longest.
    var isLast: Bool

    static let middleBits = 63
    static let lastBits = 31

    var bits: Int { Int(wordBits) + (isLast ? Self.lastBits : Self.middleBits + Int(nextBits)) }

    /// With an entry for the end of the last one's range, and room to read 8 bytes anywhere.
    var bytes: Int {
      let (bits, overflow) = (entries + 1).multipliedReportingOverflow(by: bits)
      return overflow ? -1 : (bits + 7) / 8 + 8
    }

    @inline(__always)
    func read(_ bit: Int, _ length: UInt64) -> UInt64 {
      let part = start.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self) >> UInt64(bit & 7)
      return part & (1 << length &- 1)
    }
  }

  let order: Int
  let isClosed = true
  private let words: UnsafeRawPointer
  private let known: Int
  private let unigrams: UnsafeRawPointer
  private let count: Int
  /// From two words on.
  private let levels: [Level]
  private let file: MappedFile

  init(_ model: KenLMFile) throws(ShardError) {
    let counts = model.counts
    order = counts.count
    func bits(_ value: Int) -> UInt64 { UInt64(Int.bitWidth - value.leadingZeroBitCount) }
    var levels = (1..<counts.count).map { place in
      let isLast = place == counts.count - 1
      return Level(
        start: model.file.bytes.baseAddress!, entries: counts[place], wordBits: bits(counts[0]),
        nextBits: isLast ? 0 : bits(counts[place + 1]), isLast: isLast)
    }
    let starts = try model.sections([8 + 8 * counts[0], 16 * (counts[0] + 2)] + levels.map(\.bytes))
    for place in levels.indices { levels[place].start = starts[place + 2] }
    let known = starts[0].loadUnaligned(as: UInt64.self)
    guard known <= UInt64(counts[0]) else { throw KenLMFile.damaged(model.path) }
    (words, self.known) = (starts[0] + 8, Int(known))
    (unigrams, count) = (starts[1], counts[0] + 1)
    (self.levels, file) = (levels, model.file)
  }

  func word(_ text: UnsafeRawBufferPointer) -> UInt32 {
    let place = Self.find(kenLMHash(text), in: 0..<known, upTo: .max) { place in
      words.loadUnaligned(fromByteOffset: 8 &* place, as: UInt64.self)
    }
    return place.map { UInt32(truncatingIfNeeded: $0 + 1) } ?? 0
  }

  @inline(__always)
  func unigram(_ word: UInt32) -> (weights: NGramWeights, node: Node) {
    let entry = unigrams + 16 &* Int(word)
    let weights = NGramWeights(
      logarithm: entry.loadUnaligned(as: Float.self), backoff: entry.loadUnaligned(fromByteOffset: 4, as: Float.self))
    let begin = entry.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let end = entry.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    return (weights, node(begin, end, levels[0].entries))
  }

  /// A range within what there is; an empty one if the file is damaged.
  @inline(__always)
  private func node(_ begin: UInt64, _ end: UInt64, _ entries: Int) -> Node {
    let end = min(end, UInt64(entries))
    return Node(begin: Int(min(begin, end)), end: Int(end))
  }

  @inline(__always)
  func longer(_ node: inout Node, before: UInt32, length: Int) -> NGramWeights? {
    let place = length &- 2
    let level = levels[place], bits = level.bits
    guard node.begin < node.end,
      let entry = Self.find(
        UInt64(before), in: node.begin..<node.end, upTo: UInt64(count), { level.read($0 &* bits, level.wordBits) })
    else {
      node = Node(begin: 0, end: 0)
      return nil
    }
    let bit = entry &* bits &+ Int(level.wordBits)
    // Its sign is left out.
    let logarithm = Float(bitPattern: UInt32(truncatingIfNeeded: level.read(bit, 31)) | 0x8000_0000)
    guard !level.isLast else { return NGramWeights(logarithm: logarithm, backoff: 0) }
    let backoff = Float(bitPattern: UInt32(truncatingIfNeeded: level.read(bit &+ 31, 32)))
    let next = bit &+ Level.middleBits
    node = self.node(
      level.read(next, level.nextBits), level.read(next &+ bits, level.nextBits), levels[place &+ 1].entries)
    return NGramWeights(logarithm: logarithm, backoff: backoff)
  }

  /// The place of a value among sorted ones, which are about evenly spread up to `highest`: by interpolation, then halving.
  @inline(__always)
  private static func find(
    _ key: UInt64, in range: Range<Int>, upTo highest: UInt64, _ value: (Int) -> UInt64
  ) -> Int? {
    var (begin, end) = (range.lowerBound, range.upperBound)
    var (low, high) = (UInt64(0), highest)
    var guesses = 8
    while begin < end {
      var place = begin &+ (end &- begin) / 2
      if guesses > 0, high > low {
        let fraction = Double(key &- low) / (Double(high &- low) + 1)
        place = begin + min(end - begin - 1, max(0, Int(fraction * Double(end - begin))))
        guesses &-= 1
      }
      let found = value(place)
      if found == key { return place }
      if found < key {
        (begin, low) = (place &+ 1, found)
      } else {
        (end, high) = (place, found)
      }
      // Values of a damaged file need not be sorted.
      guard low <= key, key <= high else { return nil }
    }
    return nil
  }
}
