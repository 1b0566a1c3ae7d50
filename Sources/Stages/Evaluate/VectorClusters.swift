/// Clusters of vectors, as numbers from 0.
enum VectorClusters {
  // MARK: Ward

  /// Agglomerative clustering by Ward's criterion (1963): the two clusters whose union adds least to the squared distances
  /// from the means are joined, until `count` are left. By chains of nearest neighbors (Murtagh 1983): time grows with
  /// the square of the number of vectors, memory does not.
  /// - Parameter check: called between joins; may throw to stop.
  static func ward(_ vectors: TextVectors, count: Int, check: () throws -> Void = {}) rethrows -> [Int] {
    var forest = WardForest(vectors)
    var joins: [(height: Double, a: Int, b: Int)] = []
    var chain: [Int] = []
    while joins.count < vectors.count - 1 {
      try check()
      if chain.isEmpty { chain = [forest.living[0]] }
      while true {
        let last = chain[chain.count - 1], before = chain.count > 1 ? chain[chain.count - 2] : -1
        let (nearest, height) = forest.nearest(to: last, preferring: before)
        guard nearest == before else {
          chain.append(nearest)
          continue
        }
        joins.append((height, min(last, before), max(last, before)))
        forest.join(last, before)
        chain.removeLast(2)
        break
      }
    }
    // The chain finds joins in another order than that of their heights.
    let order = joins.indices.sorted { (joins[$0].height, $0) < (joins[$1].height, $1) }
    var roots = DisjointSets(vectors.count)
    for number in order.prefix(max(0, vectors.count - max(1, count))) { roots.join(joins[number].a, joins[number].b) }
    return numbered((0..<vectors.count).map { roots.root($0) })
  }

  /// Clusters in the order of their first members.
  private static func numbered(_ roots: [Int]) -> [Int] {
    var numbers: [Int: Int] = [:]
    return roots.map { root in
      let number = numbers[root] ?? numbers.count
      numbers[root] = number
      return number
    }
  }

  // MARK: k-means

  /// Lloyd's algorithm (1982) from means that are drawn as in k-means++ (Arthur and Vassilvitskii 2007); the best of some
  /// draws.
  static func kMeans(
    _ vectors: TextVectors, count: Int, seed: UInt64, draws: Int = 3, check: () throws -> Void = {}
  ) rethrows -> [Int] {
    var best: (spread: Double, clusters: [Int])?
    for draw in 0..<draws {
      var run = MeansRun(vectors, count: min(count, vectors.count), seed: seed &+ UInt64(draw) &* 0x9E37_79B9)
      let spread = try run.settle(check: check)
      if best.map({ spread < $0.spread }) ?? true { best = (spread, run.clusters) }
    }
    return best?.clusters ?? []
  }

  /// k-means that divides the cluster with the largest spread in two until there are `count`.
  static func bisectingKMeans(
    _ vectors: TextVectors, count: Int, seed: UInt64, check: () throws -> Void = {}
  ) rethrows -> [Int] {
    var clusters = [Int](repeating: 0, count: vectors.count)
    var spreads = [Self.spread(vectors, Array(0..<vectors.count))]
    while spreads.count < min(count, vectors.count) {
      let widest = spreads.indices.max { (spreads[$0], $1) < (spreads[$1], $0) } ?? 0
      let members = clusters.indices.filter { clusters[$0] == widest }
      guard members.count > 1 else { break }
      let halves = try kMeans(
        vectors.rows(members), count: 2, seed: seed &+ UInt64(spreads.count), draws: 1, check: check)
      for (place, member) in members.enumerated() where halves[place] == 1 { clusters[member] = spreads.count }
      spreads[widest] = Self.spread(vectors, clusters.indices.filter { clusters[$0] == widest })
      spreads.append(Self.spread(vectors, clusters.indices.filter { clusters[$0] == spreads.count }))
    }
    return clusters
  }

  private static func spread(_ vectors: TextVectors, _ members: [Int]) -> Double {
    var means = ClusterMeans(width: vectors.width, count: 1)
    means.set(vectors.rows(members), [Int](repeating: 0, count: members.count))
    return members.reduce(0) { $0 + means.distance(vectors[$1], from: 0) }
  }
}

/// Living clusters of Ward's method: each is named after one of its members.
private struct WardForest {
  private let width: Int
  private var means: [Double]
  private var sizes: [Double]
  private(set) var living: [Int]

  init(_ vectors: TextVectors) {
    width = vectors.width
    means = vectors.values.map(Double.init)
    sizes = [Double](repeating: 1, count: vectors.count)
    living = Array(0..<vectors.count)
  }

  /// What joining it with another adds to the squared distances, twice.
  private func height(_ a: Int, _ b: Int) -> Double {
    means.withUnsafeBufferPointer { means in
      var sum = 0.0
      let first = means.baseAddress! + a * width, second = means.baseAddress! + b * width
      for i in 0..<width { sum += (first[i] - second[i]) * (first[i] - second[i]) }
      return sum * 2 * sizes[a] * sizes[b] / (sizes[a] + sizes[b])
    }
  }

  /// The cluster whose join is lowest; of equal ones the preferred one, or the first.
  func nearest(to cluster: Int, preferring: Int) -> (cluster: Int, height: Double) {
    var best = (cluster: preferring, height: preferring < 0 ? Double.infinity : height(cluster, preferring))
    for other in living where other != cluster {
      let height = height(cluster, other)
      if height < best.height { best = (other, height) }
    }
    return best
  }

  /// The smaller name stays.
  mutating func join(_ a: Int, _ b: Int) {
    let kept = min(a, b), gone = max(a, b), size = sizes[a] + sizes[b]
    for i in 0..<width {
      means[kept * width + i] =
        (means[kept * width + i] * sizes[kept] + means[gone * width + i] * sizes[gone]) / size
    }
    sizes[kept] = size
    living.removeAll { $0 == gone }
  }
}

/// Sets that are joined, each named after one of its members.
private struct DisjointSets {
  private var parents: [Int]

  init(_ count: Int) { parents = Array(0..<count) }

  mutating func root(_ member: Int) -> Int {
    var member = member
    while parents[member] != member {
      parents[member] = parents[parents[member]]
      member = parents[member]
    }
    return member
  }

  mutating func join(_ a: Int, _ b: Int) {
    let first = root(a), second = root(b)
    parents[max(first, second)] = min(first, second)
  }
}

/// Means of clusters.
private struct ClusterMeans {
  let width: Int
  let count: Int
  private var values: [Double]

  init(width: Int, count: Int) {
    self.width = width
    self.count = count
    values = [Double](repeating: 0, count: width * count)
  }

  mutating func set(_ cluster: Int, to vector: ArraySlice<Float>) {
    for (i, value) in vector.enumerated() { values[cluster * width + i] = Double(value) }
  }

  /// The squared distance.
  func distance(_ vector: ArraySlice<Float>, from cluster: Int) -> Double {
    values.withUnsafeBufferPointer { values in
      vector.withUnsafeBufferPointer { vector in
        let mean = values.baseAddress! + cluster * width
        var sum = 0.0
        for i in 0..<width { sum += (Double(vector[i]) - mean[i]) * (Double(vector[i]) - mean[i]) }
        return sum
      }
    }
  }

  /// The means of the vectors' clusters; one without vectors stays where it is.
  mutating func set(_ vectors: TextVectors, _ clusters: [Int]) {
    var sums = [Double](repeating: 0, count: values.count), counts = [Double](repeating: 0, count: count)
    for (row, cluster) in clusters.enumerated() {
      counts[cluster] += 1
      for (i, value) in vectors[row].enumerated() { sums[cluster * width + i] += Double(value) }
    }
    for cluster in 0..<count where counts[cluster] > 0 {
      for i in 0..<width { values[cluster * width + i] = sums[cluster * width + i] / counts[cluster] }
    }
  }
}

/// One run of k-means.
private struct MeansRun {
  private let vectors: TextVectors
  private var means: ClusterMeans
  private(set) var clusters: [Int]
  private static let maximumIterations = 300

  init(_ vectors: TextVectors, count: Int, seed: UInt64) {
    self.vectors = vectors
    means = ClusterMeans(width: vectors.width, count: count)
    clusters = [Int](repeating: 0, count: vectors.count)
    var random = SplitMix(seed)
    var distances = [Double](repeating: .infinity, count: vectors.count)
    for cluster in 0..<count {
      let total = distances.reduce(0, +)
      var place = Int(random.fraction() * Double(vectors.count))
      if cluster > 0, total > 0 {
        var rest = random.fraction() * total
        place =
          distances.firstIndex { distance in
            rest -= distance
            return rest < 0
          } ?? vectors.count - 1
      }
      means.set(cluster, to: vectors[min(place, vectors.count - 1)])
      for row in 0..<vectors.count { distances[row] = min(distances[row], means.distance(vectors[row], from: cluster)) }
    }
  }

  /// Moves vectors and means until nothing moves.
  /// - Returns: the sum of squared distances.
  mutating func settle(check: () throws -> Void) rethrows -> Double {
    for _ in 0..<Self.maximumIterations {
      try check()
      let before = clusters
      assign()
      if clusters == before { break }
      means.set(vectors, clusters)
    }
    return clusters.indices.reduce(0) { $0 + means.distance(vectors[$1], from: clusters[$1]) }
  }

  private mutating func assign() {
    for row in 0..<vectors.count {
      var best = (cluster: 0, distance: Double.infinity)
      for cluster in 0..<means.count {
        let distance = means.distance(vectors[row], from: cluster)
        if distance < best.distance { best = (cluster, distance) }
      }
      clusters[row] = best.cluster
    }
  }

  /// SplitMix64 (Steele, Lea and Flood 2014).
  private struct SplitMix {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    /// 0 up to, but not including, 1.
    mutating func fraction() -> Double {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
      return Double((z ^ z >> 31) >> 11) / Double(1 << 53)
    }
  }
}
