/// Pieces with their scores, and what the training words say about them.
struct UnigramEstimate: ~Copyable {
  /// In ascending order of their texts.
  private(set) var pieces: [(text: [UInt8], score: Double)]
  private let trie: ByteTrie
  /// Of a piece; 0 once it is dropped.
  private var probabilities: [Double]
  /// Of a character that is no piece.
  private var unknown = 0.0
  private let scratch = UnigramScratch()

  private static let unknownPenalty = 10.0

  /// - Parameter pieces: in ascending order.
  init(_ pieces: [(text: [UInt8], score: Double)]) {
    self.pieces = pieces
    trie = ByteTrie(pieces.enumerated().map { ($1.text, Int32($0)) })
    probabilities = []
    setProbabilities()
  }

  private mutating func setProbabilities() {
    probabilities = pieces.map { $0.score.isFinite ? PortableMath.exp($0.score) : 0 }
    let least = pieces.lazy.map(\.score).filter(\.isFinite).min() ?? 0
    unknown = PortableMath.exp(least - Self.unknownPenalty)
  }

  /// Takes new scores; pieces whose score is not finite are dropped.
  mutating func setScores(_ scores: [Double]) {
    for (i, score) in scores.enumerated() { pieces[i].score = score }
    setProbabilities()
  }

  /// The number of pieces that are not dropped.
  var count: Int { pieces.lazy.filter(\.score.isFinite).count }

  /// Writes all pieces within a word, by start, and returns their number.
  @inline(__always)
  private func findEdges(
    of word: UnsafeBufferPointer<UInt8>, _ probabilities: UnsafeBufferPointer<Double>
  ) -> Int {
    scratch.reserve(word.count)
    let edges = scratch.edges, nodes = trie.nodes
    var count = 0, start = 0
    while start < word.count {
      let width = word[start] < 0x80 ? 1 : word[start] < 0xE0 ? 2 : word[start] < 0xF0 ? 3 : 4
      var node = ByteTrie.root, end = start
      var isSingle = false
      while end < word.count {
        let next = nodes[Int(node)].base ^ UInt32(word[end])
        let entry = nodes[Int(next)]
        guard entry.parent == node, next != 0 else { break }
        node = next
        end &+= 1
        guard entry.value >= 0, probabilities[Int(entry.value)] > 0 else { continue }
        if end &- start == width { isSingle = true }
        edges[count] = .init(
          start: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: end), piece: entry.value,
          probability: probabilities[Int(entry.value)])
        count &+= 1
      }
      let next = min(start &+ width, word.count)
      if !isSingle {
        edges[count] = .init(
          start: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: next), piece: -1,
          probability: unknown)
        count &+= 1
      }
      start = next
    }
    return count
  }

  private static func forEachWord(
    _ words: borrowing TrainingWords, _ checkpoint: () throws -> Void,
    _ body: (UnsafeBufferPointer<UInt8>, Double) -> Void
  ) throws {
    try words.arena.withUnsafeBufferPointer { arena in
      var start = 0
      for (i, end) in words.ends.enumerated() {
        if i & 0xFFFF == 0 { try checkpoint() }
        body(UnsafeBufferPointer(rebasing: arena[start..<end]), Double(words.counts[i]))
        start = end
      }
    }
  }

  /// How often each piece is expected in all segmentations of all words.
  func expectations(_ words: borrowing TrainingWords, _ checkpoint: () throws -> Void) throws -> [Double] {
    var expected = [Double](repeating: 0, count: pieces.count)
    try expected.withUnsafeMutableBufferPointer { expected in
      try probabilities.withUnsafeBufferPointer { probabilities in
        try Self.forEachWord(words, checkpoint) { word, count in
          let edgeCount = findEdges(of: word, probabilities)
          let edges = scratch.edges, forward = scratch.forward, backward = scratch.backward
          for i in 0...word.count { (forward[i], backward[i]) = (0, 0) }
          forward[0] = 1
          backward[word.count] = 1
          for i in 0..<edgeCount {
            forward[Int(edges[i].end)] += forward[Int(edges[i].start)] * edges[i].probability
          }
          for i in stride(from: edgeCount - 1, through: 0, by: -1) {
            backward[Int(edges[i].start)] += edges[i].probability * backward[Int(edges[i].end)]
          }
          let all = forward[word.count]
          guard all > 0 else { return }
          let share = count / all
          for i in 0..<edgeCount where edges[i].piece >= 0 {
            expected[Int(edges[i].piece)] +=
              share * forward[Int(edges[i].start)] * edges[i].probability * backward[Int(edges[i].end)]
          }
        }
      }
    }
    return expected
  }

  /// The best segmentation of a text, from its end; with `forbidden`, without that piece. Empty if there is none.
  private func best(
    _ text: UnsafeBufferPointer<UInt8>, forbidding forbidden: Int32 = -2,
    _ probabilities: UnsafeBufferPointer<Double>, into path: inout [Int32]
  ) {
    let edgeCount = findEdges(of: text, probabilities)
    let edges = scratch.edges, scores = scratch.forward, from = scratch.from
    for i in 0...text.count { (scores[i], from[i]) = (0, -1) }
    scores[0] = 1
    for i in 0..<edgeCount where edges[i].piece != forbidden {
      let score = scores[Int(edges[i].start)] * edges[i].probability
      if score > scores[Int(edges[i].end)] {
        scores[Int(edges[i].end)] = score
        from[Int(edges[i].end)] = Int32(truncatingIfNeeded: i)
      }
    }
    path.removeAll(keepingCapacity: true)
    var at = text.count
    while at > 0 {
      guard from[at] >= 0 else { return path.removeAll(keepingCapacity: true) }
      let edge = edges[Int(from[at])]
      path.append(edge.piece)
      at = Int(edge.start)
    }
  }

  /// The pieces that stay: those that cannot be written otherwise, and those whose loss costs most.
  func pruned(
    to size: Int, _ words: borrowing TrainingWords, _ checkpoint: () throws -> Void
  ) throws -> [(text: [UInt8], score: Double)] {
    var path: [Int32] = []
    var frequencies = [Double](repeating: 0, count: pieces.count)
    var sum = 0.0
    var kept: [Int] = []
    var candidates: [(piece: Int, loss: Double)] = []
    try probabilities.withUnsafeBufferPointer { probabilities in
      try Self.forEachWord(words, checkpoint) { word, count in
        best(word, probabilities, into: &path)
        for piece in path where piece >= 0 {
          frequencies[Int(piece)] += count
          sum += count
        }
      }
      let logSum = PortableMath.log(max(sum, 1))
      for (i, piece) in pieces.enumerated() where piece.score.isFinite {
        if i & 0xFFFF == 0 { try checkpoint() }
        piece.text.withUnsafeBufferPointer { best($0, forbidding: Int32(i), probabilities, into: &path) }
        if path.isEmpty || path.contains(where: { $0 < 0 }) {
          kept.append(i)
        } else if frequencies[i] > 0 {
          candidates.append((i, Self.loss(of: i, frequencies, path, sum, logSum)))
        }
      }
    }
    candidates.sort { $0.loss != $1.loss ? $0.loss > $1.loss : $0.piece < $1.piece }
    kept += candidates.prefix(max(0, size - kept.count)).map(\.piece)
    return kept.sorted().map { pieces[$0] }
  }

  /// The likelihood lost when every use of the piece becomes its best other segmentation.
  private static func loss(
    of piece: Int, _ frequencies: [Double], _ path: [Int32], _ sum: Double, _ logSum: Double
  ) -> Double {
    let frequency = frequencies[piece]
    let logOther = PortableMath.log(sum + frequency * Double(path.count - 1))
    var other = 0.0
    for id in path { other += PortableMath.log(frequencies[Int(id)] + frequency) - logOther }
    return frequency / sum * (PortableMath.log(frequency) - logSum - other)
  }
}

/// Memory for the segmentations of one word.
private final class UnigramScratch {
  struct Edge {
    var start: Int32
    var end: Int32
    /// Below 0: an unknown character.
    var piece: Int32
    var probability: Double
  }

  private var capacity = 0
  private(set) var edges = UnsafeMutablePointer<Edge>.allocate(capacity: 1)
  private(set) var forward = UnsafeMutablePointer<Double>.allocate(capacity: 1)
  private(set) var backward = UnsafeMutablePointer<Double>.allocate(capacity: 1)
  private(set) var from = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

  deinit { free() }

  private func free() {
    edges.deallocate()
    forward.deallocate()
    backward.deallocate()
    from.deallocate()
  }

  /// Makes room for a word of so many bytes, with a piece between any two places.
  @inline(__always)
  func reserve(_ count: Int) { if count >= capacity { grow(count) } }

  private func grow(_ count: Int) {
    free()
    capacity = max(128, (count + 1) * 2)
    edges = .allocate(capacity: capacity * (capacity + 1) / 2)
    forward = .allocate(capacity: capacity + 1)
    backward = .allocate(capacity: capacity + 1)
    from = .allocate(capacity: capacity + 1)
  }
}
