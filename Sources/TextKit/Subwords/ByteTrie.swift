/// Keys with values as a double array over bytes: one step per byte, all children of a node in one block of 256.
final class ByteTrie: @unchecked Sendable {
  struct Node {
    /// The child by `byte` is at `base ^ byte` if its `parent` is this node.
    var base: UInt32 = 0
    var parent: UInt32 = ByteTrie.free
    /// Below 0: no key ends here.
    var value: Int32 = -1
  }

  static let root: UInt32 = 0
  fileprivate static let free = UInt32.max
  let nodes: UnsafePointer<Node>
  /// By byte: whether a key starts with it.
  let starts: [Bool]

  /// Of equal keys, the last one counts. Empty keys are left out.
  init(_ keys: [(key: [UInt8], value: Int32)]) {
    var builder = Builder()
    builder.build(keys.filter { !$0.key.isEmpty })
    let copy = UnsafeMutablePointer<Node>.allocate(capacity: builder.nodes.count)
    copy.initialize(from: builder.nodes, count: builder.nodes.count)
    nodes = UnsafePointer(copy)
    var starts = [Bool](repeating: false, count: 256)
    for (key, _) in keys where !key.isEmpty { starts[Int(key[0])] = true }
    self.starts = starts
  }

  deinit { nodes.deallocate() }

  /// The child of a node, or 0.
  @inline(__always)
  func child(_ node: UInt32, _ byte: UInt8) -> UInt32 {
    let next = nodes[Int(node)].base ^ UInt32(byte)
    return nodes[Int(next)].parent == node && next != Self.root ? next : 0
  }

  /// The value of a key.
  func value(_ key: some Sequence<UInt8>) -> Int32? {
    var node = Self.root
    for byte in key {
      node = child(node, byte)
      if node == 0 { return nil }
    }
    let value = nodes[Int(node)].value
    return value < 0 ? nil : value
  }

  /// The longest key that starts at `at`.
  func longest(in text: UnsafeBufferPointer<UInt8>, at: Int) -> (value: Int32, end: Int)? {
    var node = Self.root, i = at
    var found: (Int32, Int)?
    while i < text.count {
      node = child(node, text[i])
      if node == 0 { break }
      i &+= 1
      let value = nodes[Int(node)].value
      if value >= 0 { found = (value, i) }
    }
    return found
  }

  private struct Builder {
    var nodes: [Node] = []
    /// Blocks before it are not searched any more.
    private var firstBlock = 0
    /// No place before it is free.
    private var firstFree = 0
    private static let searchedBlocks = 8

    /// A node to fill: its keys are those of `range`, which share `depth` bytes.
    private struct Pending {
      var node: UInt32
      var range: Range<Int>
      var depth: Int
    }

    mutating func build(_ keys: [(key: [UInt8], value: Int32)]) {
      let order = keys.indices.sorted { a, b in
        keys[a].key == keys[b].key ? a < b : keys[a].key.lexicographicallyPrecedes(keys[b].key)
      }
      addBlock()
      nodes[0].parent = 0
      var pending = [Pending(node: ByteTrie.root, range: order.indices, depth: 0)]
      var next = 0
      while next < pending.count {
        let (node, range, depth) = (pending[next].node, pending[next].range, pending[next].depth)
        next += 1
        var children: [(byte: UInt8, range: Range<Int>)] = []
        for i in range {
          let entry = keys[order[i]]
          if entry.key.count == depth {
            nodes[Int(node)].value = entry.value
          } else if let last = children.last, last.byte == entry.key[depth] {
            children[children.count - 1].range = last.range.lowerBound..<(i + 1)
          } else {
            children.append((entry.key[depth], i..<(i + 1)))
          }
        }
        guard !children.isEmpty else { continue }
        let base = children.count == 1 ? placeAlone(children[0].byte) : place(children.map(\.byte))
        nodes[Int(node)].base = base
        for child in children {
          let place = base ^ UInt32(child.byte)
          nodes[Int(place)].parent = node
          pending.append(Pending(node: place, range: child.range, depth: depth + 1))
        }
      }
    }

    private mutating func addBlock() {
      nodes.append(contentsOf: repeatElement(Node(), count: 256))
      firstBlock = max(firstBlock, nodes.count / 256 - Self.searchedBlocks)
    }

    /// The first free place.
    private mutating func placeAlone(_ byte: UInt8) -> UInt32 {
      while firstFree < nodes.count, nodes[firstFree].parent != ByteTrie.free { firstFree += 1 }
      if firstFree == nodes.count { addBlock() }
      return UInt32(firstFree & ~0xFF | (firstFree & 0xFF) ^ Int(byte))
    }

    /// A base whose places for all bytes are free.
    private mutating func place(_ bytes: [UInt8]) -> UInt32 {
      for block in firstBlock..<nodes.count / 256 {
        for low in 0..<256 where nodes[block << 8 | low].parent == ByteTrie.free {
          let base = block << 8 | (low ^ Int(bytes[0]))
          if bytes.allSatisfy({ nodes[base ^ Int($0)].parent == ByteTrie.free }) { return UInt32(base) }
        }
      }
      addBlock()
      return UInt32(nodes.count - 256)
    }
  }
}
