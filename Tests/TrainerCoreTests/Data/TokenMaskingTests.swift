import ShardKit
import Testing
import TrainerCore

@Suite struct PhiloxTests {
  /// The known answers published with the generator (Random123, `philox4x32 10`).
  @Test(arguments: [
    (
      SIMD4<UInt32>(0, 0, 0, 0), UInt64(0),
      SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
    ),
    (
      SIMD4(.max, .max, .max, .max), .max,
      SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
    ),
    (
      SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), 0x299f_31d0_a409_3822,
      SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
    ),
  ])
  func knownAnswers(_ counter: SIMD4<UInt32>, _ key: UInt64, _ expected: SIMD4<UInt32>) {
    #expect(Philox(key: key).words(counter) == expected)
  }
}

@Suite struct TokenMaskingTests {
  private static let special: [Int32] = [0, 1, 2, 3, 4]
  private static let vocabulary = 1000

  private struct Masked: Equatable {
    var ids: [Int32]
    var positions: [Int64] = []
    var labels: [Int64] = []
  }

  private func mask(
    _ ids: [Int32], probability: Double = 0.3, seed: UInt64 = 17, epoch: Int = 0, sample: Int, offset: Int = 0
  ) throws -> Masked {
    let masking = try TokenMasking(
      maskFraction: probability, seed: seed, maskID: 4, vocabulary: Self.vocabulary, specialIDs: Self.special)
    var out = Masked(ids: ids)
    out.ids.withUnsafeMutableBufferPointer {
      masking.apply(
        to: $0, epoch: epoch, sample: sample, offset: offset, positions: &out.positions, labels: &out.labels)
    }
    return out
  }

  /// [CLS], ordinary ids, [SEP], [PAD].
  private func sentence(_ count: Int, _ seed: Int) -> [Int32] {
    [2] + (0..<count).map { Int32(5 + ($0 * 31 + seed * 7) % 995) } + [3, 0, 0]
  }

  @Test func sharesAreTheOnesOfBERT() throws {
    var (ordinary, chosen, masked, kept, changed) = (0, 0, 0, 0, 0)
    var replacements: Set<Int32> = []
    for sample in 0..<2000 {
      let ids = sentence(125, sample)
      let out = try mask(ids, sample: sample)
      ordinary += 125
      chosen += out.positions.count
      for (place, label) in zip(out.positions, out.labels) {
        #expect(Int64(ids[Int(place)]) == label && label >= 5)
        let id = out.ids[Int(place)]
        if id == 4 { masked += 1 } else if Int64(id) == label { kept += 1 } else { changed += 1 }
        if id != 4 && Int64(id) != label { replacements.insert(id) }
      }
      let places = Set(out.positions)
      for i in ids.indices where !places.contains(Int64(i)) { #expect(out.ids[i] == ids[i]) }
      #expect(out.positions == out.positions.sorted() && places.count == out.positions.count)
    }
    // 75,000 choices: five standard deviations are 0.0042 of the choice, 0.0073 and 0.0055 of the shares.
    #expect(abs(Double(chosen) / Double(ordinary) - 0.3) < 0.005)
    #expect(abs(Double(masked) / Double(chosen) - 0.8) < 0.0075)
    #expect(abs(Double(kept) / Double(chosen) - 0.1) < 0.006)
    #expect(abs(Double(changed) / Double(chosen) - 0.1) < 0.006)
    #expect(replacements.allSatisfy { $0 >= 5 } && replacements.count > 980)
  }

  @Test func everyPlaceIsChosenAsOften() throws {
    var counts = [Int](repeating: 0, count: 40)
    for sample in 0..<5000 {
      for place in try mask(sentence(40, 1), sample: sample).positions { counts[Int(place) - 1] += 1 }
    }
    // Standard deviation 32.
    for count in counts { #expect(abs(count - 1500) < 165) }
  }

  @Test func seedEpochAndSampleDecideAlone() throws {
    let ids = sentence(60, 5)
    let first = try mask(ids, sample: 1 << 33 | 9)
    #expect(try mask(ids, sample: 1 << 33 | 9) == first)
    #expect(try mask(ids, sample: 9) != first)
    #expect(try mask(ids, epoch: 1, sample: 1 << 33 | 9) != first)
    #expect(try mask(ids, seed: 18, sample: 1 << 33 | 9) != first)
    #expect(try mask(ids, sample: 1 << 33 | 9, offset: 128).positions == first.positions.map { $0 + 128 })
    // A position's fate does not hang on what stands behind it.
    let short = try mask(Array(ids[..<31]), sample: 1 << 33 | 9)
    #expect(short.ids == Array(first.ids[..<31]))
  }

  @Test func everythingAndNothing() throws {
    #expect(try mask(sentence(50, 0), probability: 1, sample: 3).positions == (1...50).map { Int64($0) })
    #expect(try mask(sentence(50, 0), probability: 0, sample: 3).positions.isEmpty)
    #expect(try mask([2, 3, 0, 1, 4], probability: 1, sample: 3) == Masked(ids: [2, 3, 0, 1, 4]))
  }

  @Test func whatCannotWorkIsRefused() {
    #expect(throws: ShardError.self) {
      try TokenMasking(maskFraction: 1.5, seed: 0, maskID: 4, vocabulary: 10, specialIDs: [])
    }
    #expect(throws: ShardError.self) { try TokenMasking(seed: 0, maskID: 10, vocabulary: 10, specialIDs: []) }
    #expect(throws: ShardError.self) { try TokenMasking(seed: 0, maskID: 1, vocabulary: 2, specialIDs: [0]) }
  }
}
