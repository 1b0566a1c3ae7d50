import ShardKit
import Synchronization

/// The hash tables that 'build_binary probing' writes, in place.
///
/// Keys are looked for in at most `limit` slots, so that a file without an empty one cannot hold up a text: from then on
/// `isTooFull`, and what is found is not to be used.
struct KenLMProbing: NGramTable, @unchecked Sendable {
  private static let limit = 1 << 16
  /// Slots that nearly every key is found within.
  private static let near = 1 << 8

  /// Whether a key was not found within as many slots as are looked at.
  private final class Fullness: Sendable {
    let isReached = Atomic<Bool>(false)
  }

  /// Slots of a key of 8 bytes and what belongs to it.
  private struct Slots {
    /// Kept by the model; counting references would slow look-ups down.
    var fullness: Unmanaged<Fullness>
    var start: UnsafeRawPointer
    var count: Int
    var stride: Int

    static func count(_ entries: Int, _ multiplier: Float) -> Int {
      max(entries + 1, Int(multiplier * Float(entries)))
    }

    @inline(__always)
    func find(_ key: UInt64) -> UnsafeRawPointer? {
      var slot = Int(truncatingIfNeeded: key % UInt64(count))
      var left = min(count, near)
      while left > 0 {
        let entry = start + slot &* stride
        let found = entry.loadUnaligned(as: UInt64.self)
        if found == key { return entry + 8 }
        if found == 0 { return nil }
        slot &+= 1
        if slot == count { slot = 0 }
        left &-= 1
      }
      return findFar(key, from: slot)
    }

    /// From a slot on, `near` after the one where the key would be.
    @inline(never)
    private func findFar(_ key: UInt64, from slot: Int) -> UnsafeRawPointer? {
      let fullness = fullness.takeUnretainedValue()
      guard !fullness.isReached.load(ordering: .relaxed) else { return nil }
      var slot = slot
      for _ in min(count, near)..<max(near, min(count, limit)) {
        let entry = start + slot &* stride
        let found = entry.loadUnaligned(as: UInt64.self)
        if found == key { return entry + 8 }
        if found == 0 { return nil }
        slot = slot + 1 == count ? 0 : slot + 1
      }
      fullness.isReached.store(true, ordering: .relaxed)
      return nil
    }
  }

  let order: Int
  let isClosed = true
  private let words: Slots
  private let unigrams: UnsafeRawPointer
  private let count: Int
  /// From two words on.
  private let grams: [Slots]
  private let fullness = Fullness()
  private let file: MappedFile

  /// Whether some look-up ended without an answer, so that scores are wrong.
  var isTooFull: Bool { fullness.isReached.load(ordering: .relaxed) }

  init(_ model: KenLMFile) throws(ShardError) {
    let fullness = Unmanaged.passUnretained(fullness)
    let counts = model.counts
    order = counts.count
    let slots = counts.map { Slots.count($0, model.multiplier) }
    let strides = (0..<counts.count).map { $0 == 0 || $0 == counts.count - 1 ? 12 : 16 }
    // The words have a head of 8 bytes. There is room for the unknown word, whether it is counted or not.
    let sizes = [8 + 12 * slots[0], 8 * (counts[0] + 1)] + (1..<counts.count).map { slots[$0] * strides[$0] }
    let starts = try model.sections(sizes)
    words = Slots(fullness: fullness, start: starts[0] + 8, count: slots[0], stride: 12)
    unigrams = starts[1]
    count = counts[0] + 1
    grams = (1..<counts.count).map {
      Slots(fullness: fullness, start: starts[$0 + 1], count: slots[$0], stride: strides[$0])
    }
    file = model.file
    let version = starts[0].loadUnaligned(as: UInt32.self)
    guard version == 0 else {
      throw ShardError(
        .unsupported, model.path, "holds words in version \(version), which is not read",
        hint: "Make it anew with build_binary, or take the ARPA file.")
    }
  }

  func word(_ text: UnsafeRawBufferPointer) -> UInt32 {
    guard let entry = words.find(kenLMHash(text)) else { return 0 }
    let word = entry.loadUnaligned(as: UInt32.self)
    return Int(word) < count ? word : 0
  }

  @inline(__always)
  func unigram(_ word: UInt32) -> (weights: NGramWeights, node: UInt64) {
    (Self.weights(unigrams + 8 &* Int(word)), UInt64(word))
  }

  @inline(__always)
  func longer(_ node: inout UInt64, before: UInt32, length: Int) -> NGramWeights? {
    node = node &* 8_978_948_897_894_561_157 ^ (1 &+ UInt64(before)) &* 17_894_857_484_156_487_943
    let place = length &- 2
    guard let entry = grams[place].find(node) else { return nil }
    if place < grams.count &- 1 { return Self.weights(entry) }
    return NGramWeights(logarithm: Self.negative(entry.loadUnaligned(as: UInt32.self)), backoff: 0)
  }

  @inline(__always)
  private static func weights(_ entry: UnsafeRawPointer) -> NGramWeights {
    NGramWeights(
      logarithm: negative(entry.loadUnaligned(as: UInt32.self)),
      backoff: entry.loadUnaligned(fromByteOffset: 4, as: Float.self))
  }

  /// The sign says something else.
  @inline(__always)
  private static func negative(_ bits: UInt32) -> Float { Float(bitPattern: bits | 0x8000_0000) }
}
