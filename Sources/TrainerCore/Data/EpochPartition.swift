public import ShardKit

/// Which device takes which position of an epoch's order: mosaicml-streaming's `get_partitions`, as a function instead
/// of a table.
///
/// The epoch's samples are arranged in as many rows as there are canonical nodes and are read column by column; real
/// nodes, then ranks, take turns, and a rank's batches go to its workers in turn. So the samples of a global batch do
/// not depend on how many devices share it. Every lookup takes constant time and no memory.
public struct EpochPartition: Equatable, Sendable {
  public let samples: Int
  public let canonicalNodes: Int
  public let physicalNodes: Int
  public let ranksPerNode: Int
  public let workersPerRank: Int
  public let batchSize: Int
  /// Batches of each worker; the last ones are filled up with -1.
  public let batchesPerWorker: Int

  /// Places of a row that come from `ceil(samples / canonicalNodes)`, and with repeats for nodes that share a row.
  private let rowLength: Int
  private let paddedRowLength: Int
  private let isTiled: Bool
  /// The nodes and batch size by which positions are assigned; they differ from the real ones after a change of nodes
  /// mid-epoch to a number that canonical nodes cannot be divided by.
  private let dealtNodes: Int
  private let dealtBatchSize: Int
  private let dropped: Int
  /// Places of a node before and of a rank after repeats.
  private let nodePlaces: Int
  private let rankPlaces: Int

  /// - Parameters:
  ///   - sampleInEpoch: places of the epoch that are done, of all devices together.
  ///   - initialPhysicalNodes: of the run that began the epoch; nil in that run itself.
  /// - Throws: `ShardError` if numbers are not positive, or nodes and batches do not divide one another.
  public init(
    samples: Int, canonicalNodes: Int, physicalNodes: Int = 1, ranksPerNode: Int = 1, workersPerRank: Int = 1,
    batchSize: Int, sampleInEpoch: Int = 0, initialPhysicalNodes: Int? = nil
  ) throws(ShardError) {
    guard
      [samples, canonicalNodes, physicalNodes, ranksPerNode, workersPerRank, batchSize, initialPhysicalNodes ?? 1]
        .allSatisfy({ $0 > 0 }), sampleInEpoch >= 0
    else {
      throw ShardError(.unsupported, "partition", "samples, nodes, ranks, workers and batch size must be positive")
    }
    self.samples = samples
    self.canonicalNodes = canonicalNodes
    self.physicalNodes = physicalNodes
    self.ranksPerNode = ranksPerNode
    self.workersPerRank = workersPerRank
    self.batchSize = batchSize
    (dealtNodes, dealtBatchSize) = try Self.dealing(
      canonicalNodes, physicalNodes, initialPhysicalNodes, batchSize: batchSize, ranksPerNode: ranksPerNode)
    let world = ranksPerNode * physicalNodes
    guard sampleInEpoch <= samples + world - samples % world else {
      throw ShardError(
        .unsupported, "partition", "sample \(sampleInEpoch) is beyond the epoch's \(samples) samples",
        hint: "Resume with the data set that the state belongs to.")
    }
    dropped = sampleInEpoch - sampleInEpoch % dealtNodes

    rowLength = (samples + canonicalNodes - 1) / canonicalNodes
    let share = canonicalNodes < dealtNodes ? dealtNodes / canonicalNodes : 1
    let padding = (share - rowLength % share) % share
    paddedRowLength = rowLength + padding
    isTiled = samples < canonicalNodes || (samples == canonicalNodes && canonicalNodes < dealtNodes)
    let copied = rowLength - padding - share + 1
    guard isTiled || padding == 0 || copied >= 0 || rowLength - share + 1 == 1 else {
      throw ShardError(
        .unsupported, "partition", "\(samples) samples are too few for \(dealtNodes) nodes", hint: "Use fewer nodes."
      )
    }
    nodePlaces = max(0, canonicalNodes * paddedRowLength - dropped) / dealtNodes
    rankPlaces = (nodePlaces + ranksPerNode - 1) / ranksPerNode
    let round = workersPerRank * dealtBatchSize
    batchesPerWorker = (rankPlaces + round - 1) / round
  }

  /// `orig` where nodes and canonical nodes divide one another, else the initial nodes of `relaxed`.
  private static func dealing(
    _ canonical: Int, _ physical: Int, _ initial: Int?, batchSize: Int, ranksPerNode: Int
  ) throws(ShardError) -> (nodes: Int, batchSize: Int) {
    func divides(_ nodes: Int) -> Bool { canonical % nodes == 0 || nodes % canonical == 0 }
    if divides(physical) { return (physical, batchSize) }
    guard let initial, divides(initial) else {
      throw ShardError(
        .unsupported, "partition",
        "\(canonical) canonical and \(initial ?? physical) real nodes do not divide one another",
        hint: "Use a multiple of the real nodes.")
    }
    guard physical * batchSize % initial == 0 else {
      throw ShardError(
        .unsupported, "partition",
        "the global batch of \(physical * ranksPerNode * batchSize) cannot be dealt to the "
          + "\(initial * ranksPerNode) devices of the first run",
        hint: "Keep the global batch size when the number of nodes changes.")
    }
    return (initial, physical * batchSize / initial)
  }

  /// Places of the whole epoch, those done included; more than `samples` where rows are filled up.
  public var places: Int { canonicalNodes * paddedRowLength }

  /// What is at a position of a batch: a position in the epoch's shuffle order, or -1 for filling.
  ///
  /// A rank gives out its workers' batches in turn: batch 0 of each worker, then batch 1.
  public subscript(node node: Int, rank rank: Int, worker worker: Int, batch batch: Int, index index: Int) -> Int {
    precondition(node < physicalNodes && rank < ranksPerNode && worker < workersPerRank && index < batchSize)
    guard dealtNodes != physicalNodes else {
      return dealt(node, rank, (batch * workersPerRank + worker) * batchSize + index)
    }
    // Every global batch keeps its samples; the devices share its positions again, in the order node, rank, index.
    let place = (node * ranksPerNode + rank) * batchSize + index
    let device = place / dealtBatchSize
    return dealt(
      device / ranksPerNode, device % ranksPerNode,
      (batch * workersPerRank + worker) * dealtBatchSize + place % dealtBatchSize)
  }

  private func dealt(_ node: Int, _ rank: Int, _ turn: Int) -> Int {
    guard turn < rankPlaces else { return -1 }
    return self[place: dropped + withinNode(turn * ranksPerNode + rank) * dealtNodes + node]
  }

  /// Ranks that would have too few repeat samples from shortly before the node's end.
  private func withinNode(_ turn: Int) -> Int {
    guard turn >= nodePlaces else { return turn }
    let missing = rankPlaces * ranksPerNode - nodePlaces
    guard ranksPerNode + missing - 1 <= nodePlaces else { return (turn - nodePlaces) % nodePlaces }
    return turn - ranksPerNode - missing + 1
  }

  /// A place of the epoch, all devices together, as one node, rank and worker would take them.
  public subscript(place place: Int) -> Int {
    let row = place % canonicalNodes
    let column = place / canonicalNodes
    if isTiled { return (row * paddedRowLength + column) % samples }
    let start = row * samples / canonicalNodes
    guard column < rowLength else { return start + copied(column) }
    let isShort = (row + 1) * samples / canonicalNodes - start < rowLength
    return start + (isShort && column == rowLength - 1 ? column - 1 : column)
  }

  private func copied(_ column: Int) -> Int {
    let share = dealtNodes / canonicalNodes
    return max(0, column - (paddedRowLength - rowLength) - share + 1)
  }
}
