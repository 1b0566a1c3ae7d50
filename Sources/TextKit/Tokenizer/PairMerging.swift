/// The merge loop over a symbol sequence: the best pair, all its positions, and the new pairs around them.
struct PairMerging: ~Copyable {
  private(set) var tokens: TokenList
  private(set) var merges = 0
  private(set) var lastCount: Int64 = 0
  /// The merged pairs, in order.
  private(set) var pairs: [(first: UInt32, second: UInt32)] = []

  private let sequence: SymbolSequence
  private let limit: Int
  private let minimumFrequency: Int64
  private let longest: UInt32
  private var counts: PairCounts
  private var queue: MergeQueue
  private var blocks: PlaceBlocks
  /// Pairs with more than one candidate in the queue: all their positions in a word are merged together.
  private var repeated: Set<UInt64> = []
  private var around: MergeNeighbors
  /// Positions of new pairs in the order found, and the slot of `around` that each belongs to.
  private var foundPlaces: [UInt32] = []
  private var foundSlots: [UInt32] = []

  /// - Parameters:
  ///   - limit: the maximum number of tokens.
  ///   - longest: symbols of the longest token.
  init(
    _ sequence: consuming SymbolSequence, _ tokens: TokenList, limit: Int, _ minimumFrequency: Int64,
    longest: UInt32 = .max
  ) {
    self.longest = longest
    self.tokens = tokens
    self.limit = limit
    around = MergeNeighbors(symbols: limit)
    self.minimumFrequency = max(1, minimumFrequency)
    let initial = InitialPairs(sequence, symbols: tokens.count, self.minimumFrequency)
    counts = PairCounts(minimumCapacity: initial.candidates.count)
    for candidate in initial.candidates { _ = counts.add(candidate.count, to: candidate.key) }
    queue = MergeQueue(initial.candidates)
    blocks = PlaceBlocks(initial.places, users: initial.candidates.count)
    self.sequence = sequence
  }

  /// Merges until the vocabulary is full or no pair is frequent enough.
  mutating func run(_ checkpoint: () throws -> Void) rethrows {
    while tokens.count < limit, var top = queue.pop() {
      let current = counts[top.key] ?? 0
      if top.count != current, current >= minimumFrequency {
        top.count = current
        queue.push(top)
        continue
      }
      if current >= minimumFrequency {
        merge(top)
        try checkpoint()
      }
      blocks.release(top.block)
    }
  }

  private mutating func merge(_ pair: MergeCandidate) {
    let token = tokens.merged(pair.first, pair.second)
    let length = tokens.lengths[Int(pair.first)] + tokens.lengths[Int(pair.second)]
    guard length <= longest else { return }
    let existing = tokens.id(token)
    // A word of '#' characters can spell a token of another length; its positions would not match.
    if let existing, tokens.lengths[Int(existing)] != length { return }
    let id = tokens.append(token, characters: length)
    merges += 1
    pairs.append((pair.first, pair.second))
    lastCount = pair.count
    replace(pair, by: id, wholeWords: repeated.contains(pair.key))
    enqueue(pair, id)
  }

  /// Writes `id` at every position where the pair still exists, and collects the pairs that this creates.
  private mutating func replace(_ pair: MergeCandidate, by id: UInt32, wholeWords: Bool) {
    let lengths = tokens.lengths
    var cursor = SymbolSequence.CountCursor()
    let places = blocks.places(pair)
    for (i, place) in places.enumerated() {
      let p = Int(place)
      sequence.prefetch(places, i &+ SymbolSequence.ahead)
      if wholeWords {
        replaceInWord(of: p, pair, id, lengths, &cursor)
      } else if sequence.symbols[p] == pair.first {
        replace(at: p, pair, id, lengths, &cursor)
      }
    }
  }

  @inline(__always)
  private mutating func replace(
    at p: Int, _ pair: MergeCandidate, _ id: UInt32, _ lengths: [UInt32], _ cursor: inout SymbolSequence.CountCursor
  ) {
    let symbols = sequence.symbols
    let q = p &+ Int(lengths[Int(pair.first)])
    guard symbols[q] == pair.second else { return }
    let r = q &+ Int(lengths[Int(pair.second)])
    cursor.move(to: p, in: sequence)
    let before = symbols[p &- 1], after = symbols[r]
    if before != SymbolSequence.separator {
      around.add(cursor.count, slot: before &<< 1)
      foundPlaces.append(UInt32(truncatingIfNeeded: p &- Int(lengths[Int(before)])))
      foundSlots.append(before &<< 1)
    }
    if after != SymbolSequence.separator {
      around.add(cursor.count, slot: after &<< 1 | 1)
      foundPlaces.append(UInt32(truncatingIfNeeded: p))
      foundSlots.append(after &<< 1 | 1)
    }
    symbols[q &- 1] = SymbolSequence.inside
    symbols[q] = SymbolSequence.inside
    symbols[p] = id
    symbols[r &- 1] = id
  }

  private mutating func replaceInWord(
    of place: Int, _ pair: MergeCandidate, _ id: UInt32, _ lengths: [UInt32],
    _ cursor: inout SymbolSequence.CountCursor
  ) {
    let symbols = sequence.symbols
    var p = place
    while symbols[p &- 1] != SymbolSequence.separator { p &-= 1 }
    while symbols[p] != SymbolSequence.separator {
      if symbols[p] == pair.first { replace(at: p, pair, id, lengths, &cursor) }
      p &+= Int(lengths[Int(symbols[p])])
    }
  }

  /// Records the collected pairs: old ones lose what new ones gain, and new ones become candidates.
  private mutating func enqueue(_ pair: MergeCandidate, _ id: UInt32) {
    for slot in around.touched {
      let neighbor = slot >> 1, sum = around.sum(of: slot)
      let new = slot & 1 == 0 ? PairCounts.key(neighbor, id) : PairCounts.key(id, neighbor)
      // A pair too rare to merge is discarded, unless it was already known.
      if sum < minimumFrequency, counts[new] == nil {
        around.drop(slot)
      } else if counts.add(sum, to: new).existed {
        repeated.insert(new)
      }
    }
    // After all additions: where tokens of this merge are adjacent, a new pair immediately becomes an old one.
    for slot in around.touched {
      let neighbor = slot >> 1
      let old = slot & 1 == 0 ? PairCounts.key(neighbor, pair.first) : PairCounts.key(pair.second, neighbor)
      counts.subtract(around.sum(of: slot), from: old)
    }
    let (total, kept) = around.startLists()
    if kept > 0 {
      let (block, places) = blocks.add(capacity: total, users: kept)
      for i in 0..<foundPlaces.count { around.place(foundPlaces[i], slot: foundSlots[i], in: places) }
      for slot in around.touched where around.isKept(slot) {
        let neighbor = slot >> 1
        let (first, second) = slot & 1 == 0 ? (neighbor, id) : (id, neighbor)
        queue.push(
          MergeCandidate(
            count: counts[PairCounts.key(first, second)] ?? 0, first: first, second: second,
            start: around.start(of: slot), length: around.found(of: slot), block: block))
      }
    }
    around.clear()
    foundPlaces.removeAll(keepingCapacity: true)
    foundSlots.removeAll(keepingCapacity: true)
  }
}

/// The neighbors of one merge's positions, by slot: twice the neighbor's id, plus 1 if it follows.
struct MergeNeighbors: ~Copyable {
  private struct Slot {
    /// The weighted count.
    var sum: Int64 = 0
    /// Positions found; 0 once dropped.
    var found: UInt32 = 0
    /// Where its part of the block ends so far.
    var end: UInt32 = 0
  }

  /// All 0 but those in `touched`.
  private let slots: UnsafeMutableBufferPointer<Slot>
  private(set) var touched: [UInt32] = []

  init(symbols: Int) {
    slots = .allocate(capacity: symbols * 2)
    slots.initialize(repeating: Slot())
  }

  deinit { slots.deallocate() }

  @inline(__always)
  mutating func add(_ count: Int64, slot: UInt32) {
    if slots[Int(slot)].found == 0 { touched.append(slot) }
    slots[Int(slot)].found &+= 1
    slots[Int(slot)].sum &+= count
  }

  func sum(of slot: UInt32) -> Int64 { slots[Int(slot)].sum }
  func found(of slot: UInt32) -> UInt32 { slots[Int(slot)].found }
  func isKept(_ slot: UInt32) -> Bool { slots[Int(slot)].found > 0 }
  func drop(_ slot: UInt32) { slots[Int(slot)].found = 0 }

  /// Assigns every kept slot its part of one block.
  func startLists() -> (places: Int, lists: Int) {
    var total: UInt32 = 0, lists = 0
    for slot in touched where isKept(slot) {
      slots[Int(slot)].end = total
      total += found(of: slot)
      lists += 1
    }
    return (Int(total), lists)
  }

  @inline(__always)
  func place(_ place: UInt32, slot: UInt32, in places: UnsafeMutablePointer<UInt32>) {
    guard isKept(slot) else { return }
    places[Int(slots[Int(slot)].end)] = place
    slots[Int(slot)].end &+= 1
  }

  func start(of slot: UInt32) -> UInt32 { slots[Int(slot)].end - found(of: slot) }

  mutating func clear() {
    for slot in touched { slots[Int(slot)] = Slot() }
    touched.removeAll(keepingCapacity: true)
  }
}
