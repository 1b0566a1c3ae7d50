public import ShardKit

/// Searches texts for passages of test questions: an index in one mapped file, shared by all who read it.
///
/// Of every passage (a run of characters, of words, or a whole short text), one *anchor* of six letters stands in a
/// hash table. Where a text has an anchor's letters, they are compared with the question's own, and the match is extended
/// to both sides as far as both agree. So no hash decides about a match.
public struct PassageIndex {
  /// A maximal run of letters that a text shares with a question's text.
  public struct Match: Equatable, Sendable {
    /// The number of the question's text.
    public var text: Int
    /// Letters of the question's text.
    public var range: Range<Int>
    /// Where it begins among the letters of the searched text.
    public var place: Int
  }

  /// Letters of an anchor.
  public static let anchor = 6
  static let magic: UInt32 = 0x5053_4731
  static let headerCount = 8

  private let file: MappedFile
  private let words: UnsafePointer<UInt32>
  /// Number of texts.
  public let count: Int
  private let textStarts: UnsafePointer<UInt32>
  private let passageStarts: UnsafePointer<UInt32>
  private let answerStarts: UnsafePointer<UInt32>
  private let passages: UnsafePointer<UInt32>
  private let answers: UnsafePointer<UInt32>
  private let letters: UnsafePointer<UInt32>
  private let sieve: UnsafePointer<UInt32>
  private let buckets: UnsafePointer<UInt32>
  private let anchors: UnsafePointer<UInt32>
  private let sieveShift: UInt64
  private let bucketShift: UInt64

  /// - Throws: `ShardError` if the file cannot be read or is not an index.
  public init(_ path: String) throws(ShardError) {
    file = try MappedFile(path)
    let header = file.bytes.count >= 4 * Self.headerCount ? Array(file.bytes.bindMemory(to: UInt32.self).prefix(8)) : []
    guard header.first == Self.magic else { throw Self.damaged(path) }
    let sizes = header[1...].map { Int($0) }
    let (texts, passageCount, answerCount, letterCount, anchorCount) = (
      sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    )
    guard sizes[5] <= 32, sizes[6] <= 32 else { throw Self.damaged(path) }
    let sieveWords = max(1, (1 << sizes[5]) / 32), bucketCount = 1 << sizes[6]
    let sections = [
      texts + 1, texts + 1, texts + 1, 2 * passageCount, 2 * answerCount, letterCount, sieveWords, bucketCount + 1,
      2 * anchorCount,
    ]
    guard file.bytes.count == 4 * (Self.headerCount + sections.reduce(0, +)) else { throw Self.damaged(path) }
    words = file.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
    var starts: [UnsafePointer<UInt32>] = []
    var next = words + Self.headerCount
    for size in sections {
      starts.append(next)
      next += size
    }
    (textStarts, passageStarts, answerStarts) = (starts[0], starts[1], starts[2])
    (passages, answers, letters) = (starts[3], starts[4], starts[5])
    (sieve, buckets, anchors) = (starts[6], starts[7], starts[8])
    count = texts
    sieveShift = UInt64(64 - sizes[5])
    bucketShift = UInt64(64 - sizes[6])
  }

  private static func damaged(_ path: String) -> ShardError {
    ShardError(.malformed, path, "is not an index of passages", hint: "Run 'pipeline verify'.")
  }

  /// The letters of a text.
  public func letters(of text: Int) -> UnsafeBufferPointer<UInt32> {
    let start = Int(textStarts[text])
    return UnsafeBufferPointer(start: letters + start, count: Int(textStarts[text + 1]) - start)
  }

  /// The passages of a text that count as evidence, in order.
  public func passages(of text: Int) -> [Range<Int>] {
    (Int(passageStarts[text])..<Int(passageStarts[text + 1])).map {
      Int(passages[2 * $0])..<Int(passages[2 * $0 + 1])
    }
  }

  /// The answers of which one must stand near the text, each by its letters; none if the text is evidence alone.
  public func answers(of text: Int) -> [UnsafeBufferPointer<UInt32>] {
    (Int(answerStarts[text])..<Int(answerStarts[text + 1])).map {
      UnsafeBufferPointer(start: letters + Int(answers[2 * $0]), count: Int(answers[2 * $0 + 1]))
    }
  }

  // MARK: Searching

  /// Every maximal match that holds a passage, in the order in which their anchors stand in the text.
  public func matches(in text: UnsafeBufferPointer<UInt32>) -> [Match] {
    var found: [Match] = []
    guard text.count >= Self.anchor, let scalars = text.baseAddress else { return found }
    /// The ends, in the searched text, of the matches of each text and shift.
    var reached: [Diagonal: Int] = [:]
    /// The number of the last match of each text, and how many it has.
    var last: [Int: (match: Int, count: Int)] = [:]
    var hash = AnchorHash(scalars)
    var place = 0
    while true {
      let mixed = hash.mixed
      let bit = mixed >> sieveShift
      if sieve[Int(bit >> 5)] & (1 << UInt32(bit & 31)) != 0 {
        let bucket = Int(mixed >> bucketShift)
        for entry in Int(buckets[bucket])..<Int(buckets[bucket + 1]) {
          extend(text, place, entry, &reached, &last, &found)
        }
      }
      guard place + Self.anchor < text.count else { return found }
      hash.roll(out: scalars[place], in: scalars[place + Self.anchor])
      place += 1
    }
  }

  /// Of one text in another, from which on those within the last one are left out.
  private static let manyMatches = 64

  private struct Diagonal: Hashable {
    var text: Int
    var shift: Int
  }

  @inline(never)
  private func extend(
    _ searched: UnsafeBufferPointer<UInt32>, _ place: Int, _ entry: Int, _ reached: inout [Diagonal: Int],
    _ last: inout [Int: (match: Int, count: Int)], _ found: inout [Match]
  ) {
    let number = Int(anchors[2 * entry]), offset = Int(anchors[2 * entry + 1])
    let own = letters(of: number)
    for i in 0..<Self.anchor where own[offset + i] != searched[place + i] { return }
    let diagonal = Diagonal(text: number, shift: place - offset)
    guard reached[diagonal] ?? 0 <= place else { return }
    var low = 0, high = Self.anchor
    while low < min(place, offset), own[offset - low - 1] == searched[place - low - 1] { low += 1 }
    while offset + high < own.count, place + high < searched.count, own[offset + high] == searched[place + high] {
      high += 1
    }
    reached[diagonal] = place + high
    let range = (offset - low)..<(offset + high)
    guard holdsPassage(range, of: number) else { return }
    // A text of one letter again and again matches at every shift: what lies within a longer match says nothing new.
    let (latest, count) = last[number] ?? (0, 0)
    if count >= Self.manyMatches, range.count <= found[latest].range.count,
      found[latest].place + found[latest].range.count > place - low
    {
      return
    }
    last[number] = (found.count, count + 1)
    found.append(Match(text: number, range: range, place: place - low))
  }

  private func holdsPassage(_ range: Range<Int>, of text: Int) -> Bool {
    for i in Int(passageStarts[text])..<Int(passageStarts[text + 1]) {
      let start = Int(passages[2 * i]), end = Int(passages[2 * i + 1])
      if start >= range.lowerBound { return end <= range.upperBound }
    }
    return false
  }
}

/// A rolling hash of an anchor's letters.
struct AnchorHash {
  private var value: UInt64 = 0
  private static let base: UInt64 = 0x9E37_79B9_7F4A_7C15
  private static let lead = (1..<PassageIndex.anchor).reduce(UInt64(1)) { power, _ in power &* base }

  init(_ letters: UnsafePointer<UInt32>) {
    for i in 0..<PassageIndex.anchor { value = value &* Self.base &+ UInt64(letters[i]) }
  }

  @inline(__always)
  mutating func roll(out old: UInt32, in new: UInt32) {
    value = (value &- UInt64(old) &* Self.lead) &* Self.base &+ UInt64(new)
  }

  /// Its upper bits depend on all letters.
  @inline(__always)
  var mixed: UInt64 {
    let folded = value ^ (value >> 29)
    return folded &* 0xBF58_476D_1CE4_E5B9
  }
}
