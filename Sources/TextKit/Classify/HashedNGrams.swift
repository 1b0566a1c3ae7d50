import ShardKit

/// The n-grams of an ARPA file in two hash tables, one of words and one of all longer n-grams, as they are built or mapped
/// from a file: a head of 64 bytes, the words' slots, their weights, the n-grams' slots.
struct HashedNGrams: NGramTable, @unchecked Sendable {
  /// Slots of 16 bytes: a key, which is not 0 unless the slot is free; the number of a word, or the weights of an n-gram.
  struct WordSlot: BitwiseCopyable {
    var key: UInt64 = 0
    var word: UInt32 = 0
    var unused: UInt32 = 0
  }

  struct GramSlot: BitwiseCopyable {
    var key: UInt64 = 0
    var weights = NGramWeights(logarithm: 0, backoff: 0)
  }

  static let magic = Array("pipeline n-grams 1\n".utf8)
  static let headBytes = 64

  let order: Int
  let isClosed: Bool
  private let words: UnsafePointer<WordSlot>
  private let wordMask: Int
  private let unigrams: UnsafePointer<NGramWeights>
  private let count: Int
  private let grams: UnsafePointer<GramSlot>
  private let gramMask: Int
  private let bytes: UnsafeRawBufferPointer
  /// Keeps the bytes.
  private let owner: AnyObject

  // MARK: Keys

  @inline(__always)
  static func key(word text: UnsafeRawBufferPointer) -> UInt64 { max(1, recordHash(text)) }

  /// Of an n-gram that begins with `word` and goes on with that of a key.
  @inline(__always)
  static func key(_ word: UInt32, following key: UInt64) -> UInt64 {
    let value = UInt64(word) ^ key &* 0x9E37_79B9_7F4A_7C15
    let product = (value ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
    return max(1, product.high ^ product.low)
  }

  // MARK: Lookup

  func word(_ text: UnsafeRawBufferPointer) -> UInt32 {
    let key = Self.key(word: text)
    var slot = Int(truncatingIfNeeded: key) & wordMask
    while words[slot].key != 0 {
      if words[slot].key == key { return words[slot].word }
      slot = (slot &+ 1) & wordMask
    }
    return 0
  }

  @inline(__always)
  func unigram(_ word: UInt32) -> (weights: NGramWeights, node: UInt64) {
    (unigrams[Int(word)], Self.key(word, following: 0))
  }

  @inline(__always)
  func longer(_ node: inout UInt64, before: UInt32, length: Int) -> NGramWeights? {
    node = Self.key(before, following: node)
    var slot = Int(truncatingIfNeeded: node) & gramMask
    while grams[slot].key != 0 {
      if grams[slot].key == node { return grams[slot].weights }
      slot = (slot &+ 1) & gramMask
    }
    return nil
  }

  // MARK: Storage

  /// Numbers of 8 bytes from the head's byte 24 on.
  struct Head {
    var order: Int
    var isClosed: Bool
    var wordSlots: Int
    var words: Int
    var gramSlots: Int

    var bytes: [UInt8] {
      var bytes = magic + [UInt8](repeating: 0, count: 24 - magic.count)
      for number in [order, isClosed ? 1 : 0, wordSlots, words, gramSlots] {
        bytes += (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
      }
      return bytes
    }
  }

  /// - Parameter owner: what keeps the bytes, which fit the head.
  init(_ head: Head, _ bytes: UnsafeRawBufferPointer, owner: AnyObject) {
    (order, isClosed, count) = (head.order, head.isClosed, head.words)
    (wordMask, gramMask) = (head.wordSlots - 1, head.gramSlots - 1)
    let start = bytes.baseAddress! + Self.headBytes
    words = start.assumingMemoryBound(to: WordSlot.self)
    let weights = start + 16 * head.wordSlots
    unigrams = weights.assumingMemoryBound(to: NGramWeights.self)
    grams = (weights + Self.aligned(8 * head.words)).assumingMemoryBound(to: GramSlot.self)
    (self.bytes, self.owner) = (bytes, owner)
  }

  /// To 16 bytes.
  static func aligned(_ bytes: Int) -> Int { (bytes + 15) & ~15 }

  static func size(_ head: Head) -> Int {
    headBytes + 16 * head.wordSlots + aligned(8 * head.words) + 16 * head.gramSlots
  }

  /// Opens what `write` wrote.
  /// - Throws: `ShardError` if the file cannot be read, or is damaged.
  init(mapped path: String) throws(ShardError) {
    let file = try MappedFile(path)
    func number(_ place: Int) -> Int {
      file.bytes.loadUnaligned(fromByteOffset: 24 + 8 * place, as: Int.self)
    }
    let isLong = file.bytes.count >= Self.headBytes
    let limit = file.bytes.count / 8
    func slots(_ place: Int) -> Bool { (1...limit).contains(number(place)) && number(place).nonzeroBitCount == 1 }
    guard isLong, (1...16).contains(number(0)), slots(2), (1...limit).contains(number(3)), slots(4) else {
      throw ShardError(.malformed, path, "is no table of n-grams", hint: "Run the stage again.")
    }
    let head = Head(
      order: number(0), isClosed: number(1) == 1, wordSlots: number(2), words: number(3), gramSlots: number(4))
    guard Self.size(head) == file.bytes.count else {
      throw ShardError(.malformed, path, "is a table of n-grams of another size", hint: "Run the stage again.")
    }
    self.init(head, file.bytes, owner: file)
    guard (0..<head.wordSlots).allSatisfy({ words[$0].key == 0 || Int(words[$0].word) < count }),
      (0..<head.wordSlots).contains(where: { words[$0].key == 0 }),
      (0..<head.gramSlots).contains(where: { grams[$0].key == 0 })
    else { throw ShardError(.malformed, path, "is a damaged table of n-grams", hint: "Run the stage again.") }
  }

  func write(to sink: FileSink) throws(ShardError) {
    let part = 1 << 20
    var from = 0
    while from < bytes.count {
      let end = min(bytes.count, from + part)
      try sink.write(UnsafeRawBufferPointer(rebasing: bytes[from..<end]))
      from = end
    }
  }
}

/// Collects the n-grams of a model, the shorter ones first.
struct NGramBuilder {
  private var words: [HashedNGrams.WordSlot]
  private var unigrams = [NGramWeights(logarithm: unknownLogarithm, backoff: 0)]
  private var grams: [HashedNGrams.GramSlot]
  private var (named, longer) = (0, 0)
  private var order = 1
  private var isClosed = true
  private var knowsUnknown = false

  /// Of a word that the model does not know, if it has neither `<unk>` nor `<UNK>`, as in KenLM.
  private static let unknownLogarithm: Float = -100

  init() {
    words = Array(repeating: HashedNGrams.WordSlot(), count: 1 << 8)
    grams = Array(repeating: HashedNGrams.GramSlot(), count: 1 << 8)
  }

  // MARK: Words

  /// Adds a word; one that comes again counts as it came last.
  mutating func add(word text: UnsafeRawBufferPointer, _ weights: NGramWeights) {
    let isSmall = text.elementsEqual("<unk>".utf8)
    if isSmall || text.elementsEqual("<UNK>".utf8) {
      // Of two ways to write it that of lmplz and SRILM counts.
      if isSmall || !knowsUnknown { unigrams[0] = weights }
      knowsUnknown = knowsUnknown || isSmall
      return
    }
    if 2 * (named + 1) > words.count { growWords() }
    let slot = slot(word: HashedNGrams.key(word: text))
    if words[slot].key == 0 {
      words[slot] = HashedNGrams.WordSlot(key: HashedNGrams.key(word: text), word: UInt32(unigrams.count))
      unigrams.append(weights)
      named += 1
    } else {
      unigrams[Int(words[slot].word)] = weights
    }
  }

  /// The number of a word in an n-gram; nil if it was not added.
  func number(_ text: UnsafeRawBufferPointer) -> UInt32? {
    let found = words[slot(word: HashedNGrams.key(word: text))]
    if found.key != 0 { return found.word }
    return text.elementsEqual("<unk>".utf8) || text.elementsEqual("<UNK>".utf8) ? 0 : nil
  }

  private func slot(word key: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: key) & (words.count - 1)
    while words[slot].key != 0, words[slot].key != key { slot = (slot + 1) & (words.count - 1) }
    return slot
  }

  private mutating func growWords() {
    let old = words
    words = Array(repeating: HashedNGrams.WordSlot(), count: old.count * 2)
    for entry in old where entry.key != 0 { words[slot(word: entry.key)] = entry }
  }

  // MARK: Longer n-grams

  /// Adds an n-gram of two words or more.
  /// - Parameter reversed: its words, the last first.
  mutating func add(_ reversed: [UInt32], _ weights: NGramWeights) {
    var key = HashedNGrams.key(reversed[0], following: 0)
    for place in 1..<reversed.count {
      // What it ends with, without its first word.
      if place == reversed.count - 1, place > 1, isClosed { isClosed = grams[slot(gram: key)].key != 0 }
      key = HashedNGrams.key(reversed[place], following: key)
    }
    order = max(order, reversed.count)
    if 3 * (longer + 1) > 2 * grams.count { growGrams() }
    let slot = slot(gram: key)
    if grams[slot].key == 0 { longer += 1 }
    grams[slot] = HashedNGrams.GramSlot(key: key, weights: weights)
  }

  @inline(__always)
  private func slot(gram key: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: key) & (grams.count &- 1)
    while grams[slot].key != 0, grams[slot].key != key { slot = (slot &+ 1) & (grams.count &- 1) }
    return slot
  }

  private mutating func growGrams() {
    let old = grams
    grams = Array(repeating: HashedNGrams.GramSlot(), count: old.count * 2)
    for entry in old where entry.key != 0 { grams[slot(gram: entry.key)] = entry }
  }

  // MARK: The table

  private final class Memory {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }
  }

  func table() -> HashedNGrams {
    let head = HashedNGrams.Head(
      order: order, isClosed: isClosed, wordSlots: words.count, words: unigrams.count, gramSlots: grams.count)
    let memory = Memory(HashedNGrams.size(head))
    memory.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    var at = 0
    func put(_ bytes: UnsafeRawBufferPointer) {
      UnsafeMutableRawBufferPointer(rebasing: memory.bytes[at...]).copyMemory(from: bytes)
      at = HashedNGrams.aligned(at + bytes.count)
    }
    head.bytes.withUnsafeBytes(put)
    words.withUnsafeBytes(put)
    unigrams.withUnsafeBytes(put)
    grams.withUnsafeBytes(put)
    return HashedNGrams(head, UnsafeRawBufferPointer(memory.bytes), owner: memory)
  }
}
