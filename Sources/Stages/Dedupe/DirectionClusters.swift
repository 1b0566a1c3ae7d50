import ShardKit

/// Clusters unit vectors by direction (spherical k-means). The result follows from the vectors and their order alone.
struct DirectionClusters {
  static let rounds = 10
  /// Documents per cluster that the centers are computed from.
  static let samplesPerCluster = 64
  let count: Int
  let width: Int
  private(set) var centers: [Float]
  private var products = InnerProducts()

  /// - Parameters:
  ///   - count: clusters, at most as many as samples.
  ///   - samples: in an order that does not depend on files; the first ones are the first centers.
  ///   - vector: of a sample; called again and again.
  init(
    count: Int, width: Int, samples: [UInt32], check: () throws -> Void, vector: (UInt32) -> UnsafePointer<Float>
  ) throws {
    (self.count, self.width) = (count, width)
    centers = []
    centers.reserveCapacity(count * width)
    for sample in samples.prefix(count) {
      centers += UnsafeBufferPointer(start: vector(sample), count: width)
    }
    guard samples.count > count, count > 1 else { return }
    for _ in 0..<Self.rounds {
      try move(samples, check, vector)
    }
  }

  /// Centers from a file.
  init(path: String, width: Int) throws(ShardError) {
    let bytes = try FileSystem.read(path)
    self.width = width
    centers = bytes.withUnsafeBytes { bytes in
      (0..<(bytes.count / 4)).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    count = width == 0 ? 0 : centers.count / width
  }

  /// Each center goes to the mean direction of the samples nearest to it; one without any stays.
  private mutating func move(
    _ samples: [UInt32], _ check: () throws -> Void, _ vector: (UInt32) -> UnsafePointer<Float>
  ) throws {
    var sums = [Double](repeating: 0, count: count * width)
    for (place, sample) in samples.enumerated() {
      if place % 1024 == 0 { try check() }
      let own = vector(sample)
      let start = nearest(own) * width
      for i in 0..<width { sums[start + i] += Double(own[i]) }
    }
    for cluster in 0..<count {
      let own = (cluster * width)..<((cluster + 1) * width)
      let norm = sums[own].reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard norm > 0 else { continue }
      for i in own { centers[i] = Float(sums[i] / norm) }
    }
  }

  private mutating func compare(_ vector: UnsafePointer<Float>) {
    centers.withUnsafeBufferPointer { centers in
      products.compute(vector, with: centers.baseAddress!, rows: count, width: width)
    }
  }

  /// The cluster of the nearest center; of equally near ones, the first.
  mutating func nearest(_ vector: UnsafePointer<Float>) -> Int {
    compare(vector)
    var best = 0
    for cluster in 1..<max(1, count) where products.values[cluster] > products.values[best] { best = cluster }
    return best
  }

  /// The clusters of the nearest centers, the nearest first.
  mutating func nearest(_ vector: UnsafePointer<Float>, _ wanted: Int) -> [UInt32] {
    compare(vector)
    var best: [UInt32] = []
    for cluster in 0..<UInt32(count) {
      let product = products.values[Int(cluster)]
      if best.count == wanted, product <= products.values[Int(best[wanted - 1])] { continue }
      let place = best.firstIndex { products.values[Int($0)] < product } ?? best.count
      best.insert(cluster, at: place)
      if best.count > wanted { best.removeLast() }
    }
    return best
  }
}
