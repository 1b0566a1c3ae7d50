import Glibc

/// Every pair of neighboring symbols in a sequence with all its positions: a counting sort of the positions by first
/// symbol, then of each bucket by second. O(symbols) time, one 32-bit position per symbol.
struct InitialPairs: ~Copyable {
  private(set) var candidates: [MergeCandidate] = []
  /// Positions of the candidates, concatenated; owned by the caller that takes them.
  private(set) var places: UnsafeMutablePointer<UInt32>

  /// Pairs below `minimumFrequency` are left out.
  init(_ sequence: borrowing SymbolSequence, symbols count: Int, _ minimumFrequency: Int64) {
    let symbols = sequence.symbols
    var ends = [Int](repeating: 0, count: count + 1)
    for p in 0..<symbols.count - 1 where symbols[p] != SymbolSequence.separator {
      if symbols[p + 1] != SymbolSequence.separator { ends[Int(symbols[p]) + 1] &+= 1 }
    }
    for i in 1...count { ends[i] += ends[i - 1] }
    places = PlaceBlocks.allocate(ends[count])
    var next = ends
    for p in 0..<symbols.count - 1 where symbols[p] != SymbolSequence.separator {
      guard symbols[p + 1] != SymbolSequence.separator else { continue }
      let first = Int(symbols[p])
      places[next[first]] = UInt32(p)
      next[first] &+= 1
    }
    next = []
    var kept = 0
    var bucket = PairBucket(symbols: count)
    for first in 0..<count where ends[first + 1] > ends[first] {
      let range = UnsafeBufferPointer(start: places + ends[first], count: ends[first + 1] - ends[first])
      bucket.sort(range, in: sequence)
      for second in bucket.seconds where bucket.sums[Int(second)] >= minimumFrequency {
        let found = bucket.places(of: second)
        candidates.append(
          MergeCandidate(
            count: bucket.sums[Int(second)], first: UInt32(first), second: second, start: UInt32(kept),
            length: UInt32(found.count), block: 0))
        // Never ahead of the read position: the bucket is a copy.
        (places + kept).update(from: found.baseAddress!, count: found.count)
        kept += found.count
      }
      bucket.clear()
    }
    places = PlaceBlocks.shrink(places, to: kept)
  }
}

/// The positions of one first symbol, by second symbol.
private struct PairBucket: ~Copyable {
  /// Weighted counts by second symbol; those listed in `seconds` are set.
  private(set) var sums: [Int64]
  private(set) var seconds: [UInt32] = []
  private var counts: [Int]
  private var ends: [Int]
  private var sorted: [UInt32] = []
  private var secondOfPlace: [UInt32] = []

  init(symbols: Int) {
    sums = [Int64](repeating: 0, count: symbols)
    counts = [Int](repeating: 0, count: symbols)
    ends = [Int](repeating: 0, count: symbols)
  }

  mutating func sort(_ places: UnsafeBufferPointer<UInt32>, in sequence: borrowing SymbolSequence) {
    var cursor = SymbolSequence.CountCursor()
    secondOfPlace.removeAll(keepingCapacity: true)
    for (i, place) in places.enumerated() {
      sequence.prefetch(places, i &+ SymbolSequence.ahead)
      let second = sequence.symbols[Int(place) &+ 1]
      cursor.move(to: Int(place), in: sequence)
      if counts[Int(second)] == 0 { seconds.append(second) }
      counts[Int(second)] &+= 1
      sums[Int(second)] &+= cursor.count
      secondOfPlace.append(second)
    }
    var end = 0
    for second in seconds {
      ends[Int(second)] = end
      end += counts[Int(second)]
    }
    if sorted.count < end { sorted = [UInt32](repeating: 0, count: end) }
    for (i, place) in places.enumerated() {
      let second = Int(secondOfPlace[i])
      sorted[ends[second]] = place
      ends[second] &+= 1
    }
  }

  func places(of second: UInt32) -> UnsafeBufferPointer<UInt32> {
    sorted.withUnsafeBufferPointer {
      UnsafeBufferPointer(rebasing: $0[ends[Int(second)] - counts[Int(second)]..<ends[Int(second)]])
    }
  }

  mutating func clear() {
    for second in seconds {
      sums[Int(second)] = 0
      counts[Int(second)] = 0
    }
    seconds.removeAll(keepingCapacity: true)
  }
}

/// Lists of positions in blocks, one block per merge; a block is freed when its last candidate is done.
struct PlaceBlocks: ~Copyable {
  private var blocks: [UnsafeMutablePointer<UInt32>?]
  private var users: [Int]
  private var unused: [Int32] = []

  /// Takes ownership of the initial positions as block 0.
  init(_ places: UnsafeMutablePointer<UInt32>, users count: Int) {
    blocks = [places]
    users = [count]
  }

  deinit { for block in blocks { free(block) } }

  // malloc, so that a block can be shrunk in place.
  static func allocate(_ capacity: Int) -> UnsafeMutablePointer<UInt32> {
    guard let memory = malloc(max(1, capacity) * MemoryLayout<UInt32>.stride) else { fatalError("out of memory") }
    return memory.bindMemory(to: UInt32.self, capacity: max(1, capacity))
  }

  static func shrink(_ places: UnsafeMutablePointer<UInt32>, to capacity: Int) -> UnsafeMutablePointer<UInt32> {
    guard let memory = realloc(places, max(1, capacity) * MemoryLayout<UInt32>.stride) else { return places }
    return memory.bindMemory(to: UInt32.self, capacity: max(1, capacity))
  }

  mutating func add(capacity: Int, users count: Int) -> (block: Int32, places: UnsafeMutablePointer<UInt32>) {
    let places = Self.allocate(capacity)
    if let block = unused.popLast() {
      (blocks[Int(block)], users[Int(block)]) = (places, count)
      return (block, places)
    }
    blocks.append(places)
    users.append(count)
    return (Int32(blocks.count - 1), places)
  }

  func places(_ candidate: MergeCandidate) -> UnsafeBufferPointer<UInt32> {
    UnsafeBufferPointer(start: blocks[Int(candidate.block)]! + Int(candidate.start), count: Int(candidate.length))
  }

  mutating func release(_ block: Int32) {
    users[Int(block)] -= 1
    guard users[Int(block)] == 0 else { return }
    free(blocks[Int(block)])
    blocks[Int(block)] = nil
    unused.append(block)
  }
}
