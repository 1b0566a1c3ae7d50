import ShardKit

/// For each piece, the likelihood that is lost when every use of it becomes its best other segmentation: infinite if it
/// has none without unknown characters, and minus infinity if it is not used.
final class PieceLosses: @unchecked Sendable {
  private let pieces: [UnigramEstimate.Piece]
  private let frequencies: [Int64]
  private let lattice: UnigramLattice
  private let sum: Double
  private let logSum: Double
  private let losses: UnsafeMutablePointer<Double>
  /// The pieces by place.
  private let order: [UInt32]

  init(_ pieces: [UnigramEstimate.Piece], _ frequencies: [Int64], _ lattice: UnigramLattice) {
    self.pieces = pieces
    self.frequencies = frequencies
    self.lattice = lattice
    sum = Double(frequencies.reduce(0, &+))
    logSum = PortableMath.log(max(sum, 1))
    losses = .allocate(capacity: max(1, pieces.count))
    losses.initialize(repeating: -.infinity, count: max(1, pieces.count))
    order = pieces.indices.filter { pieces[$0].score.isFinite }.map { UInt32($0) }
      .sorted { pieces[Int($0)].place < pieces[Int($1)].place }
  }

  deinit { losses.deallocate() }

  func computed(_ probabilities: PieceProbabilities) throws -> [Double] {
    try lattice.forEachChunk(lane: { UnigramSums(1, longest: UnigramLattice.longestPiece) }) { [self] chunk, lane in
      compute(in: chunk, probabilities, lane)
    }
    return Array(UnsafeBufferPointer(start: losses, count: pieces.count))
  }

  /// Those pieces whose place is in the chunk.
  private func compute(in chunk: UnigramChunk, _ probabilities: PieceProbabilities, _ lane: UnigramSums) {
    var next = first(from: chunk.firstPlace)
    var place = chunk.firstPlace
    var logs: [Double] = []
    chunk.forEachWord { _, length, edges, edgeCounts in
      var edge = edges
      for i in 0..<length {
        while next < order.count, Int(pieces[Int(order[next])].place) == place &+ i {
          let piece = Int(order[next])
          let size = Int(pieces[piece].length)
          UnigramChunk.segment(size, edge, edgeCounts + i, probabilities, lane, isWhole: false)
          losses[piece] = loss(of: piece, size, lane, &logs)
          next += 1
        }
        edge += Int(edgeCounts[i])
      }
      place += length + 1
    }
  }

  private func first(from place: Int) -> Int {
    var low = 0, high = order.count
    while low < high {
      let middle = (low + high) / 2
      if Int(pieces[Int(order[middle])].place) < place { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func loss(of piece: Int, _ size: Int, _ lane: UnigramSums, _ logs: inout [Double]) -> Double {
    let frequency = Double(frequencies[piece])
    var others = 0
    logs.removeAll(keepingCapacity: true)
    var end = size
    while end > 0 {
      let edge = lane.best[end]
      if edge.bits == UnigramChunk.unknownEdge.bits { return .infinity }
      if frequency > 0 { logs.append(PortableMath.log(Double(frequencies[edge.piece]) + frequency)) }
      others += 1
      end -= edge.length
    }
    guard frequency > 0 else { return -.infinity }
    let logOther = PortableMath.log(sum + frequency * Double(others - 1))
    let other = logs.reduce(0) { $0 + $1 - logOther }
    return frequency / sum * (PortableMath.log(frequency) - logSum - other)
  }
}
