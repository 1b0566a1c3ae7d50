/// Where words of a text begin and end, by MeCab. Lines are split only when they are asked about, in order, so that
/// texts without candidates cost nothing. Not thread-safe.
public final class WordBoundaries {
  private let mecab: MeCab
  private var text = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  /// The line that is split: its bytes and its characters.
  private var line = 0..<0, characters = 0..<0
  /// Whether a word begins or ends before each of the line's characters, and behind the last.
  private var isBoundary: [Bool] = []
  /// Why a line could not be split.
  public private(set) var failure: TokenizerError?

  public init(_ mecab: MeCab) { self.mecab = mecab }

  /// Starts with a text, which must stay where it is while words are asked for.
  public func load(_ text: UnsafeBufferPointer<UInt8>) {
    self.text = text
    (line, characters, isBoundary) = (0..<0, 0..<0, [])
  }

  /// Whether words begin and end where these characters do. Asked for in the order of the text; a range that spans
  /// lines is none.
  public func areWords(_ range: Range<Int>) -> Bool {
    while range.lowerBound >= characters.upperBound, line.upperBound < text.count { advance() }
    guard range.upperBound <= characters.upperBound, range.lowerBound >= characters.lowerBound else { return false }
    if isBoundary.isEmpty { split() }
    return isBoundary[range.lowerBound - characters.lowerBound] && isBoundary[range.upperBound - characters.lowerBound]
  }

  /// To the next line, with its end.
  private func advance() {
    let start = line.upperBound
    let end = text[start...].firstIndex(of: 0x0A).map { $0 + 1 } ?? text.count
    line = start..<end
    let count = UTF8Scanning.scalarCount(UnsafeBufferPointer(rebasing: text[line]))
    characters = characters.upperBound..<characters.upperBound + count
    isBoundary = []
  }

  private func split() {
    isBoundary = [Bool](repeating: false, count: characters.count + 1)
    let bytes = UnsafeBufferPointer(rebasing: text[line])
    var at = 0, character = 0
    /// Passes `count` bytes.
    func pass(_ count: Int) {
      for i in at..<at + count where !bytes[i].isContinuation { character += 1 }
      at += count
    }
    do throws(TokenizerError) {
      try mecab.forEachWord(bytes) { word in
        // White space stands between words.
        while at + word.count <= bytes.count, !bytes[at..<at + word.count].elementsEqual(word) { pass(1) }
        guard at + word.count <= bytes.count else { return }
        isBoundary[character] = true
        pass(word.count)
        isBoundary[character] = true
      }
    } catch { failure = error }
  }
}
