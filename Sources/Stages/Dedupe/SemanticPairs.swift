import PipelineKit
import ShardKit

/// A document of a cluster.
struct ClusterMember: SortableRecord {
  var cluster: UInt32
  /// Its row in a file of members, its number elsewhere.
  var document: UInt32

  var prefix: UInt64 { UInt64(cluster) << 32 | UInt64(document) }
  static func < (a: ClusterMember, b: ClusterMember) -> Bool { a.prefix < b.prefix }
}

/// A file of members, by cluster.
struct MemberList {
  private let file: MappedFile
  private var records: UnsafeBufferPointer<ClusterMember> { file.bytes.bindMemory(to: ClusterMember.self) }

  init(_ path: String) throws(ShardError) { file = try MappedFile(path) }

  /// The places of a cluster's records.
  func rows(of cluster: Int) -> Range<Int> { start(of: cluster)..<start(of: cluster + 1) }

  func forEachRow(of cluster: Int, _ body: (UInt32) -> Void) {
    file.forEachRecord(of: records[rows(of: cluster)]) { body($0.document) }
  }

  private func start(of cluster: Int) -> Int {
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(records[middle].cluster) < cluster { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Two similar documents, the preferred one second.
struct SimilarPair: SortableRecord {
  var worse: UInt32
  var better: UInt32
  var similarity: Double

  var prefix: UInt64 { UInt64(worse) << 32 | UInt64(better) }
  static func < (a: SimilarPair, b: SimilarPair) -> Bool { a.prefix < b.prefix }
}

/// Finds the similar pairs among the documents of a cluster.
///
/// Of a block of documents each is compared with all. A cluster larger than a block is clustered again, until its parts
/// are blocks; one that does not fall into parts, since all its vectors are nearly equal, is compared with its preferred
/// documents alone. So n documents cost at most n times a block.
struct SemanticPairs {
  /// Each document has at most this many pairs with preferred ones, the most preferred of its block.
  static let mostPairs = 256
  private static let mostDocuments = 8192
  private static let mostBytes = 24 << 20
  /// Documents that are compared at a time, so that they stay in the processor's caches.
  private static let tile = 128
  /// A part with a larger fraction is no division.
  private static let largestPart = 0.9
  private static let deepest = 8

  let vectors: VectorTable
  let floor: Double
  let control: TaskControl
  /// Documents of a block.
  private let block: Int
  private var pages = PageCount(limit: SortingMemory.mappedBytes)
  private var products = InnerProducts()
  /// Documents with the most pairs that are stored.
  private(set) var limited = 0

  init(_ vectors: VectorTable, floor: Double, _ control: TaskControl, block: Int? = nil) {
    (self.vectors, self.floor, self.control) = (vectors, floor, control)
    let fitting = Self.mostBytes / (4 * max(1, vectors.width))
    self.block = block ?? max(Self.tile, min(Self.mostDocuments, fitting))
  }

  private var table: DocumentTable { vectors.table }

  /// Calls `found` for every similar pair; for some more than once.
  mutating func search(_ members: [UInt32], found: (SimilarPair) throws -> Void) throws {
    try search(members, depth: 0, found)
  }

  private mutating func search(_ members: [UInt32], depth: Int, _ found: (SimilarPair) throws -> Void) throws {
    try control.check()
    guard members.count > block else { return try compare(preferred(members), withFirst: members.count, found) }
    let parts = try parts(of: members)
    let largest = parts.map(\.count).max() ?? 0
    guard depth < Self.deepest, Double(largest) <= Self.largestPart * Double(members.count) else {
      return try compareWithPreferred(preferred(members), found)
    }
    for part in parts where part.count > 1 { try search(part, depth: depth + 1, found) }
  }

  private mutating func preferred(_ members: [UInt32]) -> [UInt32] {
    members.sorted {
      if pages.touch(4) { vectors.release() }
      return table.isBetter($0, $1)
    }
  }

  private mutating func vector(_ document: UInt32) -> UnsafePointer<Float> {
    if pages.touch(2) { vectors.release() }
    return vectors[document]
  }

  /// By the nearest of some centers of their own.
  private mutating func parts(of members: [UInt32]) throws -> [[UInt32]] {
    let count = min(64, members.count / (block / 2))
    let ordered = members.map { (recordHash(table.id($0)), $0) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    let samples = ordered.prefix(count * DirectionClusters.samplesPerCluster).map(\.1)
    var clusters = try DirectionClusters(
      count: count, width: vectors.width, samples: samples, check: control.check
    ) { vector($0) }
    var parts = [[UInt32]](repeating: [], count: count)
    for (place, member) in members.enumerated() {
      if place % 1024 == 0 { try control.check() }
      parts[clusters.nearest(vector(member))].append(member)
    }
    return parts
  }

  /// The first block with each other, then the others, a block at a time, with the first half a block.
  private mutating func compareWithPreferred(
    _ members: [UInt32], _ found: (SimilarPair) throws -> Void
  ) throws {
    let anchors = block / 2
    try compare(Array(members[..<block]), withFirst: block, found)
    for start in stride(from: block, to: members.count, by: block - anchors) {
      try control.check()
      let others = members[start..<min(start + block - anchors, members.count)]
      try compare(Array(members[..<anchors]) + others, withFirst: anchors, from: anchors, found)
    }
  }

  /// - Parameters:
  ///   - members: in the order of preference.
  ///   - first: how many of them the others are compared with.
  ///   - start: the first that is compared with those before it.
  private mutating func compare(
    _ members: [UInt32], withFirst first: Int, from start: Int = 1, _ found: (SimilarPair) throws -> Void
  ) throws {
    let width = vectors.width
    var rows: [Float] = []
    rows.reserveCapacity(members.count * width)
    for member in members { rows += UnsafeBufferPointer(start: vector(member), count: width) }
    var pairs = [Int](repeating: 0, count: members.count)
    for tile in stride(from: 0, to: min(first, members.count), by: Self.tile) {
      let end = min(tile + Self.tile, first)
      for worse in max(start, tile + 1)..<max(start, tile + 1, members.count) where pairs[worse] < Self.mostPairs {
        let compared = min(end, worse) - tile
        rows.withUnsafeBufferPointer { rows in
          products.compute(
            rows.baseAddress! + worse * width, with: rows.baseAddress! + tile * width, rows: compared, width: width)
        }
        for better in 0..<compared where pairs[worse] < Self.mostPairs {
          guard let similarity = similarity(products.values[better]) else { continue }
          pairs[worse] += 1
          if pairs[worse] == Self.mostPairs { limited += 1 }
          try found(SimilarPair(worse: members[worse], better: members[tile + better], similarity: similarity))
        }
      }
      try control.check()
    }
  }

  /// In whole millionths, so that equal vectors have 1, whatever their sums were rounded to; nil below the floor.
  private func similarity(_ product: Float) -> Double? {
    guard Double(product) >= floor - 1 / Double(Duplicate.whole) else { return nil }
    let millionths = (Double(product) * Double(Duplicate.whole)).rounded()
    let similarity = min(1, millionths / Double(Duplicate.whole))
    return similarity >= floor ? similarity : nil
  }
}
