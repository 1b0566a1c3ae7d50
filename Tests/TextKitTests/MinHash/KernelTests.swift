import CKernels
import Testing

@testable import TextKit

/// Small deterministic generator (splitmix64).
struct Dice: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var x = state
    x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
    return x ^ (x >> 31)
  }
}

/// Every level that this machine runs.
let levels: [pl_simd_level] = [PL_SIMD_BASELINE, PL_SIMD_AVX2, PL_SIMD_AVX512]
  .filter { $0.rawValue <= pl_simd_widest().rawValue }

/// The kernels once more, as plainly as the definitions read.
enum Reference {
  static func mixed(_ value: UInt64) -> UInt64 {
    var x = value
    x ^= x >> 32
    x = x &* 0x9FB2_1C65_1E98_DF25
    return x ^ (x >> 29)
  }

  static func multiplier(_ j: Int) -> UInt64 {
    var dice = Dice(state: UInt64(j) &* 0x9E37_79B9_7F4A_7C15)
    return dice.next() | 1
  }

  static func shingles(_ scalars: [UInt32], width: Int) -> [UInt64] {
    if scalars.count < width {
      var sum = UInt64(scalars.count)
      for (j, scalar) in scalars.enumerated() { sum = sum &+ UInt64(scalar) &* multiplier(j + 1) }
      return [mixed(sum &* multiplier(0))]
    }
    return (0...(scalars.count - width)).map { start in
      mixed((0..<width).reduce(UInt64(0)) { $0 &+ UInt64(scalars[start + $1]) &* multiplier($1) })
    }
  }

  static func rehashed(_ hash: UInt64, _ round: Int) -> UInt64 {
    if round == 0 { return hash }
    var x = hash &+ UInt64(round) &* 0x9E37_79B9_7F4A_7C15
    x ^= x >> 30
    x = x &* 0xBF58_476D_1CE4_E5B9
    return x ^ (x >> 32)
  }

  static func sketch(_ hashes: [UInt64], lanes: Int) -> [UInt16] {
    var sketch: [(round: Int, value: UInt32)?] = Array(repeating: nil, count: lanes)
    for round in 0..<(2 * lanes) where sketch.contains(where: { $0 == nil }) {
      for hash in hashes {
        let x = rehashed(hash, round)
        let lane = round < lanes ? Int(((x >> 32) * UInt64(lanes)) >> 32) : round - lanes
        let value = UInt32(truncatingIfNeeded: x)
        guard let old = sketch[lane] else { sketch[lane] = (round, value); continue }
        if old.round == round { sketch[lane] = (round, min(value, old.value)) }
      }
    }
    return sketch.map {
      UInt16(truncatingIfNeeded: mixed(UInt64($0!.value) &+ (UInt64($0!.round + 1) << 32)) >> 40)
    }
  }
}

@Suite struct KernelTests {
  @Test(arguments: levels) func shinglesEqualTheReference(level: pl_simd_level) {
    var dice = Dice(state: 1)
    for count in Array(0...40) + [1023, 1024, 1029, 2500] {
      let scalars = (0..<count).map { _ in UInt32.random(in: 1..<0x110000, using: &dice) }
      for width in 1...9 {
        var out = [UInt64](repeating: 0, count: count + 1)
        let written = pl_shingle_hashes(level, scalars + [0], count, width, &out)
        #expect(Array(out[..<written]) == Reference.shingles(scalars, width: width))
      }
    }
  }

  @Test(arguments: levels) func sketchesEqualTheReference(level: pl_simd_level) {
    var dice = Dice(state: 2)
    for count in [1, 2, 3, 7, 50, 199, 200, 255, 256, 257, 700, 3000] {
      let hashes = (0..<count).map { _ in dice.next() }
      for lanes in [1, 16, 200] {
        var out = [UInt16](repeating: 0, count: lanes)
        pl_sketch(level, hashes, count, &out, lanes)
        #expect(out == Reference.sketch(hashes, lanes: lanes), "\(count) hashes, \(lanes) lanes")
      }
    }
  }

  @Test func sketchesIgnoreOrderAndRepeats() {
    var dice = Dice(state: 3)
    let hashes = (0..<300).map { _ in dice.next() }
    var once = [UInt16](repeating: 0, count: 200)
    var twice = once
    pl_sketch(pl_simd_widest(), hashes, hashes.count, &once, 200)
    let repeated = (hashes + hashes).shuffled(using: &dice)
    pl_sketch(pl_simd_widest(), repeated, repeated.count, &twice, 200)
    #expect(once == twice)
  }

  /// Agreement estimates J without bias, and varies no more than independent permutations would.
  @Test(arguments: [20, 150, 800]) func agreementEstimatesJaccard(elements: Int) {
    var dice = Dice(state: UInt64(elements))
    for shared in [0.3, 0.7, 0.9] {
      let common = Int(Double(elements) * shared)
      let jaccard = Double(common) / Double(2 * elements - common)
      let trials = 400
      var sum = 0.0
      var squares = 0.0
      for _ in 0..<trials {
        let pool = (0..<(2 * elements - common)).map { _ in dice.next() }
        var a = [UInt16](repeating: 0, count: 200)
        var b = a
        pl_sketch(pl_simd_widest(), pool, elements, &a, 200)
        pl_sketch(pl_simd_widest(), Array(pool[(elements - common)...]), elements, &b, 200)
        let estimate = SignatureShape().similarity(agreeingHashes: SignatureShape().agreeingHashes(a, b))
        sum += estimate
        squares += estimate * estimate
      }
      let mean = sum / Double(trials)
      let variance = squares / Double(trials) - mean * mean
      let independent = jaccard * (1 - jaccard) / 200
      #expect(abs(mean - jaccard) < 4 * (independent / Double(trials)).squareRoot())
      #expect(variance < 1.3 * independent)
    }
  }
}
