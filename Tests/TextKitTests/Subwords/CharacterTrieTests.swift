import TestKit
import Testing

@testable import TextKit

/// What a trie says of keys is what a dictionary says.
struct CharacterTrieTests {
  private static let characters = Array("aé。、あいうえおかきくけこ東京都庁舎漢字仮名𠮷𩸽👍").map(String.init)

  private func text(_ random: inout SplitMix, upTo longest: Int) -> [UInt8] {
    let count = 1 + Int(random.next() % UInt64(longest))
    return (0..<count).flatMap { _ in Array(Self.characters[Int(random.next() % UInt64(Self.characters.count))].utf8) }
  }

  @Test func everyKeyHasItsValueAndNoOther() {
    var random = SplitMix(seed: 3)
    var expected: [[UInt8]: Int32] = [:]
    var keys: [(key: [UInt8], value: Int32)] = []
    for value in 0..<20_000 {
      let key = text(&random, upTo: 6)
      keys.append((key, Int32(value)))
      expected[key] = Int32(value)
    }
    let trie = CharacterTrie(keys)
    #expect(expected.allSatisfy { trie.value($0.key) == $0.value })
    for _ in 0..<20_000 {
      let other = text(&random, upTo: 8)
      #expect(trie.value(other) == expected[other])
    }
  }

  @Test func aNodeMayHaveThousandsOfChildren() {
    let scalars = (0x4E00..<0x4E00 + 9_000).map { Array(String(Unicode.Scalar($0)!).utf8) }
    let keys = scalars.enumerated().map { (key: Array("東".utf8) + $1, value: Int32($0)) }
    let trie = CharacterTrie(keys + [(Array("東".utf8), 9_000)])
    #expect(keys.allSatisfy { trie.value($0.key) == $0.value })
    #expect(trie.value(Array("東".utf8)) == 9_000)
    #expect(trie.value(Array("東東東".utf8)) == nil && trie.value(scalars[0]) == nil && trie.value([]) == nil)
  }

  /// Tries of vocabularies that have thousands of characters: few nodes are free.
  @Test(arguments: [(5_000, 40_000, 12), (20_000, 60_000, 4), (12_000, 60_000, 1)])
  func nodesAreHardlyMoreThanKeys(characters: Int, keys count: Int, frequent: Int) {
    var random = SplitMix(seed: 7)
    let scalars = (0..<characters).map { Array(String(Unicode.Scalar(UInt32(0x4E00 + $0))!).utf8) }
    func draw() -> [UInt8] {
      // One in `frequent` is any character, the others are of the first hundred.
      let among = random.next() % UInt64(frequent) == 0 ? characters : 100
      return scalars[Int(random.next() % UInt64(among))]
    }
    var keys = Set(scalars)
    while keys.count < count { keys.insert((0..<2 + Int(random.next() % 3)).flatMap { _ in draw() }) }
    var prefixes = keys
    for key in keys { for end in stride(from: 3, to: key.count, by: 3) { prefixes.insert(Array(key[..<end])) } }
    let list = keys.sorted { $0.lexicographicallyPrecedes($1) }.enumerated().map { (key: $1, value: Int32($0)) }
    let trie = CharacterTrie(list)
    #expect(list.allSatisfy { trie.value($0.key) == $0.value })
    #expect(trie.size < 2 * prefixes.count + 2 * 32_768)
  }

  /// Every character has the same frequent ones after it.
  @Test func manyNodesMayHaveTheSameChildren() {
    let scalars = (0..<8_000).map { Array(String(Unicode.Scalar(UInt32(0x4E00 + $0))!).utf8) }
    let keys = scalars.flatMap { first in scalars.prefix(20).map { first + $0 } }
    let trie = CharacterTrie(keys.enumerated().map { ($1, Int32($0)) })
    #expect(trie.size < 3 * keys.count)
    #expect(keys.enumerated().allSatisfy { trie.value($1) == Int32($0) })
  }

  @Test func whatIsNotUTF8IsNoKey() {
    let trie = CharacterTrie([([0xE6, 0x9D], 1), ([0x61], 2), ([], 3)])
    #expect(trie.value([0xE6, 0x9D]) == nil && trie.value([0x61]) == 2 && trie.value([]) == nil)
  }
}
