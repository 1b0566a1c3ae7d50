import TextKit

/// Signs of running text in a block.
struct ProseSigns: Equatable {
  var isCopyright = false
  var isProse = false
  /// Whether it ends like a sentence.
  var endsSentence = false
  /// Number of sentence ends in it.
  var sentences = 0

  /// Letters by script, and words in scripts that separate words by spaces.
  private struct Counts {
    var characters = 0, hiragana = 0, words = 0, shortWords = 0, word = 0, unspaced = 0

    /// At the end of a word.
    mutating func endWord() {
      guard word > 0 else { return }
      words += 1
      shortWords += word <= 3 ? 1 : 0
      word = 0
    }
  }

  init(_ text: UnsafeBufferPointer<UInt8>) {
    var counts = Counts()
    for at in text.indices {
      let byte = text[at]
      if byte & 0xC0 == 0x80 { continue }
      counts.characters += byte > 32 ? 1 : 0
      if (byte | 0x20) &- 0x61 < 26 {
        counts.word += 1
      } else if byte < 0x80 {
        counts.endWord()
      } else {
        Self.count(text, at, &counts)
      }
      sentences += Self.isMark(text, at) ? 1 : 0
    }
    counts.endWord()
    endsSentence = text.indices.suffix(4).contains { Self.isMark(text, $0) }
    isProse = Self.isProse(counts, sentences)
    isCopyright = counts.characters < 200 && Self.isCopyright(text)
  }

  private static func isProse(_ counts: Counts, _ sentences: Int) -> Bool {
    if counts.characters > 0, counts.hiragana * 100 >= counts.characters * 15 { return true }
    if sentences > 0, counts.words < 8, counts.hiragana + counts.words < counts.characters { return true }
    // Thai, Lao, Khmer and Burmese do not separate words or sentences.
    if counts.unspaced * 2 >= counts.characters, counts.unspaced >= 60 { return true }
    return counts.words >= 8 && (counts.shortWords * 4 >= counts.words || sentences > 0)
  }

  /// A character outside ASCII.
  @inline(__always)
  private static func count(_ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ counts: inout Counts) {
    switch text[at] {
    // Latin with diacritics, Greek, Cyrillic, Hebrew, Arabic and their neighbors, except punctuation.
    case 0xC3...0xDF: counts.word += 1
    // Indic scripts, and those of Southeast Asia.
    case 0xE0 where at + 1 < text.count:
      counts.word += 1
      if text[at + 1] >= 0xB8, text[at + 1] < 0xBD { counts.unspaced += 1 }
    case 0xE1 where at + 1 < text.count:
      counts.word += 1
      if text[at + 1] == 0x80 || text[at + 1] == 0x81 || text[at + 1] == 0x9E || text[at + 1] == 0x9F {
        counts.unspaced += 1
      }
    case 0xE3 where at + 2 < text.count:
      counts.endWord()
      counts.hiragana += text[at + 1] == 0x81 || text[at + 1] == 0x82 && text[at + 2] < 0xA0 ? 1 : 0
    case 0xEA...0xED: counts.word += 1
    default: counts.endWord()
    }
  }

  /// Sentence ends: 。 ！ ？ । ॥ ۔ ؟ ။, or a Latin mark before a space or the end, also followed by a closing mark.
  private static func isMark(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    func next(_ second: UInt8, _ third: UInt8) -> Bool {
      at + 2 < text.count && text[at + 1] == second && text[at + 2] == third
    }
    switch text[at] {
    case 0x2E, 0x21, 0x3F: return at + 1 == text.count || text[at + 1] <= 32
    case 0xD8: return at + 1 < text.count && text[at + 1] == 0x9F
    case 0xDB: return at + 1 < text.count && text[at + 1] == 0x94
    case 0xE0: return next(0xA5, 0xA4) || next(0xA5, 0xA5)
    case 0xE1: return next(0x81, 0x8B) || next(0x8D, 0xA2) || next(0x9F, 0x94)
    case 0xE3: return next(0x80, 0x82)
    case 0xEF: return next(0xBC, 0x81) || next(0xBC, 0x9F)
    default: return false
    }
  }

  /// ©, or a copyright notice in words, in any case.
  private static func isCopyright(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    for at in text.indices {
      if text[at] == 0xC2, at + 1 < text.count, text[at + 1] == 0xA9 { return true }
      if text[at] | 0x20 == UInt8(ascii: "c"), folded(text, at, "copyright") { return true }
      if text[at] | 0x20 == UInt8(ascii: "a"), folded(text, at, "all rights reserved") { return true }
    }
    return false
  }

  private static func folded(_ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ word: StaticString) -> Bool {
    guard at + word.utf8CodeUnitCount <= text.count else { return false }
    return (0..<word.utf8CodeUnitCount).allSatisfy { text[at + $0] | 0x20 == word.utf8Start[$0] }
  }
}
