import Glibc
public import ShardKit

/// A supervised model of fastText, from its .bin or .ftz file: what labels a text has.
///
/// The file is mapped into memory, not copied, so that tasks share it; besides it a model takes about 30 bytes per word, 64 MiB
/// or less for the vectors of a quantized one, and a text 4 bytes per word if the model has n-grams of words. Safe to use from several threads.
public final class FastTextModel: Sendable {
  /// Without `__label__`, most frequent first.
  public let labels: [String]
  private let file: MappedFile
  private let settings: FastTextSettings
  private let dictionary: FastTextDictionary
  private let input: FastTextMatrix
  private let output: FastTextMatrix
  /// 2⁶⁴ divided by the number of buckets, rounded up: with it the remainder of 32 bits takes two multiplications.
  private let bucketFactor: UInt64
  /// With hierarchical softmax: the children of each inner node, from the first one above the leaves.
  private let tree: [(left: Int, right: Int)]

  /// Opens a model.
  /// - Throws: `ShardError` if the file cannot be read (`.malformed` if it is not such a model).
  public init(_ path: String) throws(ShardError) {
    file = try MappedFile(path)
    var cursor = FastTextCursor(file.bytes, path: path)
    settings = try FastTextSettings(&cursor)
    dictionary = try FastTextDictionary(&cursor, file.bytes, buckets: settings.buckets)
    let isQuantized = try cursor.flag()
    var input = try FastTextMatrix(&cursor, isQuantized: isQuantized, dimension: settings.dimension)
    let isOutputQuantized = try cursor.flag()
    output = try FastTextMatrix(
      &cursor, isQuantized: isQuantized && isOutputQuantized, dimension: settings.dimension)
    labels = dictionary.labels
    let usesGrams = settings.longest > 0 || settings.wordGrams > 1
    guard output.rows >= labels.count, dictionary.fits(rows: input.rows, buckets: usesGrams ? settings.buckets : 0),
      !usesGrams || settings.buckets > 0
    else { throw cursor.malformed("its rows do not fit its words and labels") }
    input.decode(file.bytes)
    self.input = input
    bucketFactor = .max / UInt64(max(1, settings.buckets)) &+ 1
    tree = settings.loss == .hierarchicalSoftmax ? Self.tree(dictionary.labelCounts) : []
  }

  /// The probability of each label, in the order of `labels`; those of one-against-all need not sum to 1. Empty for a text
  /// without any word or n-gram that the model knows.
  ///
  /// Line ends are white space, and the text ends as a line does; or with a word `</s>`, as in fastText.
  public func probabilities(of text: UnsafeBufferPointer<UInt8>) -> [Float] {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: settings.dimension) { hidden in
      hidden.initialize(repeating: 0)
      let rows = withUnsafeTemporaryAllocation(of: UInt32.self, capacity: RowSum.capacity) { pending in
        var sum = RowSum(model: self, pending: pending.baseAddress!, values: hidden.baseAddress!)
        collect(text, into: &sum)
        sum.flush()
        return sum.rows
      }
      guard rows > 0 else { return [] }
      let scale = 1 / Float(rows)
      for place in hidden.indices { hidden[place] *= scale }
      return probabilities(UnsafePointer(hidden.baseAddress!))
    }
  }

  /// The sum of the rows of a text's words and n-grams, in the order in which they are found. They are collected first: so the
  /// lookups of many n-grams, which miss the cache, run side by side.
  private struct RowSum {
    static let capacity = 1024
    let model: FastTextModel
    /// Numbers of n-grams that wait.
    let pending: UnsafeMutablePointer<UInt32>
    let values: UnsafeMutablePointer<Float>
    var waiting = 0
    var rows = 0

    @inline(__always)
    mutating func add(gram: UInt32) {
      pending[waiting] = gram
      waiting &+= 1
      if waiting == Self.capacity { flush() }
    }

    mutating func add(row: Int) {
      flush()
      pending[0] = UInt32(truncatingIfNeeded: row)
      add(1)
    }

    @inline(never)
    mutating func flush() {
      if waiting > 0 { add(model.dictionary.rows(grams: pending, count: waiting)) }
      waiting = 0
    }

    private mutating func add(_ count: Int) {
      model.input.add(UnsafeBufferPointer(start: pending, count: count), of: model.file.bytes, to: values)
      rows &+= count
    }
  }

  // MARK: Words

  /// Adds the rows of a text's words, then those of its n-grams of words.
  private func collect(_ text: UnsafeBufferPointer<UInt8>, into sum: inout RowSum) {
    let bytes = UnsafeRawBufferPointer(text)
    var hashes: [UInt32] = []
    var padded: [UInt8] = []
    var start = 0
    for end in 0...bytes.count {
      guard end == bytes.count || Self.isSpace(bytes[end]) else { continue }
      let word = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      start = end + 1
      if word.elementsEqual(FastTextDictionary.lineEnd) { break }
      if !word.isEmpty { add(word, &sum, &hashes, &padded) }
    }
    FastTextDictionary.lineEnd.withUnsafeBytes { add($0, &sum, &hashes, &padded) }
    addWordGrams(hashes, &sum)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte || byte == 0 }

  private func add(
    _ word: UnsafeRawBufferPointer, _ sum: inout RowSum, _ hashes: inout [UInt32], _ padded: inout [UInt8]
  ) {
    let hash = fastTextHash(word)
    let place = dictionary.place(word, hash: hash, file.bytes)
    // Labels in a text are not words of it.
    if let place, place >= dictionary.words { return }
    if place == nil, word.starts(with: FastTextDictionary.labelPrefix) { return }
    if let place { sum.add(row: place) }
    let isLineEnd = word.elementsEqual(FastTextDictionary.lineEnd)
    if settings.longest > 0, !isLineEnd { addCharacterGrams(word, &sum, &padded) }
    if settings.wordGrams > 1 { hashes.append(hash) }
  }

  /// The n-grams of the word between < and >, but not < and > alone.
  private func addCharacterGrams(_ word: UnsafeRawBufferPointer, _ sum: inout RowSum, _ padded: inout [UInt8]) {
    padded.removeAll(keepingCapacity: true)
    padded.append(UInt8(ascii: "<"))
    padded.append(contentsOf: word)
    padded.append(UInt8(ascii: ">"))
    let (shortest, longest, buckets, factor) = (
      settings.shortest, settings.longest, UInt64(settings.buckets), bucketFactor
    )
    padded.withUnsafeBytes { padded in
      let count = padded.count
      var start = 0
      while start < count {
        var (end, characters) = (start, 0)
        var hash: UInt32 = 2_166_136_261
        while end < count, characters < longest {
          repeat {
            hash = (hash ^ UInt32(bitPattern: Int32(Int8(bitPattern: padded[end])))) &* 16_777_619
            end &+= 1
          } while end < count && padded[end] & 0xC0 == 0x80
          characters &+= 1
          let isMark = characters == 1 && (start == 0 || end == count)
          guard characters >= shortest, !isMark else { continue }
          let gram = (factor &* UInt64(hash)).multipliedFullWidth(by: buckets).high
          sum.add(gram: UInt32(truncatingIfNeeded: gram))
        }
        repeat { start &+= 1 } while start < count && padded[start] & 0xC0 == 0x80
      }
    }
  }

  private func addWordGrams(_ hashes: [UInt32], _ sum: inout RowSum) {
    guard settings.wordGrams > 1 else { return }
    func wide(_ hash: UInt32) -> UInt64 { UInt64(bitPattern: Int64(Int32(bitPattern: hash))) }
    for start in hashes.indices {
      var hash = wide(hashes[start])
      for next in (start + 1)..<max(start + 1, min(hashes.count, start + settings.wordGrams)) {
        hash = hash &* 116_049_371 &+ wide(hashes[next])
        sum.add(gram: UInt32(truncatingIfNeeded: hash % UInt64(settings.buckets)))
      }
    }
  }

  // MARK: Labels

  private func probabilities(_ hidden: UnsafePointer<Float>) -> [Float] {
    if settings.loss == .hierarchicalSoftmax { return leaves(hidden) }
    let products = labels.indices.map { output.product($0, of: file.bytes, with: hidden) }
    guard settings.loss == .softmax else { return products.map(Self.tabulatedSigmoid) }
    let highest = products.max() ?? 0
    let powers = products.map { expf($0 - highest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private static func sigmoid(_ value: Float) -> Float { 1 / (1 + expf(-value)) }

  /// At 512 places between -8 and 8, as fastText has it for one-against-all: published thresholds are for these values.
  private static func tabulatedSigmoid(_ value: Float) -> Float {
    guard value >= -8 else { return 0 }
    guard value <= 8 else { return 1 }
    return sigmoid(Float(Int((value + 8) * 32)) / 32 - 8)
  }

  /// Huffman's tree of the labels, as fastText builds it.
  private static func tree(_ counts: [Int64]) -> [(left: Int, right: Int)] {
    let labels = counts.count
    var tree: [(left: Int, right: Int)] = []
    var all = counts + [Int64](repeating: 1_000_000_000_000_000, count: max(0, labels - 1))
    var (leaf, node) = (labels - 1, labels)
    for next in labels..<max(labels, 2 * labels - 1) {
      func least() -> Int {
        if leaf >= 0, all[leaf] < all[node] {
          leaf -= 1
          return leaf + 1
        }
        node += 1
        return node - 1
      }
      let (left, right) = (least(), least())
      all[next] = all[left] &+ all[right]
      tree.append((left, right))
    }
    return tree
  }

  private func leaves(_ hidden: UnsafePointer<Float>) -> [Float] {
    var probabilities = [Float](repeating: 0, count: labels.count)
    var open: [(node: Int, probability: Float)] = [(2 * labels.count - 2, 1)]
    while let (node, probability) = open.popLast() {
      guard node >= labels.count else {
        probabilities[node] = probability
        continue
      }
      let inner = node - labels.count
      let right = Self.sigmoid(output.product(inner, of: file.bytes, with: hidden))
      open.append((tree[inner].left, probability * (1 - right)))
      open.append((tree[inner].right, probability * right))
    }
    return probabilities
  }
}
