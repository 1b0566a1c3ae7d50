import CKernels
import TestKit
import Testing

@testable import TextKit

private func signature(_ text: String, _ shape: SignatureShape = SignatureShape()) -> [UInt16] {
  var sketcher = SignatureHasher(shape: shape)
  var hashes = [UInt16](repeating: 0, count: shape.hashes)
  Array(text.utf8).withUnsafeBufferPointer { _ = sketcher.signature($0, into: &hashes) }
  return hashes
}

private func similarity(_ a: String, _ b: String) -> Double {
  SignatureShape().similarity(agreeingHashes: SignatureShape().agreeingHashes(signature(a), signature(b)))
}

func shingleSet(_ text: String) -> [UInt64] {
  var sketcher = SignatureHasher()
  var hashes = Array(text.utf8).withUnsafeBufferPointer { Array(sketcher.shingles($0)) }
  let count = hashes.withUnsafeMutableBufferPointer { ShingleSet.sort($0) }
  return Array(hashes[..<count])
}

private func sharesBand(_ shape: SignatureShape, _ a: [UInt16], _ b: [UInt16]) -> Bool {
  (0..<shape.bands).contains { shape.bandKey($0, of: a) == shape.bandKey($0, of: b) }
}

@Suite struct SketcherTests {
  @Test func equalTextsHaveEqualSketches() {
    #expect(signature("ここで ＡＢＣの本を読む。") == signature("ここで\n　abcの本を読む。\n"))
    #expect(sharesBand(SignatureShape(), signature("同じ文章です。"), signature(" 同じ文章です。")))
    #expect(!sharesBand(SignatureShape(), signature("同じ文章です。"), signature("違う文章である。")))
  }

  @Test func shortTextsAreOneShingle() {
    #expect(shingleSet("短い").count == 1 && shingleSet("").count == 1 && shingleSet("五文字です").count == 1)
    #expect(similarity("短い", "短い\n") == 1)
    #expect(similarity("短い", "長い") < 0.1)
    #expect(similarity("", " ") < 0.1)
    #expect(similarity("バス", "パス") < 0.1)
  }

  @Test func bandKeysFollowTheirRowsAlone() {
    let shape = SignatureShape(bands: 4, rows: 3)
    var hashes: [UInt16] = Array(1...12)
    let before = (0..<4).map { shape.bandKey($0, of: hashes) }
    hashes[4] = 99
    let after = (0..<4).map { shape.bandKey($0, of: hashes) }
    #expect(before[0] == after[0] && before[1] != after[1] && before[2...] == after[2...])
    #expect(Set(before).count == 4)
  }

  @Test func jaccardIsExact() {
    func jaccard(_ a: [UInt64], _ b: [UInt64]) -> Double {
      a.withUnsafeBufferPointer { a in b.withUnsafeBufferPointer { ShingleSet.jaccard(a, $0) } }
    }
    #expect(jaccard([1, 2, 3], [2, 3, 4]) == 0.5)
    #expect(jaccard([], []) == 1 && jaccard([], [1]) == 0 && jaccard([7], [7]) == 1)
    #expect(jaccard(shingleSet("あいうえおかきくけこ"), shingleSet("あいうえおかきくけさ")) == 5.0 / 7)
    var repeated: [UInt64] = [5, 1, 5, 3, 1]
    let distinct = repeated.withUnsafeMutableBufferPointer { ShingleSet.sort($0) }
    #expect(Array(repeated[..<distinct]) == [1, 3, 5])
  }

  /// Evenly spread, in one bucket, and few that repeat.
  @Test(arguments: [65, 1000, 70_000]) func setsAreSorted(count: Int) {
    var generator = SplitMix(seed: UInt64(count))
    let spread = (0..<count).map { _ in generator.next() }
    let near = spread.map { 1 << 63 | $0 >> 40 }
    let few = spread.map { spread[Int($0 % 7)] }
    for hashes in [spread, near, few] {
      var sorted = hashes
      let distinct = sorted.withUnsafeMutableBufferPointer { ShingleSet.sort($0) }
      #expect(Array(sorted[..<distinct]) == Set(hashes).sorted())
    }
  }
}

@Suite struct RecallTests {
  @Test func theCurveIsTheOneOfBandsAndRows() {
    let shape = SignatureShape()
    #expect(abs(shape.recall(at: 0.7) - 0.436) < 0.001 && abs(shape.recall(at: 0.8) - 0.897) < 0.001)
    #expect(shape.recall(at: 0) == 0 && shape.recall(at: 1) == 1)
    #expect(shape.recallText(from: 0.7).hasPrefix("44 % at 0.70, 69 % at 0.75, 90 % at 0.80, "))
  }

  @Test(arguments: [0.3, 0.5, 0.7, 0.8, 0.95, 1], [0.05, 0.5, 0.9, 0.95, 0.99])
  func aShapeForAWantedRecallHasIt(similarity: Double, recall: Double) throws {
    let shape = try #require(SignatureShape.finding(recall, at: similarity, shingleWidth: 5))
    #expect(shape.recall(at: similarity) >= recall && shape.hashes <= SignatureShape.maximumHashes)
  }

  @Test func whatNoShapeCanDoIsNil() {
    #expect(SignatureShape.finding(0.9999, at: 0.01, shingleWidth: 5) == nil)
  }

  /// The curve against pairs of signatures of a known similarity.
  @Test func sketchesShareABandAsOftenAsTheCurveSays() {
    let shape = SignatureShape(bands: 20, rows: 5)
    var dice = Dice(state: 11)
    var found = 0
    let pairs = 400, common = 140, own = 30  // 140 of 200 elements: similarity 0.7
    for _ in 0..<pairs {
      let shared = (0..<common).map { _ in dice.next() }
      let signatures = (0..<2).map { _ -> [UInt16] in
        let set = shared + (0..<own).map { _ in dice.next() }
        var hashes = [UInt16](repeating: 0, count: shape.hashes)
        pl_sketch(pl_simd_widest(), set, set.count, &hashes, shape.hashes)
        return hashes
      }
      found += sharesBand(shape, signatures[0], signatures[1]) ? 1 : 0
    }
    #expect(abs(Double(found) / Double(pairs) - shape.recall(at: 0.7)) < 0.06)
  }
}
