import ShardKit

/// Word-like units without a dictionary: runs of one script (kanji, hiragana, katakana, Latin letters, digits), and
/// every other character except white space as its own unit. A run corresponds to about one and a half words of a
/// morphological analyzer.
enum WordRuns {
  /// The units of a text as numbers, equal for equal units.
  static func numbers(_ text: DecodedText, _ numbers: inout KeyNumbers, into out: inout [UInt32]) {
    out.removeAll(keepingCapacity: true)
    numbers.reset(expecting: text.count / 2)
    var i = 0
    while i < text.count {
      let kind = kind(text.classes[i])
      let start = i
      i += 1
      if kind == ScriptClass.whitespace.rawValue { continue }
      while kind != 0, i < text.count, self.kind(text.classes[i]) == kind { i += 1 }
      let bytes = UnsafeRawBufferPointer(start: text.scalars + start, count: (i - start) * 4)
      out.append(UInt32(numbers.number(recordHash(bytes))))
    }
  }

  private static func kind(_ value: UInt8) -> UInt8 {
    let runs: ScriptClass = [.hiragana, .katakana, .kanji, .latinLetter, .digit, .whitespace]
    let bits = value & runs.rawValue
    return bits & (~bits &+ 1)  // the lowest, where two apply
  }
}
