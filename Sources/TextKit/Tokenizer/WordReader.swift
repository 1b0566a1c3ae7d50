/// Splits raw text into the words that a vocabulary is trained on: normalization, then one of the word splitters.
public final class WordReader {
  private let mecab: MeCab?
  /// The dictionary that splits words, if MeCab is used.
  public var dictionary: MeCabDictionary? { mecab?.dictionary }
  private let form: WordForm
  private var normalized: [UInt8] = []

  /// - Parameter dictionary: MeCab's dictionary folder; nil for the system default.
  /// - Throws: `TokenizerError` if MeCab is used and cannot be loaded, or its dictionary is not UTF-8.
  public init(_ words: WordPieceTokenizer.Words, dictionary: String? = nil) throws(TokenizerError) {
    mecab = words == .mecab ? try MeCab(dictionary: dictionary) : nil
    form = WordForm(words)
  }

  /// What the words depend on besides the text and this program; empty without MeCab.
  /// - Throws: `TokenizerError` if MeCab is used and cannot be loaded, or its dictionary cannot be read.
  public static func identity(
    _ words: WordPieceTokenizer.Words, dictionary: String? = nil
  ) throws(TokenizerError) -> String {
    words == .mecab ? try MeCab(dictionary: dictionary).dictionaryIdentity() : ""
  }

  /// Calls `body` with each word of the text.
  /// - Throws: `TokenizerError` if MeCab, where it is used, cannot read the text.
  public func forEachWord(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    normalized.removeAll(keepingCapacity: true)
    form.normalize(text, into: &normalized)
    try normalized.withUnsafeBufferPointer { (text) throws(TokenizerError) in
      try forEachWord(normalized: text, body)
    }
  }

  /// Calls `body` with each word of a text that is already normalized.
  func forEachWord(
    normalized text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    if let mecab { try mecab.forEachWord(text, body) } else { WordSplitter.forEachWord(text, form.classes, body) }
  }

  /// The most recently split text, normalized.
  public var normalizedText: [UInt8] { normalized }
}
