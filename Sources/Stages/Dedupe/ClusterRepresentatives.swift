import ShardKit

/// A removed document, and the one that is kept in its place.
struct Duplicate: SortableRecord {
  var document: UInt32
  var survivor: UInt32
  /// In millionths, rounded.
  var similarity: UInt32
  /// 1 if the texts were compared, 0 if only the signatures.
  var isExact: UInt32

  /// The similarity of equal texts.
  static let whole: UInt32 = 1_000_000

  var prefix: UInt64 { UInt64(document) }
  static func < (a: Duplicate, b: Duplicate) -> Bool { a.document < b.document }
}

/// Chooses the documents to keep, given pairs of duplicates.
///
/// Documents are processed from best to worst. A document that is a duplicate of an already kept document is removed,
/// and the kept one (the best, if several) is its representative; any other document is kept. So every removed document
/// is similar to its own representative, and chains of similar pairs do not remove dissimilar documents. The result
/// depends on the set of pairs and on the order of preference, not on document numbers.
struct ClusterRepresentatives {
  /// Memory for each document that occurs in a pair, beside that for sorting.
  static let bytesPerDocument = 24
  let table: DocumentTable
  let memoryBytes: Int
  /// Path prefix of spilled files.
  let scratch: String

  struct Census: Equatable {
    /// Pairs of duplicates.
    var pairs = 0
    var clusters = 0
    var largestCluster = 0
  }

  /// Chooses by stored pairs of at least a similarity, and lists what goes.
  /// - Parameter sizes: what every kept document stands for is added to it.
  func choose(
    fromPairsIn paths: [String], threshold: Double, to files: inout DuplicateFiles, _ sizes: ClusterSizes?
  ) throws -> Census {
    let census = try choose { emit in
      for path in paths {
        try forEachRecord(of: path, as: MeasuredPair.self) { pair in
          if pair.similarity >= threshold { try emit(Duplicate(pair)) }
        }
      }
    } found: { duplicate in
      try files.append(duplicate)
      try sizes?.add(duplicate)
    }
    try files.finish()
    return census
  }

  /// - Parameters:
  ///   - pairs: calls its argument for every pair of duplicates (repeats are harmless); it is called twice.
  ///   - found: called for every removed document, in ascending order of numbers.
  func choose(
    pairs: ((Duplicate) throws -> Void) throws -> Void,
    found: (Duplicate) throws -> Void
  ) throws -> Census {
    let documents = try documents(in: pairs)
    let order = try ranked(documents)
    var ranks = [UInt32](repeating: 0, count: order.count)
    for (rank, node) in order.enumerated() { ranks[Int(node)] = UInt32(rank) }
    let edges = ExternalSorter<RankedPair>(scratch: scratch + "-pairs", memoryBytes: memoryBytes / 4)
    var count = 0
    try pairs { pair in
      count += 1
      let a = ranks[lowerBound(documents, pair.document)]
      let b = ranks[lowerBound(documents, pair.survivor)]
      try edges.append(
        RankedPair(worse: max(a, b), better: min(a, b), similarity: pair.similarity, isExact: pair.isExact))
    }
    let duplicates = ExternalSorter<Duplicate>(scratch: scratch + "-found", memoryBytes: memoryBytes / 4)
    var goes = [Bool](repeating: false, count: order.count)
    var clusters = UnionFind(count: order.count)
    try edges.drain { edge in
      clusters.join(edge.better, edge.worse)
      if goes[Int(edge.worse)] || goes[Int(edge.better)] { return }
      goes[Int(edge.worse)] = true
      try duplicates.append(
        Duplicate(
          document: documents[Int(order[Int(edge.worse)])], survivor: documents[Int(order[Int(edge.better)])],
          similarity: edge.similarity, isExact: edge.isExact))
    }
    try duplicates.drain(found)
    let (sets, largest) = clusters.census()
    return Census(pairs: count, clusters: sets, largestCluster: largest)
  }

  /// The documents that occur in pairs, ascending; nodes are indices into this list.
  private func documents(
    in pairs: ((Duplicate) throws -> Void) throws -> Void
  ) throws -> [UInt32] {
    let sorter = ExternalSorter<DocumentNumber>(scratch: scratch + "-documents", memoryBytes: memoryBytes / 4)
    try pairs { pair in
      try sorter.append(DocumentNumber(pair.document))
      try sorter.append(DocumentNumber(pair.survivor))
    }
    var documents: [UInt32] = []
    try sorter.forEachDistinct { documents.append($0.number) }
    return documents
  }

  /// The nodes from best to worst.
  private func ranked(_ documents: [UInt32]) throws -> [UInt32] {
    let sorter = ExternalSorter<RankedNode>(scratch: scratch + "-order", memoryBytes: memoryBytes / 4)
    var pages = PageCount(limit: SortingMemory.mappedBytes)
    for (node, document) in documents.enumerated() {
      if pages.touch(2) { table.release() }
      try sorter.append(RankedNode(table.entry(document), id: table.id(document), node: UInt32(node)))
    }
    var order: [UInt32] = []
    order.reserveCapacity(documents.count)
    var tie: (start: Int, first: RankedNode)?
    func settleTie() {
      guard let tie, order.count - tie.start > 1 else { return }
      order[tie.start...].sort {
        if pages.touch(4) { table.release() }
        return table.isBetter(documents[Int($0)], documents[Int($1)])
      }
    }
    try sorter.drain { next in
      if tie.map({ $0.first < next }) ?? true {
        settleTie()
        tie = (order.count, next)
      }
      order.append(next.node)
    }
    settleTie()
    table.release()
    return order
  }
}

/// A pair by ranks; 0 is the best document.
private struct RankedPair: SortableRecord {
  var worse: UInt32
  var better: UInt32
  var similarity: UInt32
  var isExact: UInt32

  var prefix: UInt64 { UInt64(worse) << 32 | UInt64(better) }
  static func < (a: RankedPair, b: RankedPair) -> Bool { a.prefix < b.prefix }
}

/// The order of preference, as far as a fixed-size record can hold it.
private struct RankedNode: SortableRecord {
  var prefix: UInt64
  var idStart: UInt64
  var node: UInt32

  init(_ entry: IndexEntry, id: UnsafeRawBufferPointer, node: UInt32) {
    prefix = UInt64(entry.priority) << 32 | UInt64(UInt32.max - entry.textBytes)
    idStart = (0..<8).reduce(0) { $0 << 8 | UInt64($1 < id.count ? id[$1] : 0) }
    self.node = node
  }

  static func < (a: RankedNode, b: RankedNode) -> Bool {
    a.prefix != b.prefix ? a.prefix < b.prefix : a.idStart < b.idStart
  }
}
