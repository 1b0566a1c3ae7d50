import ShardKit

/// A sample of the different sentences of texts: those with the smallest hashes, whatever the order of the texts.
///
/// A sentence ends after 。．｡！？!? and closing brackets behind them, after a full stop before a space, or with its line.
struct SentenceSample {
  struct Sentence: Equatable {
    var hash: UInt64
    var text: [UInt8]
  }

  let size: Int
  let characters: ClosedRange<Int>
  private let seed: [UInt8]
  private var kept: [Sentence] = []
  /// Sentences with this hash or a larger one are not in the sample.
  private var limit = UInt64.max

  init(size: Int, characters: ClosedRange<Int>, seed: Int) {
    self.size = size
    self.characters = characters
    self.seed = Array("\(seed) ".utf8)
  }

  /// Adds the sentences of a text.
  mutating func add(text: some RandomAccessCollection<UInt8>) {
    for line in text.split(separator: 0x0A) {
      var rest = line
      while !rest.isEmpty {
        let end = Self.end(of: rest)
        add(sentence: rest[..<end])
        rest = rest[end...]
      }
    }
  }

  mutating func add(sentence: some RandomAccessCollection<UInt8>) {
    let text = Array(Self.trimmed(sentence))
    guard characters.contains(text.count { $0 & 0xC0 != 0x80 }) else { return }
    let hash = recordHash(seed + text)
    guard hash < limit else { return }
    kept.append(Sentence(hash: hash, text: text))
    if kept.count >= 2 * size + 1024 { cut() }
  }

  /// The sample, by hash.
  mutating func sentences() -> [Sentence] {
    cut()
    return kept
  }

  private mutating func cut() {
    kept.sort { ($0.hash, $0.text.count) < ($1.hash, $1.text.count) }
    var different: [Sentence] = []
    for sentence in kept where different.last?.hash != sentence.hash { different.append(sentence) }
    kept = Array(different.prefix(size))
    if kept.count == size { limit = kept.last?.hash ?? .max }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

  /// Japanese paragraphs begin with it.
  private static let ideographicSpace = Array("\u{3000}".utf8)

  /// Without spaces at both ends.
  private static func trimmed<T: RandomAccessCollection<UInt8>>(_ text: T) -> T.SubSequence {
    var rest = text[...]
    while let first = rest.first {
      if isBlank(first) {
        rest = rest.dropFirst()
      } else if rest.starts(with: ideographicSpace) {
        rest = rest.dropFirst(ideographicSpace.count)
      } else {
        break
      }
    }
    while let last = rest.last {
      if isBlank(last) {
        rest = rest.dropLast()
      } else if rest.suffix(ideographicSpace.count).elementsEqual(ideographicSpace) {
        rest = rest.dropLast(ideographicSpace.count)
      } else {
        break
      }
    }
    return rest
  }

  private static let ends: [[UInt8]] = ["。", "．", "｡", "！", "？", "!", "?"].map { Array($0.utf8) }
  private static let closings: [[UInt8]] = ["」", "』", "｣", "）", "】", "〉", "》", "”", "’", ")", "\""].map {
    Array($0.utf8)
  }

  /// Where the first sentence ends.
  private static func end<T: RandomAccessCollection<UInt8>>(of text: T) -> T.Index {
    var place = text.startIndex
    while place < text.endIndex {
      if let count = length(of: ends, in: text[place...]) {
        place = text.index(place, offsetBy: count)
        while let count = length(of: ends + closings, in: text[place...]) {
          place = text.index(place, offsetBy: count)
        }
        return place
      }
      let isStop = text[place] == UInt8(ascii: ".")
      place = text.index(after: place)
      if isStop, place < text.endIndex, text[place] == 0x20 { return place }
    }
    return place
  }

  private static func length<T: RandomAccessCollection<UInt8>>(of words: [[UInt8]], in text: T) -> Int? {
    guard let first = text.first, first >= 0xE2 || first == 0x21 || first == 0x3F || first == 0x29 || first == 0x22
    else { return nil }
    return words.first { text.starts(with: $0) }?.count
  }
}
