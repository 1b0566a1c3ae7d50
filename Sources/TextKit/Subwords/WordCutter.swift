/// Cuts the pieces of a tokenizer into the words that byte pairs and unigrams are learned from, as SentencePiece does: a
/// token stays within one script, within punctuation or within white space; only the mark of a space before it belongs to
/// what follows.
struct WordCutter {
  /// What stands for a space at the start of a piece.
  let mark: [UInt8]
  /// Longer words are cut further, so that the probabilities of their segmentations stay in range.
  static let longestWord = 24

  func forEachWord(_ piece: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    guard let bytes = piece.baseAddress else { return }
    var start = 0, i = 0, characters = 0
    var kind: UInt8 = 0
    if piece.count > mark.count, piece.prefix(mark.count).elementsEqual(mark) {
      i = mark.count
      characters = 1
    }
    while i < piece.count {
      let (scalar, count) = UTF8Scanning.scalar(at: i, in: bytes, end: piece.count)
      var own = WordSplitter.classes[scalar]
      if own == WordSplitter.follows, kind != 0 { own = kind }
      let isFull = characters >= Self.longestWord
      if kind != 0, own != kind || isFull {
        body(UnsafeBufferPointer(rebasing: piece[start..<i]))
        start = i
        characters = 0
      }
      kind = own
      characters += 1
      i += count
    }
    body(UnsafeBufferPointer(rebasing: piece[start..<piece.count]))
  }
}
