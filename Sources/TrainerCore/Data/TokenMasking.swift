public import ShardKit

/// Masked language modeling's choice of tokens (Devlin et al. 2018): each token by itself with probability
/// `maskFraction`; of those 80 % become [MASK], 10 % any ordinary token, 10 % stay.
///
/// The choice is determined by seed, epoch, sample and position alone, not by batches or devices. A resumed run repeats
/// it without any state.
public struct TokenMasking: Equatable, Sendable {
  public let maskFraction: Double
  public let seed: UInt64
  public let maskID: Int32
  public let vocabulary: Int
  private let random: Philox
  /// Random words below it mask, out of 2³².
  private let threshold: UInt64
  private let isSpecial: [Bool]
  private let ordinary: [Int32]

  private static let maskBelow = UInt64(0.8 * 0x1p32)
  private static let randomBelow = UInt64(0.9 * 0x1p32)

  /// - Parameters:
  ///   - vocabulary: the number of the tokenizer's tokens, without the model's padding to a round number.
  ///   - specialIDs: such as [PAD], [CLS], [SEP] and [MASK]: never masked, and never used as replacements.
  /// - Throws: `ShardError` if the fraction is not within 0…1, or a special id is outside the vocabulary.
  public init(
    maskFraction: Double = 0.3, seed: UInt64, maskID: Int32, vocabulary: Int, specialIDs: [Int32]
  ) throws(ShardError) {
    guard (0...1).contains(maskFraction) else {
      throw ShardError(.unsupported, "masking", "\(maskFraction) is not a fraction of tokens", hint: "Use 0 to 1.")
    }
    var isSpecial = [Bool](repeating: false, count: vocabulary)
    for id in specialIDs + [maskID] {
      guard isSpecial.indices.contains(Int(id)) else {
        throw ShardError(
          .unsupported, "masking", "the special token \(id) is outside the vocabulary of \(vocabulary)")
      }
      isSpecial[Int(id)] = true
    }
    ordinary = (0..<Int32(vocabulary)).filter { !isSpecial[Int($0)] }
    guard !ordinary.isEmpty else {
      throw ShardError(.unsupported, "masking", "the vocabulary of \(vocabulary) has special tokens only")
    }
    self.isSpecial = isSpecial
    self.maskFraction = maskFraction
    self.seed = seed
    self.maskID = maskID
    self.vocabulary = vocabulary
    random = Philox(key: seed)
    threshold = UInt64(maskFraction * 0x1p32)
  }

  /// The same for evaluation: masks that never change, by default fewer.
  /// - Throws: `ShardError` if the fraction is not within 0…1.
  public func fixed(maskFraction: Double = 0.15) throws(ShardError) -> TokenMasking {
    try TokenMasking(
      maskFraction: maskFraction, seed: seed, maskID: maskID, vocabulary: vocabulary,
      specialIDs: isSpecial.indices.filter { isSpecial[$0] }.map { Int32($0) })
  }

  /// Masks a sample in place; its ids must be within the vocabulary.
  /// - Parameters:
  ///   - offset: added to positions, which are ascending.
  ///   - labels: the true ids of masked places.
  public func apply(
    to ids: UnsafeMutableBufferPointer<Int32>, epoch: Int, sample: Int, offset: Int = 0,
    positions: inout [Int64], labels: inout [Int64]
  ) {
    let low = UInt32(truncatingIfNeeded: sample)
    let high = UInt32(truncatingIfNeeded: sample >> 32)
    let epoch = UInt32(truncatingIfNeeded: epoch)
    var start = 0
    while start < ids.count {
      let words = random.words(SIMD4(UInt32(start / 4), low, high, epoch))
      for i in start..<min(start + 4, ids.count) {
        let id = ids[i]
        guard UInt64(words[i - start]) < threshold, !isSpecial[Int(id)] else { continue }
        positions.append(Int64(offset + i))
        labels.append(Int64(id))
        // Counters of choices and of replacements differ in their first bit.
        let fate = random.words(SIMD4(UInt32(i) | 1 << 31, low, high, epoch))
        if UInt64(fate.x) < Self.maskBelow {
          ids[i] = maskID
        } else if UInt64(fate.x) < Self.randomBelow {
          ids[i] = ordinary[Int((UInt64(fate.y) * UInt64(ordinary.count)) >> 32)]
        }
      }
      start += 4
    }
  }
}
