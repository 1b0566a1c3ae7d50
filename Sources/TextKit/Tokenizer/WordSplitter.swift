/// Splits normalized text into words like Hugging Face's `Sequence([BertPreTokenizer(), UnicodeScripts()])`.
///
/// White space separates; each punctuation mark is a word; otherwise a word ends where the script changes. Kanji, kana
/// and ー count as one script. As in that implementation, characters without a script (private use, unassigned) follow
/// the preceding word and are dropped before a word. A text is split in one pass over a table.
public enum WordSplitter {
  /// The role of a character; the values of `classes`. From `firstScript` on: one value per script.
  static let separates: UInt8 = 1
  static let standsAlone: UInt8 = 2
  static let follows: UInt8 = 3
  static let firstScript: UInt8 = 4

  static let classes = ScalarTable<UInt8>(
    rest: follows, UnicodeData.words(UnicodeData.wordClasses).map { ($0.range, UInt8($0.values[0])) })

  /// Calls `body` with the bytes of each word, in order.
  @inline(__always)
  public static func forEachWord(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    forEachWord(text, classes, body)
  }

  /// - Parameter classes: the characters' roles.
  @inline(__always)
  static func forEachWord(
    _ text: UnsafeBufferPointer<UInt8>, _ classes: ScalarTable<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard let bytes = text.baseAddress else { return }
    var script: UInt8 = 0  // of the open word; 0: none is open
    var start = 0, i = 0
    while i < text.count {
      let (scalar, count) = UTF8Scanning.scalar(at: i, in: bytes, end: text.count)
      let kind = classes[scalar]
      if kind != script && !(kind == follows && script != 0) {
        if script != 0 { body(UnsafeBufferPointer(start: bytes + start, count: i &- start)) }
        start = i
        script = kind >= firstScript ? kind : 0
        if kind == standsAlone { body(UnsafeBufferPointer(start: bytes + i, count: count)) }
      }
      i &+= count
    }
    if script != 0 { body(UnsafeBufferPointer(start: bytes + start, count: text.count &- start)) }
  }
}
