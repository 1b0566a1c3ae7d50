/// A pair that may be merged, with the positions where it was seen: ascending indices of its first symbol.
struct MergeCandidate {
  var count: Int64
  var first: UInt32
  var second: UInt32
  /// Range within the block of positions `block`.
  var start: UInt32
  var length: UInt32
  var block: Int32

  var key: UInt64 { PairCounts.key(first, second) }

  /// Higher counts first, then the pair with smaller ids.
  static func precedes(_ a: MergeCandidate, _ b: MergeCandidate) -> Bool {
    a.count != b.count ? a.count > b.count : a.key < b.key
  }
}

/// A binary heap of candidates, best first.
struct MergeQueue {
  private var heap: [MergeCandidate]

  /// O(n).
  init(_ candidates: [MergeCandidate]) {
    heap = candidates
    for i in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(i) }
  }

  mutating func push(_ candidate: MergeCandidate) {
    heap.append(candidate)
    var i = heap.count - 1
    while i > 0, MergeCandidate.precedes(candidate, heap[(i - 1) / 2]) {
      heap[i] = heap[(i - 1) / 2]
      i = (i - 1) / 2
    }
    heap[i] = candidate
  }

  mutating func pop() -> MergeCandidate? {
    guard let top = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink(0)
    }
    return top
  }

  private mutating func sink(_ start: Int) {
    let candidate = heap[start]
    var i = start
    while true {
      var child = 2 * i + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, MergeCandidate.precedes(heap[child + 1], heap[child]) { child += 1 }
      guard MergeCandidate.precedes(heap[child], candidate) else { break }
      heap[i] = heap[child]
      i = child
    }
    heap[i] = candidate
  }
}
