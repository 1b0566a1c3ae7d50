/// Training words as numbers of characters, cut at characters outside the alphabet, each word with its count; threads may
/// share it.
final class TrainingSymbols: @unchecked Sendable {
  /// Ends a word.
  static let separator = UInt32.max

  /// Scalars by their numbers.
  let alphabet: [UInt32]
  /// The words one after another, each followed by a separator.
  let symbols: UnsafeMutableBufferPointer<UInt32>
  /// Where each word starts, and where the last one ends.
  private(set) var starts: [UInt32] = []
  private(set) var counts: [Int64] = []
  /// Symbols of the longest word.
  private(set) var longestWord = 0
  /// The number of characters in all words, each as often as its word.
  private(set) var occurrences: Int64 = 0

  /// - Parameter alphabet: ascending.
  init(_ words: borrowing TrainingWords, alphabet: [UInt32]) {
    self.alphabet = alphabet
    var numbers = [UInt32](repeating: Self.separator, count: Int(UTF8Scanning.malformed) + 1)
    for (number, scalar) in alphabet.enumerated() { numbers[Int(scalar)] = UInt32(number) }
    // Every word has at most as many symbols as bytes, and a separator for each part of it.
    var sizes = 0
    Self.forEachScalar(of: words) { _, _ in
      sizes += 1
    } end: { _ in
      sizes += 1
    }
    symbols = .allocate(capacity: sizes + 1)
    let target = symbols
    var count = 0, start = 0
    var starts: [UInt32] = [], counts: [Int64] = []
    var longest = 0
    var occurrences: Int64 = 0
    func close(_ word: Int, _ words: borrowing TrainingWords) {
      guard count > start else { return }
      starts.append(UInt32(start))
      counts.append(words.counts[word])
      longest = max(longest, count - start)
      occurrences &+= Int64(count - start) &* words.counts[word]
      target[count] = Self.separator
      count += 1
      start = count
    }
    Self.forEachScalar(of: words) { word, scalar in
      let number = numbers[Int(scalar)]
      if number == Self.separator {
        close(word, words)
      } else {
        target[count] = number
        count += 1
      }
    } end: {
      close($0, words)
    }
    starts.append(UInt32(count))
    self.starts = starts
    self.counts = counts
    longestWord = longest
    self.occurrences = occurrences
  }

  deinit { symbols.deallocate() }

  private static func forEachScalar(
    of words: borrowing TrainingWords, _ body: (_ word: Int, UInt32) -> Void, end: (_ word: Int) -> Void
  ) {
    words.arena.withUnsafeBufferPointer { arena in
      var start = 0
      for (i, stop) in words.ends.enumerated() {
        UTF8Scanning.forEachScalar(UnsafeBufferPointer(rebasing: arena[start..<stop])) { scalar, _, _ in
          body(i, scalar)
        }
        end(i)
        start = stop
      }
    }
  }

  /// Symbols and separators.
  var count: Int { Int(starts[counts.count]) }

  func text(at place: Int, _ length: Int) -> [UInt8] {
    var text: [UInt8] = []
    for symbol in symbols[place..<(place + length)] { UTF8Scanning.append(alphabet[Int(symbol)], to: &text) }
    return text
  }
}
