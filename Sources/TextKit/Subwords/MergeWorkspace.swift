/// The symbols of one piece while its pairs are merged: an array for short pieces, a linked list with a heap for long
/// ones, so that time is almost linear in their length.
struct MergeWorkspace: ~Copyable {
  private struct Symbol {
    var id: UInt32
    /// Bytes of the piece; 0: it became part of its predecessor.
    var length: UInt32
    var previous: Int32
    var next: Int32
  }

  private static let shortPiece = 40
  private var symbols = UnsafeMutablePointer<Symbol>.allocate(capacity: 256)
  /// For short pieces: what the symbol and the next one merge to.
  private var merges = UnsafeMutablePointer<UInt64>.allocate(capacity: shortPiece + 1)
  private var capacity = 256
  private var count = 0
  private var heap = MergeHeap()

  init() { merges.initialize(repeating: .max, count: Self.shortPiece + 1) }

  deinit {
    symbols.deallocate()
    merges.deallocate()
  }

  /// Removes all symbols and makes room.
  mutating func start(_ maximum: Int) {
    count = 0
    guard maximum > capacity else { return }
    symbols.deallocate()
    capacity = max(maximum, capacity * 2)
    symbols = .allocate(capacity: capacity)
  }

  @inline(__always)
  mutating func add(_ id: UInt32, _ length: Int) {
    symbols[count] = Symbol(
      id: id, length: UInt32(truncatingIfNeeded: length), previous: Int32(truncatingIfNeeded: count) &- 1,
      next: Int32(truncatingIfNeeded: count) &+ 1)
    count &+= 1
  }

  func forEach(_ body: (_ id: UInt32, _ length: Int) -> Void) {
    for i in 0..<count where symbols[i].length > 0 { body(symbols[i].id, Int(symbols[i].length)) }
  }

  mutating func merge(_ ranks: MergeRanks) {
    if count <= Self.shortPiece { mergeShort(ranks) } else { mergeLong(ranks) }
  }

  private mutating func mergeShort(_ ranks: MergeRanks) {
    guard count > 1 else { return }
    for i in 0..<count - 1 { merges[i] = ranks[symbols[i].id, symbols[i &+ 1].id] }
    while count > 1 {
      var best = 0
      var lowest = merges[0]
      for i in 1..<max(1, count - 1) where merges[i] < lowest {
        lowest = merges[i]
        best = i
      }
      guard lowest < .max else { return }
      symbols[best].id = UInt32(truncatingIfNeeded: lowest)
      symbols[best].length &+= symbols[best &+ 1].length
      count &-= 1
      var i = best &+ 1
      while i < count {
        symbols[i] = symbols[i &+ 1]
        merges[i] = merges[i &+ 1]
        i &+= 1
      }
      if best &+ 1 < count { merges[best] = ranks[symbols[best].id, symbols[best &+ 1].id] }
      if best > 0 { merges[best &- 1] = ranks[symbols[best &- 1].id, symbols[best].id] }
    }
  }

  private mutating func mergeLong(_ ranks: MergeRanks) {
    heap.removeAll()
    for i in 0..<count - 1 { push(i, i + 1, ranks) }
    while let top = heap.pop() {
      let place = Int(top.place)
      let symbol = symbols[place]
      let next = Int(symbol.next)
      guard symbol.length > 0, next < count else { continue }
      let right = symbols[next]
      // Not if the pair has changed meanwhile.
      guard ranks[symbol.id, right.id] == top.merge else { continue }
      symbols[place].id = UInt32(truncatingIfNeeded: top.merge)
      symbols[place].length &+= right.length
      symbols[place].next = right.next
      symbols[next].length = 0
      if Int(right.next) < count {
        symbols[Int(right.next)].previous = Int32(truncatingIfNeeded: place)
        push(place, Int(right.next), ranks)
      }
      if symbol.previous >= 0 { push(Int(symbol.previous), place, ranks) }
    }
  }

  @inline(__always)
  private mutating func push(_ first: Int, _ second: Int, _ ranks: MergeRanks) {
    let merge = ranks[symbols[first].id, symbols[second].id]
    if merge < .max { heap.push(MergeHeap.Entry(merge: merge, place: UInt32(truncatingIfNeeded: first))) }
  }
}

/// A binary heap of merges: the lowest rank first, of equal ones the leftmost.
private struct MergeHeap {
  struct Entry {
    /// `rank << 32 | result`
    var merge: UInt64
    var place: UInt32

    @inline(__always)
    static func < (a: Entry, b: Entry) -> Bool { a.merge != b.merge ? a.merge < b.merge : a.place < b.place }
  }

  private var entries: [Entry] = []

  mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

  @inline(__always)
  mutating func push(_ entry: Entry) {
    entries.append(entry)
    entries.withUnsafeMutableBufferPointer { entries in
      var i = entries.count &- 1
      while i > 0, entry < entries[(i &- 1) / 2] {
        entries[i] = entries[(i &- 1) / 2]
        i = (i &- 1) / 2
      }
      entries[i] = entry
    }
  }

  @inline(__always)
  mutating func pop() -> Entry? {
    guard let top = entries.first else { return nil }
    let last = entries.removeLast()
    let count = entries.count
    guard count > 0 else { return top }
    entries.withUnsafeMutableBufferPointer { entries in
      var i = 0
      while true {
        var child = 2 &* i &+ 1
        guard child < count else { break }
        if child &+ 1 < count, entries[child &+ 1] < entries[child] { child &+= 1 }
        guard entries[child] < last else { break }
        entries[i] = entries[child]
        i = child
      }
      entries[i] = last
    }
    return top
  }
}
