public import ShardKit

/// Which passages of a question's text are evidence.
public struct PassageRule: Equatable, Sendable {
  /// Characters of a passage, in texts that are not mostly Latin.
  public var characters: Int
  /// Words of a passage, in texts that are mostly Latin.
  public var words: Int
  /// Shorter texts are evidence as a whole if they have this many characters, or words.
  public var minimumCharacters: Int
  public var minimumWords: Int

  public init(characters: Int, words: Int, minimumCharacters: Int, minimumWords: Int) {
    self.characters = characters
    self.words = words
    self.minimumCharacters = minimumCharacters
    self.minimumWords = minimumWords
  }
}

/// Collects the texts of test questions and writes their `PassageIndex`.
///
/// Memory: about 100 bytes for each letter of the texts while it is built, 8 in the file.
public struct PassageIndexBuilder: ~Copyable {
  /// What becomes of a text.
  public enum Placement: Equatable, Sendable {
    /// The number of the text in the index; equal texts have one number.
    case indexed(Int)
    /// It has too few letters to be told from other texts.
    case tooShort
  }

  private struct Text {
    var letters: [UInt32]
    var passages: [Range<Int>]
    /// Whether an answer must stand near it.
    var needsAnswer: Bool
    var answers: [[UInt32]] = []
  }

  private let rule: PassageRule
  private var fold = LetterText()
  private var texts: [Text] = []
  private var numbers: [[UInt32]: Int] = [:]

  public init(_ rule: PassageRule) { self.rule = rule }

  /// Adds a text.
  /// - Parameter answers: of its question; one of them must stand near a text too short to be evidence alone.
  public mutating func add(_ text: [UInt8], answers: [[UInt8]]) -> Placement {
    let (letters, starts) = read(text)
    let number: Int
    if let known = numbers[letters] {
      number = known
    } else {
      guard let new = self.text(letters, starts) else { return .tooShort }
      number = texts.count
      texts.append(new)
      numbers[letters] = number
    }
    guard texts[number].needsAnswer else { return .indexed(number) }
    let folded = answers.map { read($0).letters }.filter { !$0.isEmpty && !texts[number].answers.contains($0) }
    texts[number].answers += folded
    return texts[number].answers.isEmpty ? .tooShort : .indexed(number)
  }

  /// The letters of a text, and where words begin among them.
  private mutating func read(_ text: [UInt8]) -> (letters: [UInt32], wordStarts: [Int]) {
    text.withUnsafeBufferPointer { bytes in
      fold.fold(bytes)
      let letters = Array(fold.letters), places = fold.places(bytes)
      var starts: [Int] = []
      for i in places.indices {
        let end = i > 0 ? places[i - 1].upperBound : 0
        if i == 0 || Self.hasWhiteSpace(text[end..<max(end, places[i].lowerBound)]) { starts.append(i) }
      }
      return (letters, starts)
    }
  }

  private static func hasWhiteSpace(_ gap: ArraySlice<UInt8>) -> Bool {
    gap.withUnsafeBufferPointer { bytes in
      var found = false
      UTF8Scanning.forEachScalar(bytes) { scalar, _, _ in
        if ScalarProperties(of: scalar).contains(.whitespace) { found = true }
      }
      return found
    }
  }

  private func text(_ letters: [UInt32], _ starts: [Int]) -> Text? {
    guard letters.count >= PassageIndex.anchor else { return nil }
    let latin = letters.count { $0 < 0x250 }
    if latin * 2 > letters.count {
      let ends = starts.dropFirst() + [letters.count]
      let windows = zip(starts, ends.dropFirst(rule.words - 1)).map { $0..<$1 }.filter {
        $0.count >= PassageIndex.anchor
      }
      if !windows.isEmpty { return Text(letters: letters, passages: windows, needsAnswer: false) }
      return whole(letters, isEvidence: starts.count >= rule.minimumWords)
    }
    guard letters.count >= rule.characters else {
      return whole(letters, isEvidence: letters.count >= rule.minimumCharacters)
    }
    let windows = (0...(letters.count - rule.characters)).map { $0..<($0 + rule.characters) }
    return Text(letters: letters, passages: windows, needsAnswer: false)
  }

  private func whole(_ letters: [UInt32], isEvidence: Bool) -> Text {
    Text(letters: letters, passages: [0..<letters.count], needsAnswer: !isEvidence)
  }

  // MARK: Writing

  private struct Anchor {
    var hash: UInt64
    var text: UInt32
    var offset: UInt32
  }

  /// An anchor that more places of the texts have is a phrase of the test set, not of a question, and is not searched
  /// for; except where a whole text has no rarer one.
  static let mostPlaces: UInt32 = 256

  /// Writes the index; the caller commits the sink.
  /// - Throws: `ShardError` if it cannot be written, or if the texts are larger than an index can be (4 G letters).
  public func write(to sink: some ByteSink) throws(ShardError) {
    let anchors = anchors()
    let answers = texts.map { $0.needsAnswer ? $0.answers : [] }
    let letterCount = texts.reduce(0) { $0 + $1.letters.count } + answers.joined().reduce(0) { $0 + $1.count }
    let passageCount = texts.reduce(0) { $0 + $1.passages.count }
    guard letterCount < Int(UInt32.max), passageCount < Int(UInt32.max) else {
      throw ShardError(
        .tooLarge, "the test sets", "their \(letterCount) letters are more than an index can hold",
        hint: "Give fewer sets, or only the fields that are questions.")
    }
    let bucketBits = Self.bits(anchors.count), sieveBits = min(32, max(5, bucketBits + 5))
    var out: [UInt32] = [
      PassageIndex.magic, UInt32(texts.count), UInt32(passageCount), UInt32(answers.joined().count),
      UInt32(letterCount), UInt32(anchors.count), UInt32(sieveBits), UInt32(bucketBits),
    ]
    out += Self.starts(texts.map(\.letters.count))
    out += Self.starts(texts.map(\.passages.count))
    out += Self.starts(answers.map(\.count))
    for text in texts { for range in text.passages { out += [UInt32(range.lowerBound), UInt32(range.upperBound)] } }
    var next = texts.reduce(0) { $0 + $1.letters.count }
    for answer in answers.joined() {
      out += [UInt32(next), UInt32(answer.count)]
      next += answer.count
    }
    for text in texts { out += text.letters }
    for answer in answers.joined() { out += answer }
    out += Self.sieve(anchors, bits: sieveBits)
    out += Self.buckets(anchors, bits: bucketBits)
    for anchor in anchors { out += [anchor.text, anchor.offset] }
    try sink.write(records: out[...])
  }

  /// Enough for as many buckets as entries.
  private static func bits(_ count: Int) -> Int { max(1, Int.bitWidth - max(1, count - 1).leadingZeroBitCount) }

  private static func starts(_ counts: [Int]) -> [UInt32] {
    counts.reduce(into: [0]) { $0.append($0.last! + UInt32($1)) }
  }

  private static func sieve(_ anchors: [Anchor], bits: Int) -> [UInt32] {
    var sieve = [UInt32](repeating: 0, count: max(1, (1 << bits) / 32))
    for anchor in anchors {
      let bit = anchor.hash >> UInt64(64 - bits)
      sieve[Int(bit >> 5)] |= 1 << UInt32(bit & 31)
    }
    return sieve
  }

  /// Where each bucket begins; the anchors are in the order of their hashes.
  private static func buckets(_ anchors: [Anchor], bits: Int) -> [UInt32] {
    var counts = [Int](repeating: 0, count: 1 << bits)
    for anchor in anchors { counts[Int(anchor.hash >> UInt64(64 - bits))] += 1 }
    return starts(counts)
  }

  /// One in every passage, the rarest, ascending by hash.
  private func anchors() -> [Anchor] {
    var places: [UInt64: UInt32] = [:]
    for text in texts { Self.forEachHash(text.letters) { places[$0, default: 0] += 1 } }
    var anchors: [Anchor] = []
    for (number, text) in texts.enumerated() {
      if text.needsAnswer, text.answers.isEmpty { continue }
      var hashes: [UInt64] = []
      Self.forEachHash(text.letters) { hashes.append($0) }
      var chosen = -1
      for passage in text.passages where chosen < passage.lowerBound {
        let possible = max(passage.lowerBound, 0)...(passage.upperBound - PassageIndex.anchor)
        guard let best = possible.min(by: { (places[hashes[$0]]!, -$0) < (places[hashes[$1]]!, -$1) }),
          places[hashes[best]]! <= Self.mostPlaces || passage.count == text.letters.count
        else { continue }
        chosen = best
        anchors.append(Anchor(hash: hashes[best], text: UInt32(number), offset: UInt32(best)))
      }
    }
    return anchors.sorted { ($0.hash, $0.text, $0.offset) < ($1.hash, $1.text, $1.offset) }
  }

  private static func forEachHash(_ letters: [UInt32], _ body: (UInt64) -> Void) {
    letters.withUnsafeBufferPointer { letters in
      guard letters.count >= PassageIndex.anchor, let start = letters.baseAddress else { return }
      var hash = AnchorHash(start)
      body(hash.mixed)
      for i in PassageIndex.anchor..<max(PassageIndex.anchor, letters.count) {
        hash.roll(out: letters[i - PassageIndex.anchor], in: letters[i])
        body(hash.mixed)
      }
    }
  }
}
