import CKernels
import Glibc
public import ShardKit

/// Distinct words with their numbers of occurrences, in memory: an open-addressed table over one arena of bytes.
///
/// `memoryBytes` determines when to spill. Insertion order does not affect `forEachSorted`.
public struct WordCounts: ~Copyable {
  private struct Entry {
    var hash: UInt64
    var offset: Int
    var count: Int64
    var length: UInt32
  }

  /// `entry index + 1` in the low half, the high half of the hash above it; 0 is free.
  private var slots: UnsafeMutableBufferPointer<UInt64>
  private var entries: [Entry] = []
  private var arena: [UInt8] = []
  private var waiting = WaitingWords()

  public init() {
    slots = .allocate(capacity: 1 << 12)
    slots.initialize(repeating: 0)
  }

  deinit { slots.deallocate() }

  /// Distinct words.
  public var count: Int { entries.count }

  /// Bytes used, which follows from the words alone. Arrays may hold twice as much as is used of them, and how much they
  /// hold depends on the allocator.
  public var memoryBytes: Int {
    arena.count + entries.count * MemoryLayout<Entry>.stride + slots.count * MemoryLayout<UInt64>.stride
  }

  /// Counts a word some words later, while its place in the table is loaded into the cache; `settle` counts the last ones.
  @inline(__always)
  public mutating func addSoon(_ word: UnsafeBufferPointer<UInt8>) {
    let hash = recordHash(UnsafeRawBufferPointer(word))
    guard word.count <= WaitingWords.longest else { return add(word, hash, count: 1) }
    if waiting.isFull { addFirstWaiting() }
    waiting.append(word, hash)
    pl_prefetch(slots.baseAddress! + place(hash))
    if let hash = waiting.halfway {
      let slot = slots[place(hash)]
      if slot != 0 { entries.withUnsafeBufferPointer { pl_prefetch($0.baseAddress! + Int(slot & 0xFFFF_FFFF) - 1) } }
    }
  }

  /// Counts what still waits, before anything else is asked.
  public mutating func settle() { while !waiting.isEmpty { addFirstWaiting() } }

  private mutating func addFirstWaiting() {
    let (hash, word) = waiting.removeFirst()
    add(word, hash, count: 1)
  }

  @inline(__always)
  private func place(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (slots.count &- 1) }

  @inline(__always)
  public mutating func add(_ word: UnsafeBufferPointer<UInt8>, count: Int64 = 1) {
    add(word, recordHash(UnsafeRawBufferPointer(word)), count: count)
  }

  @inline(__always)
  private mutating func add(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64, count: Int64) {
    let mask = slots.count &- 1
    var place = Int(truncatingIfNeeded: hash) & mask
    while slots[place] != 0 {
      if slots[place] >> 32 == hash >> 32 {
        let index = Int(slots[place] & 0xFFFF_FFFF) &- 1
        if matches(index, hash, word) {
          entries[index].count &+= count
          return
        }
      }
      place = (place &+ 1) & mask
    }
    insert(word, hash, count, at: place)
  }

  @inline(__always)
  private func matches(_ index: Int, _ hash: UInt64, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    let entry = entries[index]
    guard entry.hash == hash, Int(entry.length) == word.count else { return false }
    return arena.withUnsafeBufferPointer { arena in
      var i = 0
      while i < word.count, arena[entry.offset &+ i] == word[i] { i &+= 1 }
      return i == word.count
    }
  }

  private mutating func insert(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ count: Int64, at place: Int) {
    entries.append(Entry(hash: hash, offset: arena.count, count: count, length: UInt32(word.count)))
    arena.append(contentsOf: word)
    slots[place] = hash & ~0xFFFF_FFFF | UInt64(entries.count)
    if entries.count * 2 > slots.count { grow() }
  }

  private mutating func grow() {
    let larger = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: slots.count * 2)
    larger.initialize(repeating: 0)
    let mask = larger.count - 1
    for (i, entry) in entries.enumerated() {
      var place = Int(truncatingIfNeeded: entry.hash) & mask
      while larger[place] != 0 { place = (place &+ 1) & mask }
      larger[place] = entry.hash & ~0xFFFF_FFFF | UInt64(i + 1)
    }
    slots.deallocate()
    slots = larger
  }

  /// Calls `body` with each word in ascending order of (hash, bytes), the order of runs on disk.
  /// - Throws: what `body` throws.
  public func forEachSorted(
    _ body: (_ word: UnsafeBufferPointer<UInt8>, _ count: Int64) throws(ShardError) -> Void
  ) throws(ShardError) {
    let order = sortedOrder()
    for index in order {
      let entry = entries[Int(index)]
      try arena.withUnsafeBufferPointer { (arena) throws(ShardError) in
        try body(UnsafeBufferPointer(rebasing: arena[entry.offset..<entry.offset + Int(entry.length)]), entry.count)
      }
    }
  }

  /// A counting sort by the top bits leaves buckets of a few words each.
  private func sortedOrder() -> [UInt32] {
    var bits = 1
    while bits < 24, 1 << bits < entries.count / 4 { bits += 1 }
    let shift = UInt64(64 - bits)
    var ends = [Int](repeating: 0, count: 1 << bits + 1)
    for entry in entries { ends[Int(entry.hash >> shift) + 1] += 1 }
    for i in 1..<ends.count { ends[i] += ends[i - 1] }
    var next = ends
    var order = [UInt32](repeating: 0, count: entries.count)
    for (i, entry) in entries.enumerated() {
      let bucket = Int(entry.hash >> shift)
      order[next[bucket]] = UInt32(i)
      next[bucket] += 1
    }
    for bucket in 0..<ends.count - 1 where ends[bucket + 1] - ends[bucket] > 1 {
      order[ends[bucket]..<ends[bucket + 1]].sort { precedes(Int($0), Int($1)) }
    }
    return order
  }

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    let a = entries[a], b = entries[b]
    if a.hash != b.hash { return a.hash < b.hash }
    return arena[a.offset..<a.offset + Int(a.length)].lexicographicallyPrecedes(
      arena[b.offset..<b.offset + Int(b.length)])
  }
}

/// A few words with their hashes, first in, first out.
private struct WaitingWords: ~Copyable {
  static let longest = 64
  private static let most = 16
  private let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: most * longest)
  private let words = UnsafeMutablePointer<(hash: UInt64, length: Int)>.allocate(capacity: most)
  private var first = 0
  private var end = 0

  deinit {
    bytes.deallocate()
    words.deallocate()
  }

  var isEmpty: Bool { first == end }
  var isFull: Bool { end &- first == Self.most }

  /// The hash of the word in the middle of a full queue.
  var halfway: UInt64? { isFull ? words[(first &+ Self.most / 2) % Self.most].hash : nil }

  /// - Parameter word: at most `longest` bytes.
  @inline(__always)
  mutating func append(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64) {
    let place = end % Self.most
    if let source = word.baseAddress { memcpy(bytes + place &* Self.longest, source, word.count) }
    words[place] = (hash, word.count)
    end &+= 1
  }

  /// The bytes are valid until the next `append`.
  @inline(__always)
  mutating func removeFirst() -> (hash: UInt64, word: UnsafeBufferPointer<UInt8>) {
    let place = first % Self.most
    first &+= 1
    return (words[place].hash, UnsafeBufferPointer(start: bytes + place &* Self.longest, count: words[place].length))
  }
}
