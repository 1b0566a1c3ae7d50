/// Union-find over dense numbers: eight bytes per element, near-constant time (union by size, path halving).
public struct UnionFind {
  private var parent: [UInt32]
  private var size: [UInt32]

  public init(count: Int) {
    parent = (0..<UInt32(count)).map { $0 }
    size = Array(repeating: 1, count: count)
  }

  mutating func root(_ element: UInt32) -> UInt32 {
    var element = Int(element)
    while Int(parent[element]) != element {
      parent[element] = parent[Int(parent[element])]
      element = Int(parent[element])
    }
    return UInt32(element)
  }

  public mutating func join(_ a: UInt32, _ b: UInt32) {
    var (large, small) = (root(a), root(b))
    if large == small { return }
    if size[Int(large)] < size[Int(small)] { swap(&large, &small) }
    parent[Int(small)] = large
    size[Int(large)] += size[Int(small)]
  }

  /// Number of sets, and the size of the largest.
  public func census() -> (sets: Int, largest: Int) {
    var sets = 0
    var largest = 0
    for i in parent.indices where Int(parent[i]) == i {
      sets += 1
      largest = max(largest, Int(size[i]))
    }
    return (sets, largest)
  }
}
