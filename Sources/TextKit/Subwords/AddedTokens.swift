import ShardKit

/// A token that is found in a text before the model sees it.
struct AddedToken: Sendable {
  var id: UInt32
  var content: [UInt8]
  var isSpecial = false
  /// Found in the normalized text instead of the raw one.
  var isNormalized = false
  /// Takes the white space before it.
  var stripsLeft = false
  /// Takes the white space behind it.
  var stripsRight = false
  /// Not inside a word.
  var isWholeWord = false
}

/// The added tokens of a tokenizer, the longest of those at the leftmost place first.
struct AddedTokens: Sendable {
  private let tokens: [AddedToken]
  private let trie: ByteTrie
  private let starts: [Bool]
  /// The byte that all of them start with, if there is one.
  private let onlyStart: UInt8?

  /// - Parameter tokens: with their contents as they appear in the text.
  init(_ tokens: [AddedToken]) {
    self.tokens = tokens
    // Of equal contents, the first one counts.
    trie = ByteTrie(tokens.enumerated().map { ($1.content, Int32($0)) }.reversed())
    starts = trie.starts
    let distinct = starts.indices.filter { [starts] in starts[$0] }
    onlyStart = distinct.count == 1 ? UInt8(distinct[0]) : nil
  }

  var isEmpty: Bool { tokens.isEmpty }

  /// Calls `body` with each part of the text: of a token with its id, or between tokens.
  func forEachPart(
    of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>, UInt32?) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    var from = 0, i = 0
    while !tokens.isEmpty, i < text.count {
      if let onlyStart {
        guard let found = text[i...].firstIndex(of: onlyStart) else { break }
        i = found
      }
      guard starts[Int(text[i])], let match = trie.longest(in: text, at: i) else {
        i &+= 1
        continue
      }
      let token = tokens[Int(match.value)]
      var start = i, end = match.end
      i = match.end
      if token.isWholeWord, Self.isInWord(text, start, end) { continue }
      if token.stripsLeft { start = max(from, Self.spaceStart(text, before: start)) }
      // The space before it may have been taken with the token before.
      end = max(start, end)
      if token.stripsRight { end = Self.spaceEnd(text, after: end) }
      if from < start { try body(from..<start, nil) }
      try body(start..<end, token.id)
      from = end
    }
    if from < text.count { try body(from..<text.count, nil) }
  }

  private static func isInWord(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    func isWord(_ at: Int) -> Bool {
      let scalar = UTF8Scanning.scalar(at: at, in: text.baseAddress!, end: text.count).value
      return TextNormalizer.traits[scalar] & TextNormalizer.inWord != 0
    }
    return (start > 0 && isWord(lead(text, before: start))) || (end < text.count && isWord(end))
  }

  private static func lead(_ text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
    var i = end - 1
    while i > 0, text[i] & 0xC0 == 0x80 { i -= 1 }
    return i
  }

  private static func isSpace(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    let scalar = UTF8Scanning.scalar(at: at, in: text.baseAddress!, end: text.count).value
    return ScalarProperties(of: scalar).contains(.whitespace)
  }

  private static func spaceStart(_ text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
    var start = end
    while start > 0 {
      let previous = lead(text, before: start)
      guard isSpace(text, previous) else { break }
      start = previous
    }
    return start
  }

  private static func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, after start: Int) -> Int {
    var end = start
    while end < text.count, isSpace(text, end) {
      end += UTF8Scanning.scalar(at: end, in: text.baseAddress!, end: text.count).count
    }
    return end
  }
}
