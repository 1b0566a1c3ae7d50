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

  @Test func whatIsNotUTF8IsNoKey() {
    let trie = CharacterTrie([([0xE6, 0x9D], 1), ([0x61], 2), ([], 3)])
    #expect(trie.value([0xE6, 0x9D]) == nil && trie.value([0x61]) == 2 && trie.value([]) == nil)
  }
}
