import ShardKit

/// A substring of the training words, by a place where it stands.
struct SeedPiece {
  /// Its count times its length.
  var score: Int64
  var place: UInt32
  var length: UInt32

  /// A total order: the best first.
  static func precedes(_ a: SeedPiece, _ b: SeedPiece) -> Bool {
    a.score != b.score ? a.score > b.score : (a.length, a.place) < (b.length, b.place)
  }
}

/// The substrings that a unigram vocabulary is learned from: those that occur at least twice and that no longer one
/// replaces to the right, the best by count times length. Places are sorted by what follows them, as in a suffix array, by
/// one character after another, and only as long as a substring occurs twice; those of one first character are a task of
/// their own.
final class SeedPieces: @unchecked Sendable {
  struct Item {
    var place: UInt32
    /// The count of its word, or the greatest number, which stands for a greater one.
    var weight: UInt32
  }

  private let text: TrainingSymbols
  private let longest: Int
  /// All places by their characters, and for each character where its places start.
  private let items: UnsafeMutableBufferPointer<Item>
  private let starts: [Int]

  init(_ text: TrainingSymbols, longest: Int) {
    self.text = text
    self.longest = longest
    var starts = [Int](repeating: 0, count: text.alphabet.count + 1)
    for symbol in text.symbols[..<text.count] where symbol != TrainingSymbols.separator { starts[Int(symbol) + 1] += 1 }
    for i in 1..<starts.count { starts[i] += starts[i - 1] }
    items = .allocate(capacity: starts[starts.count - 1])
    var next = starts
    for (word, count) in text.counts.enumerated() {
      let weight = UInt32(clamping: count)
      for place in text.starts[word]..<(text.starts[word + 1] - 1) {
        let symbol = Int(text.symbols[Int(place)])
        items[next[symbol]] = Item(place: place, weight: weight)
        next[symbol] += 1
      }
    }
    self.starts = starts
  }

  deinit { items.deallocate() }

  /// All characters that occur, and the best longer pieces, up to `limit` together, the best first.
  func best(limit: Int, workers: Int) throws -> [SeedPiece] {
    let found = LaneList<SeedSearch>()
    let characters = (0..<text.alphabet.count).filter { starts[$0 + 1] > starts[$0] }
    // The most frequent first, so that no thread is left with one at the end.
    let order = characters.sorted { (starts[$1 + 1] - starts[$1], $0) < (starts[$0 + 1] - starts[$0], $1) }
    try inParallel(order.count, atOnce: workers) { [self] in
      found.add(SeedSearch(text, longest: longest, limit: limit))
    } _: { [self] character, search in
      let range = starts[order[character]]..<starts[order[character] + 1]
      search.search(UnsafeMutableBufferPointer(rebasing: items[range]))
    }
    var singles: [SeedPiece] = []
    var longer: [SeedPiece] = []
    for search in found.all {
      singles += search.singles
      longer += search.best.kept()
    }
    longer.sort(by: SeedPiece.precedes)
    return (singles + longer.prefix(max(0, limit - singles.count))).sorted(by: SeedPiece.precedes)
  }
}

/// The search of one thread.
private final class SeedSearch {
  private let text: TrainingSymbols
  private let symbols: UnsafeMutableBufferPointer<UInt32>
  private let longest: Int
  private(set) var singles: [SeedPiece] = []
  var best: BestSeeds
  /// By symbol; 0 between uses.
  private var sizes: [Int]
  private var spare: [SeedPieces.Item] = []

  private static let smallGroup = 24

  init(_ text: TrainingSymbols, longest: Int, limit: Int) {
    self.text = text
    symbols = text.symbols
    self.longest = longest
    best = BestSeeds(limit: limit)
    sizes = [Int](repeating: 0, count: text.alphabet.count + 1)
  }

  /// Takes the places of one character.
  func search(_ items: UnsafeMutableBufferPointer<SeedPieces.Item>) {
    singles.append(SeedPiece(score: weight(items), place: items[0].place, length: 1))
    extend(items, 1)
  }

  private func weight(_ items: UnsafeMutableBufferPointer<SeedPieces.Item>) -> Int64 {
    var sum: Int64 = 0
    for item in items { sum &+= item.weight < .max ? Int64(item.weight) : fullWeight(item.place) }
    return sum
  }

  /// The count of the word at a place.
  private func fullWeight(_ place: UInt32) -> Int64 {
    var low = 0, high = text.counts.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if text.starts[middle] <= place { low = middle } else { high = middle - 1 }
    }
    return text.counts[low]
  }

  /// Takes the places of a substring of that length, in ascending order.
  private func extend(_ items: UnsafeMutableBufferPointer<SeedPieces.Item>, _ length: Int) {
    let total = weight(items)
    guard total >= 2 else { return }
    if items.count == 1 { return extendAlone(items[0], total, length) }
    var replaced = false
    if length < longest {
      sort(items, length)
      var start = 0
      while start < items.count {
        let symbol = following(items[start], length)
        var end = start + 1
        while end < items.count, following(items[end], length) == symbol { end += 1 }
        if symbol != TrainingSymbols.separator {
          let group = UnsafeMutableBufferPointer(rebasing: items[start..<end])
          if start == 0, end == items.count { replaced = true }
          extend(group, length + 1)
        }
        start = end
      }
    }
    if length > 1, !replaced { best.add(total, items[0].place, length) }
  }

  /// A word that occurs several times holds it, and nothing else.
  private func extendAlone(_ item: SeedPieces.Item, _ weight: Int64, _ length: Int) {
    var length = length
    while length < longest, following(item, length) != TrainingSymbols.separator { length += 1 }
    if length > 1 { best.add(weight, item.place, length) }
  }

  @inline(__always)
  private func following(_ item: SeedPieces.Item, _ length: Int) -> UInt32 { symbols[Int(item.place) &+ length] }

  /// Sorts by the next symbol, places of the same one in ascending order.
  private func sort(_ items: UnsafeMutableBufferPointer<SeedPieces.Item>, _ length: Int) {
    if items.count <= Self.smallGroup {
      for i in 1..<items.count {
        let item = items[i], symbol = following(item, length)
        var k = i
        while k > 0, following(items[k &- 1], length) > symbol {
          items[k] = items[k &- 1]
          k &-= 1
        }
        items[k] = item
      }
      return
    }
    let last = sizes.count - 1
    var seen: [Int] = []
    for item in items {
      let symbol = min(Int(following(item, length)), last)
      if sizes[symbol] == 0 { seen.append(symbol) }
      sizes[symbol] &+= 1
    }
    if seen.count > 1 {
      var end = 0
      for symbol in seen {
        let size = sizes[symbol]
        sizes[symbol] = end
        end += size
      }
      if spare.count < items.count { spare = Array(repeating: .init(place: 0, weight: 0), count: items.count * 2) }
      spare.withUnsafeMutableBufferPointer { spare in
        for item in items {
          let symbol = min(Int(following(item, length)), last)
          spare[sizes[symbol]] = item
          sizes[symbol] &+= 1
        }
        items.baseAddress!.update(from: spare.baseAddress!, count: items.count)
      }
    }
    for symbol in seen { sizes[symbol] = 0 }
  }
}

/// The best of the pieces that were added, at most `limit`.
private struct BestSeeds {
  private let limit: Int
  private var pieces: [SeedPiece] = []
  private var least: Int64 = 0

  init(limit: Int) { self.limit = limit }

  @inline(__always)
  mutating func add(_ count: Int64, _ place: UInt32, _ length: Int) {
    let score = count &* Int64(length)
    guard score >= least else { return }
    pieces.append(SeedPiece(score: score, place: place, length: UInt32(truncatingIfNeeded: length)))
    if pieces.count >= limit * 2 + 1024 { shrink() }
  }

  private mutating func shrink() {
    pieces.sort(by: SeedPiece.precedes)
    guard pieces.count > limit else { return }
    pieces.removeLast(pieces.count - limit)
    least = pieces.last?.score ?? 0
  }

  func kept() -> [SeedPiece] { pieces }
}

/// What the threads of one computation leave behind.
final class LaneList<Lane>: @unchecked Sendable {
  private let lanes = Monitor<[Lane]>([])
  func add(_ lane: Lane) -> Lane {
    lanes.with { $0.append(lane) }
    return lane
  }
  var all: [Lane] { lanes.with { $0 } }
}
