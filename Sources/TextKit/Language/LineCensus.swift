import ShardKit

/// Counts of the lines (paragraphs) and sentences of a text.
///
/// A line ends at LF; blank ones do not count. A sentence is a maximal run of characters of one line that contains none
/// of 。．！？!?, plus one such character after it if there is one (Swallow's definition), so the sentence of 「え！？」 is え！.
/// Lengths are in characters, including spaces.
public struct LineCensus: Equatable, Sendable {
  public var lines = 0
  public var lineCharacters = 0
  /// Lines that are equal to an earlier line, and their characters.
  public var duplicateLines = 0
  public var duplicateLineCharacters = 0
  /// Lines of at most 10 characters.
  public var shortLines = 0
  /// Characters in lines of at most 5 characters.
  public var tinyLineCharacters = 0
  /// Lines that end, ignoring spaces, in … or three or more of `.` or ・, directly or before a read-more link
  /// (`LinkToRest`).
  public var ellipsisLines = 0
  public var sentences = 0
  public var sentenceCharacters = 0
  public var duplicateSentences = 0
  public var duplicateSentenceCharacters = 0
  public var longestSentence = 0
  /// Sentences that end, ignoring spaces, in …, ・ or three or more of `.` (the NFKC form of …).
  public var ellipsisSentences = 0

  static let shortLine = 10, tinyLine = 5

  /// - Parameter seen: scratch memory.
  public init(_ text: DecodedText, _ seen: inout KeyNumbers) {
    seen.reset(expecting: text.count / 16)
    var start = 0
    while let end = Self.nextLine(text, &start) {
      countLine(text, start, end, &seen)
      start = end + 1
    }
    seen.reset(expecting: text.count / 16)
    start = 0
    while let end = Self.nextLine(text, &start) {
      countSentences(text, start, end, &seen)
      start = end + 1
    }
  }

  /// Moves `start` to the next non-empty line and returns its end; nil at the end of the text.
  private static func nextLine(_ text: DecodedText, _ start: inout Int) -> Int? {
    let scalars = text.scalars, count = text.count
    while start < count, scalars[start] == 0x0A { start += 1 }
    guard start < count else { return nil }
    var end = start
    while end < count, scalars[end] != 0x0A { end += 1 }
    return end
  }

  private mutating func countLine(_ text: DecodedText, _ start: Int, _ end: Int, _ seen: inout KeyNumbers) {
    let last = Self.lastVisible(text, start, end)
    guard last >= start else { return }
    let length = end - start
    lines += 1
    lineCharacters += length
    if !seen.insert(hash(text, start, end)) {
      duplicateLines += 1
      duplicateLineCharacters += length
    }
    if length <= Self.shortLine { shortLines += 1 }
    if length <= Self.tinyLine { tinyLineCharacters += length }
    if Self.isCutOff(text, start, last) { ellipsisLines += 1 }
  }

  private static func isCutOff(_ text: DecodedText, _ start: Int, _ last: Int) -> Bool {
    if endsInEllipsis(text, start, last) { return true }
    guard let before = LinkToRest.start(text, start, last), before > start else { return false }
    return endsInEllipsis(text, start, before - 1)
  }

  private static func endsInEllipsis(_ text: DecodedText, _ start: Int, _ last: Int) -> Bool {
    let scalar = text.scalars[last]
    if scalar == 0x2026 { return true }
    guard scalar == 0x2E || scalar == 0x30FB, last - 2 >= start else { return false }
    return text.scalars[last - 1] == scalar && text.scalars[last - 2] == scalar
  }

  private mutating func countSentences(_ text: DecodedText, _ start: Int, _ end: Int, _ seen: inout KeyNumbers) {
    var begin = start
    for i in start..<end where Self.endsSentence(text.scalars[i]) {
      if i > begin { countSentence(text, begin, i + 1, &seen) }
      begin = i + 1
    }
    if begin < end { countSentence(text, begin, end, &seen) }
  }

  private mutating func countSentence(_ text: DecodedText, _ start: Int, _ end: Int, _ seen: inout KeyNumbers) {
    let last = Self.lastVisible(text, start, end)
    guard last >= start else { return }
    sentences += 1
    sentenceCharacters += end - start
    longestSentence = max(longestSentence, end - start)
    if text.scalars[last] == 0x30FB || Self.isCutOff(text, start, last) { ellipsisSentences += 1 }
    if !seen.insert(hash(text, start, end)) {
      duplicateSentences += 1
      duplicateSentenceCharacters += end - start
    }
  }

  @inline(__always)
  private static func endsSentence(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x3002, 0xFF0E, 0xFF01, 0xFF1F, 0x21, 0x3F, 0xFF61: true
    default: false
    }
  }

  /// The last character that is not white space; below `start` if there is none.
  private static func lastVisible(_ text: DecodedText, _ start: Int, _ end: Int) -> Int {
    var last = end - 1
    while last >= start, text.classes[last] & ScriptClass.whitespace.rawValue != 0 { last -= 1 }
    return last
  }

  private func hash(_ text: DecodedText, _ start: Int, _ end: Int) -> UInt64 {
    recordHash(UnsafeRawBufferPointer(start: text.scalars + start, count: (end - start) * 4))
  }
}
