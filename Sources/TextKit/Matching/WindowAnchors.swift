/// Chooses places in a sequence by its content, so that equal windows choose the same place within them.
///
/// A window is `window` units long; its place is the first of its shorter grams (half a window long) with the smallest
/// hash. Neighboring windows mostly choose the same place: a place in about a quarter of a window's length stands for all
/// of them, so that looking for equal windows needs to compare few places instead of every window. O(units).
public struct WindowAnchors {
  /// A place, and the consecutive windows that choose it.
  public struct Anchor: Equatable {
    /// A hash of the gram at the place: equal windows have equal keys, and keys are spread evenly.
    public var key: UInt64
    /// Where the windows start.
    public var windows: Range<Int>
  }

  /// Units of a window, at least 2.
  public let window: Int
  private let gram: Int
  /// What the oldest unit of a gram contributes when it leaves.
  private let leaving: UInt64
  private var queue: [Candidate]

  private struct Candidate {
    var hash: UInt64
    var place: Int
  }

  /// Odd, without a pattern in its bits.
  private static let base: UInt64 = 0x9E37_79B9_7F4A_7C15

  public init(window: Int) {
    precondition(window >= 2)
    self.window = window
    gram = window / 2
    leaving = (0..<gram).reduce(1) { power, _ in power &* Self.base }
    queue = Array(repeating: Candidate(hash: 0, place: 0), count: window - gram + 2)
  }

  /// Calls `body` with the places of a sequence in order; every window belongs to exactly one. None if it is shorter than
  /// a window.
  public mutating func forEach(
    _ units: UnsafeBufferPointer<UInt32>, _ body: (Anchor) throws -> Void
  ) rethrows {
    guard units.count >= window else { return }
    let grams = window - gram + 1
    var hash: UInt64 = 0
    /// The queue's candidates, oldest first: places ascend, and so do hashes.
    var (head, tail) = (0, 0)
    var current: (place: Candidate, first: Int)?
    for end in units.indices {
      hash = hash &* Self.base &+ UInt64(units[end]) &+ 1
      if end >= gram { hash &-= leaving &* (UInt64(units[end - gram]) &+ 1) }
      let place = end - gram + 1
      guard place >= 0 else { continue }
      let candidate = Candidate(hash: Self.mixed(hash), place: place)
      while tail > head, queue[(tail - 1) % queue.count].hash > candidate.hash { tail -= 1 }
      queue[tail % queue.count] = candidate
      tail += 1
      let first = place - grams + 1
      guard first >= 0 else { continue }
      if queue[head % queue.count].place < first { head += 1 }
      let chosen = queue[head % queue.count]
      if let last = current {
        if last.place.place == chosen.place { continue }
        try body(Anchor(key: Self.mixed(last.place.hash), windows: last.first..<first))
      }
      current = (chosen, first)
    }
    guard let last = current else { return }
    try body(Anchor(key: Self.mixed(last.place.hash), windows: last.first..<(units.count - window + 1)))
  }

  private static func mixed(_ hash: UInt64) -> UInt64 {
    var x = hash ^ hash >> 32
    x = x &* 0xD6E8_FEB8_6659_FD93
    x ^= x >> 32
    x = x &* 0xD6E8_FEB8_6659_FD93
    return x ^ x >> 32
  }
}
