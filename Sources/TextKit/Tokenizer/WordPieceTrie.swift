/// All tokens of a vocabulary as a double-array trie over characters, with failure links, so that greedy longest match
/// reads every character once and never backtracks: LinMaxMatch of Song et al. 2021 (arXiv 2012.15524).
///
/// There are two roots: complete tokens for the start of a word, and `##` tokens without the prefix for its inside. A
/// node's failure link gives the tokens that are certain if the next character does not continue the node, and where to
/// continue.
///
/// Immutable after creation, so threads may share it.
final class WordPieceTrie: @unchecked Sendable {
  struct Node {
    /// The child by `code` is at `base + code` if its `parent` is this node.
    var base: Int32
    var parent: Int32
  }
  struct Failure {
    /// Where matching continues; below 0: the word is unknown.
    var node: Int32
    /// The tokens that end here: `pops[start..<start + count]`.
    var start: UInt32
    var count: UInt32
  }

  static let startRoot: Int32 = 0
  static let insideRoot: Int32 = 1

  let nodes: UnsafePointer<Node>
  let failures: UnsafePointer<Failure>
  let pops: UnsafePointer<UInt32>
  /// Codes by scalar, from 1; characters in no token have none.
  let codes: [UInt32: UInt32]

  /// Tokens longer than `maximumCharacters` cannot match and are left out.
  init(_ tokens: [[UInt8]], maximumCharacters: Int) {
    let codes = Self.codes(tokens)
    var tree = Tree()
    for (id, token) in tokens.enumerated() {
      tree.insert(token, UInt32(id), Tree.startRoot, codes, maximumCharacters)
      guard token.count > 2, token.starts(with: TokenList.prefix) else { continue }
      tree.insert(Array(token.dropFirst(2)), UInt32(id), Tree.insideRoot, codes, maximumCharacters)
    }
    var (failures, pops) = tree.failures()
    let (nodes, slots) = DoubleArray.pack(tree, codes: codes.count)
    var placed = [Failure](repeating: Failure(node: -1, start: 0, count: 0), count: nodes.count)
    for (node, slot) in slots.enumerated() {
      placed[Int(slot)] = failures[node]
      if failures[node].node >= 0 { placed[Int(slot)].node = slots[Int(failures[node].node)] }
    }
    failures = []
    if pops.isEmpty { pops = [0] }
    self.codes = codes
    self.nodes = Self.copy(nodes)
    self.failures = Self.copy(placed)
    self.pops = Self.copy(pops)
  }

  deinit {
    nodes.deallocate()
    failures.deallocate()
    pops.deallocate()
  }

  private static func copy<T: BitwiseCopyable>(_ array: [T]) -> UnsafePointer<T> {
    let pointer = UnsafeMutablePointer<T>.allocate(capacity: array.count)
    pointer.initialize(from: array, count: array.count)
    return UnsafePointer(pointer)
  }

  /// Frequent characters get low codes, which makes the array denser.
  private static func codes(_ tokens: [[UInt8]]) -> [UInt32: UInt32] {
    var counts: [UInt32: Int] = [:]
    for token in tokens {
      token.withUnsafeBufferPointer {
        UTF8Scanning.forEachScalar($0) { scalar, _, _ in counts[scalar, default: 0] += 1 }
      }
    }
    let order = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    return Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1.key, UInt32($0 + 1)) })
  }
}

extension WordPieceTrie {
  /// The trie during construction.
  struct Tree {
    static let startRoot = 0
    static let insideRoot = 1
    private(set) var children: [[(code: UInt32, node: Int)]] = [[], []]
    private var tokens: [UInt32?] = [nil, nil]
    private var depths = [0, 0]
    private var index: [UInt64: Int] = [:]

    func child(_ node: Int, _ code: UInt32) -> Int? { index[UInt64(node) << 32 | UInt64(code)] }

    mutating func insert(
      _ text: [UInt8], _ id: UInt32, _ root: Int, _ codes: [UInt32: UInt32], _ maximumCharacters: Int
    ) {
      var path: [UInt32] = []
      text.withUnsafeBufferPointer { UTF8Scanning.forEachScalar($0) { scalar, _, _ in path.append(codes[scalar]!) } }
      guard !path.isEmpty, path.count <= maximumCharacters else { return }
      var node = root
      for code in path {
        if let next = child(node, code) {
          node = next
          continue
        }
        index[UInt64(node) << 32 | UInt64(code)] = children.count
        children[node].append((code, children.count))
        depths.append(depths[node] + 1)
        node = children.count
        children.append([])
        tokens.append(nil)
      }
      if tokens[node] == nil { tokens[node] = id }
    }

    /// Failure links by node and the pool of their tokens. A node's failure link leads to a shallower one, so they are
    /// computed in order of depth. Algorithm 2 of the paper.
    func failures() -> ([Failure], [UInt32]) {
      var failures = [Failure](repeating: Failure(node: -1, start: 0, count: 0), count: children.count)
      var pool: [UInt32] = []
      var level = [Tree.startRoot, Tree.insideRoot]
      while !level.isEmpty {
        var next: [Int] = []
        for parent in level {
          for (code, node) in children[parent] {
            next.append(node)
            failures[node] = failure(node, parent, code, failures, &pool)
          }
        }
        level = next
      }
      return (failures, pool)
    }

    private func failure(
      _ node: Int, _ parent: Int, _ code: UInt32, _ failures: [Failure], _ pool: inout [UInt32]
    ) -> Failure {
      let start = pool.count
      if let token = tokens[node] {
        pool.append(token)
        return Failure(node: Int32(Tree.insideRoot), start: UInt32(start), count: 1)
      }
      var up = parent
      while failures[up].node >= 0 {
        let failure = failures[up]
        for i in 0..<Int(failure.count) { pool.append(pool[Int(failure.start) + i]) }
        up = Int(failure.node)
        if let target = child(up, code) {
          return Failure(node: Int32(target), start: UInt32(start), count: UInt32(pool.count - start))
        }
      }
      pool.removeLast(pool.count - start)
      return Failure(node: -1, start: 0, count: 0)
    }
  }

  /// Packs the children of all nodes into one array, each node's at its own offset.
  enum DoubleArray {
    static func pack(_ tree: Tree, codes: Int) -> (nodes: [Node], slots: [Int32]) {
      let free: Int32 = -1
      var nodes = [Node](repeating: Node(base: 0, parent: free), count: 2 + codes)
      // The roots are not children: no base reaches below 2.
      var slots = [Int32](repeating: 0, count: tree.children.count)
      slots[Tree.insideRoot] = WordPieceTrie.insideRoot
      var level = [Tree.startRoot, Tree.insideRoot]
      var firstFree = 2
      while !level.isEmpty {
        var next: [Int] = []
        for node in level where !tree.children[node].isEmpty {
          let children = tree.children[node].sorted { $0.code < $1.code }
          while firstFree < nodes.count, nodes[firstFree].parent != free { firstFree += 1 }
          var place = max(firstFree, Int(children[0].code) + 1)
          var misses = 0
          while !fits(children, base: place - Int(children[0].code), nodes) {
            place += 1
            misses += 1
            // A dense region is not worth another search.
            if misses == 1 << 12 { firstFree = place - 64 }
          }
          let base = place - Int(children[0].code)
          while nodes.count < base + codes + 1 { nodes.append(Node(base: 0, parent: free)) }
          nodes[Int(slots[node])].base = Int32(base)
          for (code, child) in children {
            slots[child] = Int32(base + Int(code))
            nodes[base + Int(code)].parent = slots[node]
            next.append(child)
          }
        }
        level = next
      }
      return (nodes, slots)
    }

    private static func fits(_ children: [(code: UInt32, node: Int)], base: Int, _ nodes: [Node]) -> Bool {
      base >= 1
        && children.allSatisfy { base + Int($0.code) >= nodes.count || nodes[base + Int($0.code)].parent < 0 }
    }
  }
}
