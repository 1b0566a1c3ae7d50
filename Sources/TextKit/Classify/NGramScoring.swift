import ShardKit

/// The n-grams of a language model with backoff. Words are numbers from 0, which is the unknown word.
///
/// An n-gram is found from its last word backward: `unigram` starts, `longer` adds the word before.
protocol NGramTable: Sendable {
  /// What is known of an n-gram, from which longer ones are found.
  associatedtype Node

  /// Words of the longest n-grams, from 1.
  var order: Int { get }
  /// Whether the end of every n-gram is one too, so that no longer one needs to be looked for where one is missing.
  var isClosed: Bool { get }

  /// 0 for a word that the model does not know.
  func word(_ text: UnsafeRawBufferPointer) -> UInt32
  func unigram(_ word: UInt32) -> (weights: NGramWeights, node: Node)
  /// The n-gram of `length` words that begins with `before` and goes on with that of the node, which becomes its own even
  /// if there is none.
  func longer(_ node: inout Node, before: UInt32, length: Int) -> NGramWeights?
}

/// Logarithms to base 10.
struct NGramWeights: BitwiseCopyable {
  var logarithm: Float
  var backoff: Float
}

/// Scores sentences word by word. Not safe to use from several threads.
final class NGramScorer<Table: NGramTable> {
  private let table: Table
  /// The words of a context.
  private let capacity: Int
  private let start: UInt32
  private let end: UInt32
  /// The words before, the nearest first, and the backoff of the context of each length, 0 if it is none.
  private let history: UnsafeMutablePointer<UInt32>
  private var backoffs: UnsafeMutablePointer<Float>
  private var next: UnsafeMutablePointer<Float>
  private var length = 0
  /// The words of single characters, plus one; 0: not looked up.
  private var characters: [UInt32] = []

  init(_ table: Table) {
    self.table = table
    capacity = max(0, table.order - 1)
    history = .allocate(capacity: capacity + 1)
    backoffs = .allocate(capacity: capacity + 1)
    next = .allocate(capacity: capacity + 1)
    history.initialize(repeating: 0, count: capacity + 1)
    backoffs.initialize(repeating: 0, count: capacity + 1)
    next.initialize(repeating: 0, count: capacity + 1)
    (start, end) = (Self.word("<s>", table), Self.word("</s>", table))
  }

  deinit {
    history.deallocate()
    backoffs.deallocate()
    next.deallocate()
  }

  static func word(_ text: StaticString, _ table: Table) -> UInt32 {
    table.word(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Scores every line of a text that has a word: its words, and that it ends after them.
  func add(_ text: UnsafeBufferPointer<UInt8>, _ unit: BackoffModel.Unit, to score: inout BackoffModel.Score) {
    if unit == .characters, characters.isEmpty { characters = [UInt32](repeating: 0, count: 1 << 16) }
    var from = 0
    while from < text.count {
      let rest = UnsafeBufferPointer(rebasing: text[from...])
      let line = UnsafeBufferPointer(rebasing: rest[..<(rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count)])
      from += line.count + 1
      begin()
      let before = score.tokens
      if unit == .words { addWords(line, &score) } else { addCharacters(line, &score) }
      guard score.tokens > before else { continue }
      score.logarithm += Double(logarithm(of: end))
      score.tokens += 1
    }
  }

  private func addWords(_ line: UnsafeBufferPointer<UInt8>, _ score: inout BackoffModel.Score) {
    WhiteSpace.forEachWord(line) { add(table.word(UnsafeRawBufferPointer($0)), to: &score) }
  }

  private func addCharacters(_ line: UnsafeBufferPointer<UInt8>, _ score: inout BackoffModel.Score) {
    guard let bytes = line.baseAddress else { return }
    var i = 0
    while i < line.count {
      let space = WhiteSpace.width(line, i)
      if space > 0 {
        i &+= space
        continue
      }
      let (scalar, width) = UTF8Scanning.scalar(at: i, in: bytes, end: line.count)
      add(character(scalar, UnsafeRawBufferPointer(start: bytes + i, count: width)), to: &score)
      i &+= width
    }
  }

  @inline(__always)
  private func character(_ scalar: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    guard scalar < 1 << 16 else { return table.word(bytes) }
    let known = characters[Int(scalar)]
    if known != 0 { return known &- 1 }
    let word = table.word(bytes)
    // The last number has no successor.
    if word < .max { characters[Int(scalar)] = word + 1 }
    return word
  }

  private func begin() {
    guard capacity > 0 else { return }
    history[0] = start
    backoffs[0] = table.unigram(start).weights.backoff
    length = 1
  }

  @inline(__always)
  private func add(_ word: UInt32, to score: inout BackoffModel.Score) {
    score.logarithm += Double(logarithm(of: word))
    score.tokens &+= 1
    if word == 0 { score.unknown &+= 1 }
  }

  /// Of a word after the context, of which it becomes the last.
  @inline(__always)
  private func logarithm(of word: UInt32) -> Float {
    var (weights, node) = table.unigram(word)
    next[0] = weights.backoff
    var sum = weights.logarithm
    var (found, place) = (1, 0)
    // Of every length if the model was pruned: it may have "a b c" without "b c".
    while place < length {
      if let longer = table.longer(&node, before: history[place], length: place &+ 2) {
        weights = longer
        sum = weights.logarithm
        found = place &+ 2
        next[place &+ 1] = weights.backoff
      } else if table.isClosed {
        break
      } else {
        next[place &+ 1] = 0
      }
      place &+= 1
    }
    while place < length {
      next[place &+ 1] = 0
      place &+= 1
    }
    // What backing off costs: of each context that is longer than the one of the n-gram that is known.
    place = found &- 1
    while place < length {
      sum += backoffs[place]
      place &+= 1
    }
    swap(&backoffs, &next)
    remember(word)
    return sum
  }

  @inline(__always)
  private func remember(_ word: UInt32) {
    guard capacity > 0 else { return }
    length = min(length &+ 1, capacity)
    var place = length &- 1
    while place > 0 {
      history[place] = history[place &- 1]
      place &-= 1
    }
    history[0] = word
  }
}
