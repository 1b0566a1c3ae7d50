import ShardKit
import TestKit
import Testing
import TrainerCore

private let numPy = PeerScript("numpy_random.py")

@Suite struct NumPyRandomTests {
  private func permutation(_ count: Int, _ random: inout NumPyRandom) -> [Int] {
    var values = Array(0..<count)
    random.shuffle(&values)
    return values
  }

  @Test func drawsAreNumPys() {
    var random = NumPyRandom(seed: 9176)
    #expect(random.next64() == 0xce48_8e5f_f4c1_0304)
    var halves = NumPyRandom(seed: 9176)
    #expect(halves.next32() == 0xf4c1_0304 && halves.next32() == 0xce48_8e5f)
  }

  @Test func shuffleIsNumPys() {
    var random = NumPyRandom(seed: 9176)
    #expect(permutation(10, &random) == [8, 1, 2, 7, 5, 6, 9, 3, 0, 4])
  }

  @Test func emptyAndSingleDrawNothing() {
    var random = NumPyRandom(seed: 1)
    var one = [7]
    random.shuffle(&one)
    #expect(permutation(0, &random).isEmpty && one == [7] && random.integer(in: 4..<5) == 4)
    var fresh = NumPyRandom(seed: 1)
    #expect(random.next64() == fresh.next64())
  }

  /// A half that waits must outlive 64-bit draws in between, whatever the method that left it.
  @Test(.needs(numPy.isUsable, "NumPy is not installed"))
  func manySeedsAndSizesAgree() throws {
    var cases: [(seed: UInt64, size: Int)] = []
    let seeds: [UInt64] = [0, 1, 2, 9176, 9177, 12345, 1 << 31, 0xffff_ffff, 1 << 32, 1 << 53 | 7, 1 << 62]
    for seed in seeds {
      for size in [1, 2, 3, 16, 17, 100, 1000, 4097] { cases.append((seed, size)) }
    }
    let argument = "[" + cases.map { "[\($0.seed),\($0.size)]" }.joined(separator: ",") + "]"
    let lines = try #require(numPy.run(argument)).split(separator: 0x0A)
    #expect(lines.count == cases.count)
    for (line, (seed, size)) in zip(lines, cases) {
      let expected = try JSONValue.parse(Array(line)).value
      func integers(_ key: String) -> [Int] { expected[key]?.array?.compactMap(\.integer) ?? [] }
      var random = NumPyRandom(seed: seed)
      var values = Array(0..<size)
      random.shuffle(&values)
      #expect(values == integers("list"), "seed \(seed), size \(size)")
      #expect(permutation(size, &random) == integers("permutation"))
      let uniform = (0..<3).map { _ in random.uniform(-1.5, Double(1 + size)) }
      #expect(uniform == expected["uniform"]?.array?.compactMap(\.double))
      #expect(permutation(size, &random) == integers("array"))
      let ranges = [0..<1, 0..<7, -3..<1 << 31, 0..<1 << 32, 5..<1 << 32 - 1, 196608..<327680]
      #expect(ranges.map { random.integer(in: $0) } == integers("integers"))
      #expect((0..<5).map { _ in random.integer(in: 0..<3 * size) } == integers("many"))
      #expect([random.next64(), random.next64()].map { "\($0)" } == expected["bits"]?.array?.compactMap(\.string))
    }
  }
}
