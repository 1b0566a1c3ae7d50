import ShardKit

/// Where the pieces of a vocabulary stand in the training words. Found once; when pieces are dropped, their places are
/// taken out. Words are divided into chunks, whatever the number of threads.
final class UnigramLattice: Sendable {
  /// A piece that starts at a place: its number in the high bits, its length less one in the low six.
  struct Edge {
    let bits: UInt32

    @inline(__always)
    init(_ piece: UInt32, length: Int) { bits = piece << 6 | UInt32(truncatingIfNeeded: length &- 1) }

    @inline(__always)
    var piece: Int { Int(bits >> 6) }
    @inline(__always)
    var length: Int { Int(bits & 63) &+ 1 }
  }

  static let longestPiece = 64
  static let mostPieces = 1 << 26

  let text: TrainingSymbols
  let chunks: [UnigramChunk]
  private let workers: Int
  private static let chunkSymbols = 1 << 16

  init(_ text: TrainingSymbols, _ pieces: [SeedPiece], workers: Int) throws {
    self.text = text
    self.workers = workers
    let trie = PieceTrie(text, pieces)
    var parts: [Range<Int>] = []
    var start = 0
    for word in 0..<text.counts.count
    where Int(text.starts[word + 1]) - Int(text.starts[start]) >= Self.chunkSymbols || word + 1 == text.counts.count {
      parts.append(start..<(word + 1))
      start = word + 1
    }
    chunks = parts.map { UnigramChunk(text, words: $0) }
    try forEachChunk(lane: {}) { chunk, _ in chunk.find(trie) }
  }

  /// Calls `body` with each chunk, several at once.
  func forEachChunk<Lane>(
    lane: @escaping @Sendable () -> Lane, _ body: @escaping @Sendable (UnigramChunk, Lane) -> Void
  ) throws {
    let chunks = chunks
    try inParallel(chunks.count, atOnce: workers, lane: lane) { body(chunks[$0], $1) }
  }

  /// Sums over all chunks, one for each of `count` pieces. They are whole numbers, so their order does not matter.
  func sums(
    _ count: Int, _ body: @escaping @Sendable (UnigramChunk, UnigramSums) -> Void
  ) throws -> [Int64] {
    let lanes = LaneList<UnigramSums>()
    let longest = text.longestWord
    try forEachChunk(lane: { lanes.add(UnigramSums(count, longest: longest)) }, body)
    var sums = [Int64](repeating: 0, count: count)
    for lane in lanes.all {
      for i in 0..<count { sums[i] &+= lane.sums[i] }
    }
    return sums
  }

  /// Takes dropped pieces out.
  /// - Parameter numbers: new ones by the old ones; the greatest number for dropped ones.
  func renumber(_ numbers: [UInt32]) throws {
    try forEachChunk(lane: {}) { chunk, _ in chunk.renumber(numbers) }
  }
}

/// What a thread adds up, and its memory for one word.
final class UnigramSums {
  let sums: UnsafeMutableBufferPointer<Int64>
  let forward: UnsafeMutablePointer<Double>
  let backward: UnsafeMutablePointer<Double>
  let best: UnsafeMutablePointer<UnigramLattice.Edge>

  init(_ count: Int, longest: Int) {
    sums = .allocate(capacity: count)
    sums.initialize(repeating: 0)
    forward = .allocate(capacity: longest + 1)
    backward = .allocate(capacity: longest + 1)
    best = .allocate(capacity: longest + 1)
  }

  deinit {
    sums.deallocate()
    forward.deallocate()
    backward.deallocate()
    best.deallocate()
  }
}

/// Some of the words with the pieces in them.
final class UnigramChunk: @unchecked Sendable {
  let words: Range<Int>
  private let text: TrainingSymbols
  private(set) var edges: [UnigramLattice.Edge] = []
  /// The number of edges from each place on; 0 for separators.
  private(set) var edgeCounts: [UInt8] = []

  init(_ text: TrainingSymbols, words: Range<Int>) {
    self.text = text
    self.words = words
  }

  var firstPlace: Int { Int(text.starts[words.lowerBound]) }

  func find(_ trie: borrowing PieceTrie) {
    let end = Int(text.starts[words.upperBound])
    edgeCounts.reserveCapacity(end - firstPlace)
    for place in firstPlace..<end {
      let before = edges.count
      trie.forEachPiece(in: text.symbols, at: place) { edges.append(.init($0, length: $1)) }
      edgeCounts.append(UInt8(truncatingIfNeeded: edges.count - before))
    }
    // Without the room that growing left.
    edges = edges.withUnsafeBufferPointer { Array($0) }
  }

  func renumber(_ numbers: [UInt32]) {
    var kept = 0
    var read = 0
    edges.withUnsafeMutableBufferPointer { edges in
      for place in edgeCounts.indices {
        let before = kept
        for _ in 0..<edgeCounts[place] {
          let edge = edges[read]
          read += 1
          guard numbers[edge.piece] != .max else { continue }
          edges[kept] = .init(numbers[edge.piece], length: edge.length)
          kept += 1
        }
        edgeCounts[place] = UInt8(truncatingIfNeeded: kept - before)
      }
    }
    edges.removeLast(edges.count - kept)
    if edges.capacity > 2 * kept { edges = edges.withUnsafeBufferPointer { Array($0) } }
  }

  /// Calls `body` with each word: its count, its edges and their numbers by place.
  @inline(__always)
  func forEachWord(
    _ body: (
      _ count: Int64, _ length: Int, _ edges: UnsafePointer<UnigramLattice.Edge>, _ counts: UnsafePointer<UInt8>
    ) -> Void
  ) {
    edges.withUnsafeBufferPointer { edges in
      edgeCounts.withUnsafeBufferPointer { counts in
        guard var edge = edges.baseAddress, var place = counts.baseAddress else { return }
        for word in words {
          let length = Int(text.starts[word + 1] &- text.starts[word]) &- 1
          body(text.counts[word], length, edge, place)
          for i in 0..<length { edge += Int(place[i]) }
          place += length &+ 1
        }
      }
    }
  }
}

/// The pieces by their symbols.
struct PieceTrie: ~Copyable, @unchecked Sendable {
  private var children: PairCounts
  /// By node: its piece, or the greatest number.
  private var pieces: [UInt32] = []

  init(_ text: TrainingSymbols, _ list: [SeedPiece]) {
    children = PairCounts(minimumCapacity: list.count)
    // The first nodes are the characters.
    pieces = [UInt32](repeating: .max, count: text.alphabet.count)
    for (number, piece) in list.enumerated() {
      var node = text.symbols[Int(piece.place)]
      for at in (piece.place + 1)..<(piece.place + piece.length) {
        let key = PairCounts.key(node, text.symbols[Int(at)])
        if let child = children[key] {
          node = UInt32(truncatingIfNeeded: child)
        } else {
          node = UInt32(pieces.count)
          _ = children.add(Int64(node), to: key)
          pieces.append(.max)
        }
      }
      pieces[Int(node)] = UInt32(number)
    }
  }

  /// Calls `body` with the pieces from a place on, the shortest first.
  @inline(__always)
  func forEachPiece(
    in symbols: UnsafeMutableBufferPointer<UInt32>, at place: Int, _ body: (_ piece: UInt32, _ length: Int) -> Void
  ) {
    guard symbols[place] != TrainingSymbols.separator else { return }
    var node = symbols[place], at = place
    while true {
      if pieces[Int(node)] != .max { body(pieces[Int(node)], at &- place &+ 1) }
      at &+= 1
      guard symbols[at] != TrainingSymbols.separator, let child = children[PairCounts.key(node, symbols[at])] else {
        return
      }
      node = UInt32(truncatingIfNeeded: child)
    }
  }
}
