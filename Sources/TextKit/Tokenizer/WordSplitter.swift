/// Cuts normalized text into words as Hugging Face's `Sequence([BertPreTokenizer(), UnicodeScripts()])` does.
///
/// White space separates; each punctuation mark is a word; elsewhere a word ends where the script changes. Kanji, kana
/// and ー are one script. Characters without a script (private use, unassigned) follow the word that they stand in and
/// vanish where they stand before one, as they do there. A text is cut by one pass over a table.
public enum WordSplitter {
  /// What a character does; the values of `classes`. `firstScript` and above: one value a script.
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
    guard let bytes = text.baseAddress else { return }
    let classes = Self.classes
    var script: UInt8 = 0  // of the open word; 0 where none is open
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
