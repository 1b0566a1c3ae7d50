/// Keys with values as a double array over characters: one step per character, of which a text in Japanese has a third as
/// many as bytes.
///
/// Characters of the keys are numbered from 1, the most frequent first. The number of a key's first character is its node.
final class CharacterTrie: @unchecked Sendable {
  struct Node {
    /// The child by `symbol` is at `base ^ symbol` if its `parent` is this node.
    var base: UInt32 = 0
    var parent: UInt32 = CharacterTrie.free
    /// Below 0: no key ends here.
    var value: Int32 = -1
  }

  fileprivate static let free = UInt32.max
  /// What the nodes of first characters have for a parent; of no node the number.
  fileprivate static let root = UInt32.max - 1
  /// No key has the character.
  static let noSymbol: UInt32 = 0

  let nodes: UnsafePointer<Node>
  /// The number of nodes, free ones among them.
  let size: Int
  /// By scalar of the Basic Multilingual Plane.
  private let symbols: UnsafePointer<UInt32>
  private let supplementary: [UInt32: UInt32]

  /// Of equal keys, the last one counts. Empty keys, and those that are not UTF-8, are left out.
  init(_ keys: [(key: [UInt8], value: Int32)]) {
    let spelled = keys.compactMap { entry in Self.scalars(entry.key).map { (scalars: $0, value: entry.value) } }
      .filter { !$0.scalars.isEmpty }
    var counts: [UInt32: Int] = [:]
    for (scalars, _) in spelled { for scalar in scalars { counts[scalar, default: 0] += 1 } }
    let order = counts.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
    let symbols = UnsafeMutablePointer<UInt32>.allocate(capacity: 1 << 16)
    symbols.initialize(repeating: Self.noSymbol, count: 1 << 16)
    var supplementary: [UInt32: UInt32] = [:]
    for (i, (scalar, _)) in order.enumerated() {
      if scalar < 1 << 16 { symbols[Int(scalar)] = UInt32(i + 1) } else { supplementary[scalar] = UInt32(i + 1) }
    }
    self.symbols = UnsafePointer(symbols)
    self.supplementary = supplementary
    let known = supplementary
    var builder = CharacterTrieBuilder(symbols: order.count)
    builder.build(
      spelled.map { key in
        (key.scalars.map { $0 < 1 << 16 ? symbols[Int($0)] : known[$0] ?? Self.noSymbol }, key.value)
      })
    size = builder.nodes.count
    let copy = UnsafeMutablePointer<Node>.allocate(capacity: size)
    copy.initialize(from: builder.nodes, count: size)
    nodes = UnsafePointer(copy)
  }

  deinit {
    nodes.deallocate()
    symbols.deallocate()
  }

  /// The number of a character, or `noSymbol`.
  @inline(__always)
  func symbol(_ scalar: UInt32) -> UInt32 {
    scalar < 1 << 16 ? symbols[Int(scalar)] : supplementary[scalar] ?? Self.noSymbol
  }

  /// The value of a key.
  func value(_ key: some Collection<UInt8>) -> Int32? {
    guard let scalars = Self.scalars(Array(key)), let first = scalars.first else { return nil }
    var node = symbol(first)
    guard node != Self.noSymbol else { return nil }
    for scalar in scalars.dropFirst() {
      let next = nodes[Int(node)].base ^ symbol(scalar)
      guard nodes[Int(next)].parent == node else { return nil }
      node = next
    }
    let value = nodes[Int(node)].value
    return value < 0 ? nil : value
  }

  private static func scalars(_ text: [UInt8]) -> [UInt32]? {
    text.withUnsafeBufferPointer { text in
      var out: [UInt32] = []
      var i = 0
      while i < text.count {
        let (scalar, count) = UTF8Scanning.scalar(at: i, in: text.baseAddress!, end: text.count)
        if scalar == UTF8Scanning.malformed { return nil }
        out.append(scalar)
        i += count
      }
      return out
    }
  }
}

private struct CharacterTrieBuilder {
  typealias Node = CharacterTrie.Node

  /// Whole blocks, so that `base ^ symbol` is a node for every symbol.
  private(set) var nodes: [Node] = []
  private let block: Int
  /// Where the search of a place for 2^i to 2^(i+1) - 1 children begins: what lies before is too full for so many.
  private var starts: [Int]
  /// Places that fail before the search begins after them from then on.
  private static let mostTries = 64

  init(symbols: Int) {
    block = 1 << (Int.bitWidth - symbols.leadingZeroBitCount)
    // Among the first characters hardly any place is free.
    starts = Array(repeating: block, count: Int.bitWidth)
    nodes = Array(repeating: Node(), count: 2 * block)
    for node in 0...symbols { nodes[node].parent = CharacterTrie.root }
  }

  /// A node to fill: its keys are those of `range`, which share `depth` symbols.
  private struct Pending {
    var node: UInt32
    var range: Range<Int>
    var depth: Int
  }

  mutating func build(_ keys: [(symbols: [UInt32], value: Int32)]) {
    let order = keys.indices.sorted { a, b in
      keys[a].symbols == keys[b].symbols ? a < b : keys[a].symbols.lexicographicallyPrecedes(keys[b].symbols)
    }
    var pending = children(of: order.indices, at: 0, keys, order).map {
      Pending(node: $0.symbol, range: $0.range, depth: 1)
    }
    var next = 0
    while next < pending.count {
      let (node, range, depth) = (pending[next].node, pending[next].range, pending[next].depth)
      next += 1
      // Keys that end here come first.
      var first = range.lowerBound
      while first < range.upperBound, keys[order[first]].symbols.count == depth {
        nodes[Int(node)].value = keys[order[first]].value
        first += 1
      }
      let found = children(of: first..<range.upperBound, at: depth, keys, order)
      guard !found.isEmpty else { continue }
      let base = place(found.map(\.symbol))
      nodes[Int(node)].base = base
      for child in found {
        nodes[Int(base ^ child.symbol)].parent = node
        pending.append(Pending(node: base ^ child.symbol, range: child.range, depth: depth + 1))
      }
    }
  }

  private func children(
    of range: Range<Int>, at depth: Int, _ keys: [(symbols: [UInt32], value: Int32)], _ order: [Int]
  ) -> [(symbol: UInt32, range: Range<Int>)] {
    var found: [(symbol: UInt32, range: Range<Int>)] = []
    for i in range {
      let symbol = keys[order[i]].symbols[depth]
      if let last = found.last, last.symbol == symbol {
        found[found.count - 1].range = last.range.lowerBound..<(i + 1)
      } else {
        found.append((symbol, i..<(i + 1)))
      }
    }
    return found
  }

  /// A base whose places for all symbols are free, in a new block if too few are in the others.
  private mutating func place(_ symbols: [UInt32]) -> UInt32 {
    let size = Int.bitWidth - 1 - symbols.count.leadingZeroBitCount
    var tries = 0
    for place in starts[size]..<nodes.count {
      guard nodes[place].parent == CharacterTrie.free else {
        if place == starts[size] { starts[size] += 1 }
        continue
      }
      let base = UInt32(place) ^ symbols[0]
      if symbols.allSatisfy({ nodes[Int(base ^ $0)].parent == CharacterTrie.free }) { return base }
      tries += 1
      if tries == Self.mostTries { (starts[size], tries) = (place + 1, 0) }
    }
    let start = nodes.count
    nodes.append(contentsOf: repeatElement(Node(), count: block))
    return UInt32(start)
  }
}
