import Glibc
import ShardKit

/// Reads an ARPA file: `\data\` with the numbers of n-grams, then `\1-grams:`, `\2-grams:`, … and `\end\`. A line is the
/// logarithm, the words, and the backoff if there is one, separated by tabs.
struct ARPAReader {
  private let path: String
  private let lines: LineReader
  private var number = 0
  private var grams = NGramBuilder()
  /// Of one n-gram, the last word first.
  private var reversed: [UInt32] = []

  init(_ path: String) throws(ShardError) {
    self.path = path
    lines = LineReader(try openSource(path))
  }

  private func malformed(_ why: String) -> ShardError {
    ShardError(
      .malformed, path, "line \(number): \(why)",
      hint: "Take an ARPA file (text, may be compressed), such as KenLM's lmplz writes.")
  }

  mutating func read() throws(ShardError) -> HashedNGrams {
    var counts: [Int] = []
    var (order, left) = (0, 0)
    var isOpen = false
    while let line = try lines.next() {
      number += 1
      let text = line
      if text.isEmpty { continue }
      if text[0] == UInt8(ascii: "\\") {
        let word = String(decoding: text, as: UTF8.self)
        if word.hasPrefix("\\data\\") { isOpen = true; continue }
        guard left == 0 else { throw malformed("\(left) n-grams of \(order) words are missing") }
        if word.hasPrefix("\\end\\") { break }
        order += 1
        guard isOpen, order <= counts.count, word.hasPrefix("\\\(order)-grams:") else {
          throw malformed("it is not the head of the n-grams of \(order) words")
        }
        left = counts[order - 1]
      } else if order == 0 {
        if isOpen { counts.append(try count(text, counts.count + 1)) }
      } else {
        guard left > 0 else { throw malformed("there are more n-grams of \(order) words than stated") }
        try add(text, order)
        left -= 1
      }
    }
    guard isOpen, !counts.isEmpty, order == counts.count, left == 0 else {
      throw malformed(isOpen ? "the file ends too early" : "it has no \\data\\")
    }
    return grams.table()
  }

  /// `ngram 2=1234`.
  private func count(_ text: UnsafeRawBufferPointer, _ order: Int) throws(ShardError) -> Int {
    let words = String(decoding: text, as: UTF8.self).split(separator: "=")
    guard words.count == 2, words[0] == "ngram \(order)", let count = Int(words[1].filter { $0 != " " && $0 != "\r" }),
      count >= 0, count < Int(UInt32.max), order <= 16
    else { throw malformed("it is not 'ngram \(order)=…'") }
    return count
  }

  private mutating func add(_ text: UnsafeRawBufferPointer, _ order: Int) throws(ShardError) {
    let tab = UInt8(ascii: "\t")
    guard let first = text.firstIndex(of: tab), let logarithm = Self.value(text[..<first]), logarithm <= 0.001 else {
      throw malformed("it does not begin with a logarithm and a tab")
    }
    let second = text[(first + 1)...].firstIndex(of: tab)
    var backoff: Float = 0
    if let second {
      guard let value = Self.value(text[(second + 1)...]) else { throw malformed("its backoff is not a number") }
      backoff = value
    }
    let weights = NGramWeights(logarithm: logarithm, backoff: backoff)
    let words = UnsafeRawBufferPointer(rebasing: text[(first + 1)..<(second ?? text.count)])
    if order == 1 {
      guard !words.isEmpty, !words.contains(UInt8(ascii: " ")) else { throw malformed("it is not one word") }
      grams.add(word: words, weights)
    } else {
      try number(words, order)
      grams.add(reversed, weights)
    }
  }

  private mutating func number(_ words: UnsafeRawBufferPointer, _ order: Int) throws(ShardError) {
    reversed.removeAll(keepingCapacity: true)
    var end = words.count
    while end > 0 {
      var start = end
      while start > 0, words[start - 1] != UInt8(ascii: " ") { start -= 1 }
      if start < end {
        let word = UnsafeRawBufferPointer(rebasing: words[start..<end])
        guard let number = grams.number(word) else {
          throw malformed("'\(String(decoding: word.prefix(100), as: UTF8.self))' is not among the n-grams of one word")
        }
        reversed.append(number)
      }
      end = start - 1
    }
    guard reversed.count == order else { throw malformed("it has \(reversed.count) words, not \(order)") }
  }

  /// A finite number in decimal; blanks around it do not count.
  private static func value(_ text: Slice<UnsafeRawBufferPointer>) -> Float? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { digits in
      var count = 0
      for byte in text where byte != UInt8(ascii: " ") && byte != UInt8(ascii: "\r") {
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        guard count < 63, isDigit || "+-.eE".utf8.contains(byte) else { return nil }
        digits[count] = CChar(byte)
        count += 1
      }
      digits[count] = 0
      var end: UnsafeMutablePointer<CChar>?
      let value = strtof(digits.baseAddress!, &end)
      return count > 0 && end == digits.baseAddress! + count && value.isFinite ? value : nil
    }
  }
}
