import Glibc
import ShardKit

/// Reads an ARPA file: `\data\` with the numbers of n-grams, then `\1-grams:`, `\2-grams:`, … and `\end\`. A line is the
/// logarithm, the words, and the backoff if there is one, separated by tabs.
struct ARPAReader {
  private let path: String
  private let lines: LineReader
  private var number = 0
  private var table = GramTable()

  /// What the files of KenLM's build_binary begin with.
  private static let binary = Array("mmap lm http://kheafield.com/code".utf8)

  init(_ path: String) throws(ShardError) {
    self.path = path
    lines = LineReader(try openSource(path))
  }

  private func malformed(_ why: String) -> ShardError {
    ShardError(
      .malformed, path, "line \(number): \(why)",
      hint: "Take an ARPA file (text, may be compressed), such as KenLM's lmplz writes.")
  }

  /// - Returns: the n-grams, and the words of the longest ones.
  mutating func read() throws(ShardError) -> (table: GramTable, order: Int) {
    var counts: [Int] = []
    var (order, left) = (0, 0)
    var isOpen = false
    while let line = try lines.next() {
      number += 1
      let text = line
      if text.isEmpty { continue }
      if number == 1, text.starts(with: Self.binary) {
        throw malformed("it is in KenLM's binary form, which is not read")
      }
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
    try checkSentences()
    return (table, order)
  }

  private func checkSentences() throws(ShardError) {
    for word in ["<s>", "</s>"] where table[GramTable.key(recordHash(Array(word.utf8)))] == nil {
      throw ShardError(
        .malformed, path, "the model has no n-gram '\(word)', so that it cannot score sentences",
        hint: "Train it with sentences' beginnings and ends, as lmplz and SRILM's ngram-count do by default.")
    }
  }

  /// `ngram 2=1234`.
  private func count(_ text: UnsafeRawBufferPointer, _ order: Int) throws(ShardError) -> Int {
    let words = String(decoding: text, as: UTF8.self).split(separator: "=")
    guard words.count == 2, words[0] == "ngram \(order)", let count = Int(words[1].filter { $0 != " " && $0 != "\r" }),
      count >= 0, order <= 16
    else { throw malformed("it is not 'ngram \(order)=…'") }
    return count
  }

  private mutating func add(_ text: UnsafeRawBufferPointer, _ order: Int) throws(ShardError) {
    let parts = text.split(maxSplits: 2, omittingEmptySubsequences: false) { $0 == UInt8(ascii: "\t") }
    guard parts.count >= 2, let logarithm = Self.value(parts[0]), logarithm <= 0.001 else {
      throw malformed("it does not begin with a logarithm and a tab")
    }
    var key: UInt64?
    var words = 0
    for word in parts[1].split(separator: UInt8(ascii: " ")).reversed() {
      let hash = recordHash(UnsafeRawBufferPointer(rebasing: word))
      key = key.map { GramTable.key(hash, following: $0) } ?? GramTable.key(hash)
      words += 1
    }
    guard words == order, let key else { throw malformed("it has \(words) words, not \(order)") }
    var backoff: Float = 0
    if parts.count == 3 {
      guard let value = Self.value(parts[2]) else { throw malformed("its backoff is not a number") }
      backoff = value
    }
    table.set(key, GramTable.Entry(logarithm: logarithm, backoff: backoff))
  }

  private static func value(_ text: Slice<UnsafeRawBufferPointer>) -> Float? {
    Float(String(decoding: text, as: UTF8.self).filter { $0 != " " && $0 != "\r" }).flatMap { $0.isFinite ? $0 : nil }
  }
}
