/// A part of a text whose n-grams are told from those of the others.
public enum GramPart: Int, CaseIterable, Sendable {
  /// `text`, `beginning` and `end`: the n-grams of the shape's lengths in the whole text and in its first and last `edge`
  /// characters. `sentences`: the first 1 to 3 and the last 2 to 5 characters of each sentence.
  case text, beginning, end, sentences

  static let sentenceBeginnings = 1...3
  static let sentenceEnds = 2...5

  /// The sum of the squares of the values of the part's n-grams. A text that is cut off, or that begins with a menu, shows
  /// it by few characters, which count little among those of the whole text.
  public func share(in shape: GramShape) -> Double {
    guard shape.edge > 0 else { return self == .text ? 1 : 0 }
    return switch self {
    case .text: 0.8
    case .beginning, .sentences: 0.05
    case .end: 0.1
    }
  }

  /// Where the part is in a text of so many characters.
  func range(in count: Int, _ edge: Int) -> Range<Int> {
    switch self {
    case .text, .sentences: 0..<count
    case .beginning: 0..<min(edge, count)
    case .end: max(0, count - edge)..<count
    }
  }

  /// What the hash of the part's n-grams begins with; `offset` 1: of the ends of sentences.
  func seed(_ offset: UInt64 = 0) -> UInt64 {
    0x9E37_79B9_7F4A_7C15 &+ (UInt64(rawValue) &+ offset) &* 0xA24B_AED4_963E_E407
  }
}

/// The hashes of n-grams: of one, that of the shorter one and of a further character.
enum GramHash {
  @inline(__always)
  static func extend(_ hash: UInt64, _ scalar: UInt32) -> UInt64 {
    let mixed = (hash ^ UInt64(scalar)) &* 0xD6E8_FEB8_6659_FD93
    return mixed ^ (mixed &>> 32)
  }

  @inline(__always)
  static func feature(_ hash: UInt64, _ bits: Int) -> Int {
    Int(truncatingIfNeeded: (hash &* 0xA076_1D64_78BD_642F) &>> UInt64(64 &- bits))
  }
}

/// Sentences of normalized text: they end after one or more of 。, ! and ?, or with the text, without spaces around.
struct SentenceSpans {
  private let scalars: UnsafeBufferPointer<UInt32>
  private var at = 0

  init(_ scalars: UnsafeBufferPointer<UInt32>) { self.scalars = scalars }

  private static func isMark(_ scalar: UInt32) -> Bool { scalar == 0x3002 || scalar == 0x21 || scalar == 0x3F }

  /// - Returns: nil after the last one.
  @inline(__always)
  mutating func next() -> Range<Int>? {
    let count = scalars.count
    while at < count, scalars[at] == 0x20 { at &+= 1 }
    guard at < count else { return nil }
    let start = at
    while at < count, !Self.isMark(scalars[at]) { at &+= 1 }
    while at < count, Self.isMark(scalars[at]) { at &+= 1 }
    var end = at
    while scalars[end &- 1] == 0x20 { end &-= 1 }
    return start..<end
  }
}
