public import ShardKit

/// The order of an epoch's samples: as given, shuffled in windows, or number for number that of mosaicml-streaming's
/// `get_shuffle`.
///
/// Streaming's four algorithms shuffle the shards once per run, assign them to canonical nodes, shuffle each node's shards once
/// per epoch, and then shuffle samples inside a bounded window, so that a node reads few shards at a time. The order
/// depends on the number of canonical nodes, never on the number of real ones.
public struct ShuffleOrder: Equatable, Sendable {
  public enum Algorithm: String, CaseIterable, Codable, Sendable {
    /// Every sample moves by a random distance inside a window around its shard.
    case py1e
    /// Samples move inside their shard (or the part of it that a node has).
    case py1s
    /// The same, with each shard shuffled before it is assigned.
    case py2s
    /// Samples move inside blocks that span shards.
    case py1br
    /// Samples are in the order of the data, in every epoch.
    case off = "none"
    /// Each window of consecutive samples is shuffled; windows stay in the order of the data. The last one may be
    /// smaller.
    case window

    /// Whether samples move inside windows of a given size.
    public var hasWindow: Bool { self == .py1e || self == .py1br || self == .window }

    /// Whether an epoch is dealt to several canonical nodes, which changes its order.
    var hasCanonicalNodes: Bool { self == .py1s || self == .py2s }
  }

  public static let defaultSeed = 9176

  public var algorithm: Algorithm
  /// Not negative.
  public var seed: Int
  public var canonicalNodes: Int
  /// Width of the window of `py1e`, `py1br` and `window`, in samples.
  public var blockSamples: Int

  /// - Parameter blockSamples: streaming's default without one: 4,000,000 over the nodes, 262,144 at least.
  public init(
    _ algorithm: Algorithm = .py1e, seed: Int = ShuffleOrder.defaultSeed, canonicalNodes: Int,
    blockSamples: Int? = nil
  ) {
    precondition(canonicalNodes > 0 && seed >= 0)
    self.algorithm = algorithm
    self.seed = seed
    self.canonicalNodes = canonicalNodes
    self.blockSamples = blockSamples ?? max(4_000_000 / canonicalNodes, 1 << 18)
  }

  /// Streaming's default number of canonical nodes.
  public static func defaultCanonicalNodes(_ algorithm: Algorithm, physicalNodes: Int) -> Int {
    algorithm.hasCanonicalNodes ? 64 * physicalNodes : physicalNodes
  }

  /// Sample numbers in the order of an epoch, 4 bytes per sample. Time is linear in samples.
  ///
  /// Equal positions of `py1e`, about one pair in 10⁸ samples, keep their order; NumPy's is that of its machine.
  /// - Parameter shardSamples: how many samples each shard has, in the order of the index.
  /// - Throws: `ShardError` if there are too many samples, or too few for the canonical nodes.
  public func order(shardSamples: [Int], epoch: Int) throws(ShardError) -> [UInt32] {
    let samples = shardSamples.reduce(0, +)
    guard samples <= Int(UInt32.max) else {
      throw ShardError(
        .tooLarge, "shuffle", "\(samples) samples are more than the \(UInt32.max) that an epoch can have",
        hint: "Pack several documents into a sample.")
    }
    guard algorithm.hasCanonicalNodes || algorithm == .off || blockSamples >= 2 else {
      throw ShardError(.unsupported, "shuffle", "a block of \(blockSamples) samples holds nothing to shuffle")
    }
    if algorithm == .off || algorithm == .window { return inOrder(samples, epoch: epoch) }
    var runRandom = NumPyRandom(seed: UInt64(seed))
    var spans = ShardSpans(shardSamples)
    runRandom.shuffle(&spans.spans)
    var epochRandom = NumPyRandom(seed: UInt64(seed) + UInt64(epoch))
    var ids = [UInt32](repeating: 0, count: samples)
    if algorithm == .py2s {
      // Positions of this array are assigned.
      ids.withUnsafeMutableBufferPointer { spans.fillShuffled($0, &runRandom) }
      spans.renumber()
    }
    let nodes = spans.divide(samples: samples, nodes: canonicalNodes)
    if algorithm == .py2s {
      return gathered(ids, spans, nodes, &epochRandom)
    }
    for node in nodes {
      spans.spans.withUnsafeMutableBufferPointer { epochRandom.shuffle(.init(rebasing: $0[node])) }
    }
    if algorithm == .py1e, let empty = nodes.firstIndex(where: { spans.samples($0) == 0 }) {
      throw ShardError(
        .unsupported, "shuffle",
        "canonical node \(empty) of \(canonicalNodes) gets none of the \(samples) samples",
        hint: "Use fewer canonical nodes.")
    }
    ids.withUnsafeMutableBufferPointer { room in
      switch algorithm {
      case .py1e: expand(spans, nodes, room, &epochRandom)
      case .py1br: shuffleBlocks(spans, nodes, room, &epochRandom)
      case .py1s, .py2s, .off, .window: spans.fillShuffled(room, &epochRandom)
      }
    }
    return ids
  }

  // MARK: In the order of the data

  private func inOrder(_ samples: Int, epoch: Int) -> [UInt32] {
    var ids = (0..<samples).map { UInt32($0) }
    guard algorithm == .window else { return ids }
    var random = NumPyRandom(seed: UInt64(seed) + UInt64(epoch))
    ids.withUnsafeMutableBufferPointer { ids in
      for start in stride(from: 0, to: samples, by: blockSamples) {
        random.shuffle(UnsafeMutableBufferPointer(rebasing: ids[start..<min(samples, start + blockSamples)]))
      }
    }
    return ids
  }

  // MARK: py2s

  private func gathered(
    _ fixed: [UInt32], _ spans: consuming ShardSpans, _ nodes: [Range<Int>], _ random: inout NumPyRandom
  ) -> [UInt32] {
    var out = [UInt32](repeating: 0, count: fixed.count)
    out.withUnsafeMutableBufferPointer { room in
      var at = 0
      for node in nodes {
        spans.spans.withUnsafeMutableBufferPointer { random.shuffle(.init(rebasing: $0[node])) }
        for span in spans.spans[node] {
          for (i, place) in span.range.enumerated() { room[at + i] = fixed[place] }
          random.shuffle(UnsafeMutableBufferPointer(rebasing: room[at..<at + span.count]))
          at += span.count
        }
      }
    }
    return out
  }

  // MARK: py1br

  private func shuffleBlocks(
    _ spans: ShardSpans, _ nodes: [Range<Int>], _ ids: UnsafeMutableBufferPointer<UInt32>,
    _ random: inout NumPyRandom
  ) {
    let least = Int(0.75 * Double(blockSamples))
    let most = Int(1.25 * Double(blockSamples))
    let staggers = nodes.map { _ in random.integer(in: 0..<least) }
    spans.fill(ids)
    var start = 0
    for (node, stagger) in zip(nodes, staggers) {
      let end = start + spans.samples(node)
      var blocks: [Range<Int>] = []
      var reached = start
      while reached < end {
        let size = random.integer(in: least..<most)
        // The stagger shortens the first block, and the second one begins inside it: as in streaming.
        let block = max(reached - stagger, start)..<min(reached + size - stagger, end)
        blocks.append(block)
        reached += block.count
      }
      for block in blocks { random.shuffle(UnsafeMutableBufferPointer(rebasing: ids[block])) }
      start = end
    }
  }

  // MARK: py1e

  private func expand(
    _ spans: ShardSpans, _ nodes: [Range<Int>], _ ids: UnsafeMutableBufferPointer<UInt32>,
    _ random: inout NumPyRandom
  ) {
    let blocks = Int(0.75 * Double(blockSamples))..<Int(1.25 * Double(blockSamples))
    var start = 0
    for node in nodes {
      let count = spans.samples(node)
      let room = UnsafeMutableBufferPointer(rebasing: ids[start..<start + count])
      spans.fillShuffled(room, node, &random)
      var window = ExpansionWindow(
        room, reach: blocks.upperBound / 2 + 1, largestSpan: spans.spans[node].lazy.map(\.count).max() ?? 0)
      for span in spans.spans[node] {
        let cutoff = max(0, Double(random.integer(in: blocks) - span.count) / 2)
        let low = max(-cutoff, -Double(window.read))
        let high = min(cutoff, Double(count - window.read - span.count))
        window.append(span.count, low, high, &random)
      }
      window.finish()
      start += count
    }
  }
}
