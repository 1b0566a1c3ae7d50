/// A token with its byte range in the raw text.
public struct TokenOffset: Equatable, Sendable {
  public var id: UInt32
  public var range: Range<Int>

  public init(id: UInt32, range: Range<Int>) {
    self.id = id
    self.range = range
  }
}

/// Encodes with the places of the tokens in the raw text.
struct PlacedWords {
  private let tokenizer: WordPieceTokenizer
  private let reader: WordReader

  init(_ tokenizer: WordPieceTokenizer, _ reader: WordReader) {
    self.tokenizer = tokenizer
    self.reader = reader
  }

  func encode(_ text: [UInt8]) throws(TokenizerError) -> [TokenOffset] {
    var tokens: [TokenOffset] = []
    let result = text.withUnsafeBufferPointer { text in
      Result { () throws(TokenizerError) in
        try tokenizer.forEachStretch(text) { (stretch, special) throws(TokenizerError) in
          let start = stretch.baseAddress.map { UnsafePointer(text.baseAddress!).distance(to: $0) } ?? 0
          if let special {
            // The range is empty and follows the token.
            let count = tokenizer.tokens[Int(special)].count
            tokens.append(TokenOffset(id: special, range: (start - count)..<start))
          } else {
            try place(stretch, from: start, into: &tokens)
          }
        }
      }
    }
    try result.get()
    return tokens
  }

  private func place(
    _ stretch: UnsafeBufferPointer<UInt8>, from start: Int, into tokens: inout [TokenOffset]
  ) throws(TokenizerError) {
    let form = PlacedForm(stretch, WordForm(tokenizer.words))
    var ids = TokenBuffer()
    var at = 0
    let result = form.bytes.withUnsafeBufferPointer { normal in
      Result { () throws(TokenizerError) in
        try reader.forEachWord(normalized: normal) { word in
          // Words come in order, with only separators between them.
          guard let found = Self.find(word, in: normal, from: at) else { return }
          ids.removeAll()
          tokenizer.encoder.encode(word: word, into: &ids)
          var from = found
          for (i, id) in ids.ids.enumerated() {
            let isUnknown = id == tokenizer.unknown
            let count = isUnknown ? word.count : tokenizer.tokens[Int(id)].count - (i > 0 ? 2 : 0)
            let place = form.range(of: from..<(from + count))
            tokens.append(TokenOffset(id: id, range: (start + place.lowerBound)..<(start + place.upperBound)))
            from += count
          }
          at = found + word.count
        }
      }
    }
    try result.get()
  }

  private static func find(
    _ word: UnsafeBufferPointer<UInt8>, in text: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> Int? {
    guard text.count >= word.count else { return nil }
    var at = start
    while at <= text.count - word.count {
      if text[at] == word[0], text[at..<(at + word.count)].elementsEqual(word) { return at }
      at += 1
    }
    return nil
  }
}

/// The normalized form of a text, with the raw byte range of each of its bytes.
struct PlacedForm {
  private(set) var bytes: [UInt8] = []
  private var from: [Range<Int>] = []

  init(_ text: UnsafeBufferPointer<UInt8>, _ form: WordForm) {
    var scratch: [UInt32] = []
    var i = 0
    while i < text.count {
      let end = form.segment(text, from: i, scratch: &scratch, into: &bytes)
      from += repeatElement(i..<end, count: bytes.count - from.count)
      i = end
    }
  }

  /// The raw bytes of a part of the normalized form.
  func range(of part: Range<Int>) -> Range<Int> {
    guard !part.isEmpty, part.upperBound <= from.count else { return 0..<0 }
    return from[part.lowerBound].lowerBound..<from[part.upperBound - 1].upperBound
  }
}
