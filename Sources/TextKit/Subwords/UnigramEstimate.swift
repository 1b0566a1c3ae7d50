import ShardKit

/// Pieces with their scores, and what the training words say about them.
struct UnigramEstimate {
  struct Piece {
    var place: UInt32
    var length: UInt32
    /// Not finite once it is dropped.
    var score: Double
  }

  private(set) var pieces: [Piece]
  private let lattice: UnigramLattice
  private let workers: Int
  private var probabilities: PieceProbabilities

  private static let unknownPenalty = 10.0

  init(_ text: TrainingSymbols, _ seeds: [SeedPiece], workers: Int) throws {
    lattice = try UnigramLattice(text, seeds, workers: workers)
    self.workers = workers
    let total = PortableMath.log(Double(max(1, seeds.reduce(0) { $0 &+ $1.score })))
    pieces = seeds.map {
      Piece(place: $0.place, length: $0.length, score: PortableMath.log(Double(max($0.score, 1))) - total)
    }
    probabilities = PieceProbabilities(pieces, unknownPenalty: Self.unknownPenalty)
  }

  /// The number of pieces that are not dropped.
  var count: Int { pieces.lazy.filter(\.score.isFinite).count }

  func text(of piece: Piece) -> [UInt8] { lattice.text.text(at: Int(piece.place), Int(piece.length)) }

  /// Takes new scores; pieces whose score is not finite are dropped.
  mutating func setScores(_ scores: [Double]) {
    for (i, score) in scores.enumerated() { pieces[i].score = score }
    probabilities = PieceProbabilities(pieces, unknownPenalty: Self.unknownPenalty)
  }

  /// How often each piece is expected in all segmentations of all words.
  func expectations() throws -> [Double] {
    // Sums of whole numbers are the same in any order. None is more than all characters.
    let digits = min(32, 62 - (64 - max(1, lattice.text.occurrences).leadingZeroBitCount))
    let scale = Double(sign: .plus, exponent: digits, significand: 1)
    let probabilities = probabilities
    return try lattice.sums(pieces.count) { $0.addExpectations(probabilities, scale, to: $1) }
      .map { Double($0) / scale }
  }

  /// Keeps the pieces that cannot be written otherwise, and of the others those whose loss costs most.
  mutating func prune(to size: Int) throws {
    let probabilities = probabilities
    let frequencies = try lattice.sums(pieces.count) { $0.addBest(probabilities, to: $1) }
    let losses = try PieceLosses(pieces, frequencies, lattice).computed(probabilities)
    var kept: [Int] = []
    var candidates: [Int] = []
    for (i, piece) in pieces.enumerated() where piece.score.isFinite {
      if losses[i] == .infinity {
        kept.append(i)
      } else if losses[i] > -.infinity {
        candidates.append(i)
      }
    }
    candidates.sort { losses[$0] != losses[$1] ? losses[$0] > losses[$1] : $0 < $1 }
    kept += candidates.prefix(max(0, size - kept.count))
    kept.sort()
    var numbers = [UInt32](repeating: .max, count: pieces.count)
    for (new, old) in kept.enumerated() { numbers[old] = UInt32(new) }
    try lattice.renumber(numbers)
    pieces = kept.map { pieces[$0] }
    self.probabilities = PieceProbabilities(pieces, unknownPenalty: Self.unknownPenalty)
  }
}

/// The probabilities of pieces, 0 of dropped ones, and that of a character that is no piece; threads may share them.
final class PieceProbabilities: @unchecked Sendable {
  let values: UnsafeMutablePointer<Double>
  let unknown: Double

  init(_ pieces: [UnigramEstimate.Piece], unknownPenalty: Double) {
    values = .allocate(capacity: max(1, pieces.count))
    var least = 0.0
    for (i, piece) in pieces.enumerated() {
      values[i] = piece.score.isFinite ? PortableMath.exp(piece.score) : 0
      if piece.score.isFinite { least = min(least, piece.score) }
    }
    unknown = PortableMath.exp(least - unknownPenalty)
  }

  deinit { values.deallocate() }
}

extension UnigramChunk {
  /// Adds how often each piece is expected, times `scale`.
  func addExpectations(_ probabilities: PieceProbabilities, _ scale: Double, to lane: UnigramSums) {
    let (values, unknown) = (probabilities.values, probabilities.unknown)
    let (forward, backward, sums) = (lane.forward, lane.backward, lane.sums)
    forEachWord { count, length, edges, edgeCounts in
      for i in 0...length { forward[i] = 0 }
      forward[0] = 1
      var edge = edges
      for i in 0..<length {
        let before = forward[i]
        let end = edge + Int(edgeCounts[i])
        if !Self.hasSingle(edge, end, values) { forward[i &+ 1] += before * unknown }
        while edge < end {
          forward[i &+ edge.pointee.length] += before * values[edge.pointee.piece]
          edge += 1
        }
      }
      guard forward[length] > 0 else { return }
      let share = Double(count) / forward[length] * scale
      backward[length] = 1
      for i in stride(from: length &- 1, through: 0, by: -1) {
        let start = edge - Int(edgeCounts[i])
        var after = Self.hasSingle(start, edge, values) ? 0 : unknown * backward[i &+ 1]
        let before = share * forward[i]
        while edge > start {
          edge -= 1
          let product = values[edge.pointee.piece] * backward[i &+ edge.pointee.length]
          after += product
          sums[edge.pointee.piece] &+= Int64(before * product)
        }
        backward[i] = after
      }
    }
  }

  @inline(__always)
  private static func hasSingle(
    _ first: UnsafePointer<UnigramLattice.Edge>, _ end: UnsafePointer<UnigramLattice.Edge>,
    _ values: UnsafeMutablePointer<Double>
  ) -> Bool { first < end && first.pointee.length == 1 && values[first.pointee.piece] > 0 }

  /// Adds how often each piece stands in the best segmentations.
  func addBest(_ probabilities: PieceProbabilities, to lane: UnigramSums) {
    forEachWord { count, length, edges, edgeCounts in
      Self.segment(length, edges, edgeCounts, probabilities, lane)
      var end = length
      while end > 0 {
        let edge = lane.best[end]
        if edge.bits != Self.unknownEdge.bits { lane.sums[edge.piece] &+= count }
        end &-= edge.length
      }
    }
  }

  /// A character that is no piece.
  static let unknownEdge = UnigramLattice.Edge(UInt32(UnigramLattice.mostPieces - 1), length: 1)

  /// Writes the last edge of the best segmentation of each beginning; edges that reach beyond the end are left out, and
  /// one over everything if `isWhole` is false.
  @inline(__always)
  static func segment(
    _ length: Int, _ edges: UnsafePointer<UnigramLattice.Edge>, _ edgeCounts: UnsafePointer<UInt8>,
    _ probabilities: PieceProbabilities, _ lane: UnigramSums, isWhole: Bool = true
  ) {
    let (values, scores, best) = (probabilities.values, lane.forward, lane.best)
    for i in 0...length { scores[i] = 0 }
    scores[0] = 1
    var edge = edges
    for i in 0..<length {
      let before = scores[i]
      let end = edge + Int(edgeCounts[i])
      if !hasSingle(edge, end, values), before * probabilities.unknown > scores[i &+ 1] {
        scores[i &+ 1] = before * probabilities.unknown
        best[i &+ 1] = unknownEdge
      }
      while edge < end {
        let stop = i &+ edge.pointee.length
        let score = before * values[edge.pointee.piece]
        if stop <= length, isWhole || edge.pointee.length < length, score > scores[stop] {
          scores[stop] = score
          best[stop] = edge.pointee
        }
        edge += 1
      }
    }
    if scores[length] <= 0 { best[length] = unknownEdge }
  }
}
