import ShardKit
import TestKit
import Testing

@testable import TextKit

private let peer = PeerScript("subword_tokenizers.py")

/// Seeded words of Japanese syllables and letters, with repetition.
private func words(seed: UInt64, _ count: Int) -> [String] {
  var random = SplitMix(seed: seed)
  let syllables = ["か", "き", "さく", "ら", "港", "市場", "ト", "ラン", "a", "th", "e", "ing"]
  let stems = (0..<60).map { _ in
    (0..<Int.random(in: 1...4, using: &random)).map { _ in syllables.randomElement(using: &random)! }.joined()
  }
  return (0..<count).map { _ in
    stems[Int.random(in: 0..<60, using: &random) * Int.random(in: 0..<60, using: &random) / 60]
      + (Bool.random(using: &random) ? stems.randomElement(using: &random)! : "")
  }
}

private func training(_ words: [String], readsBytes: Bool = false) throws -> TrainingWords {
  var counts = WordCounts()
  for word in words { Array(word.utf8).withUnsafeBufferPointer { counts.add($0) } }
  var training = TrainingWords(readsBytes: readsBytes)
  try counts.forEachSorted { (word, count) throws(ShardError) in training.add(word, count: count) }
  return training
}

private func trainUnigrams(_ list: [String], size: Int, workers: Int = 1) throws -> UnigramTrainer.Result {
  var trainer = UnigramTrainer()
  trainer.workers = workers
  trainer.vocabularySize = size
  trainer.specialTokens = ["[UNK]"]
  return try trainer.train(training(list))
}

@Suite struct SubwordTrainerTests {
  /// Vocabulary and merges are those that Hugging Face's trainer learns from the same words.
  @Test(
    .needs(peer.isUsable, "the Python package tokenizers is not installed"), arguments: [false, true],
    [3, 11] as [UInt64])
  func bytePairsAreHuggingFaces(readsBytes: Bool, seed: UInt64) throws {
    let list = words(seed: seed, 3000)
    let file = try TextFile(list.map { Array($0.utf8) })
    let output = try #require(peer.run("merges", file.path, "400", readsBytes ? "bytes" : "characters"))
    let theirs = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    var trainer = BytePairTrainer()
    trainer.vocabularySize = 400
    trainer.readsBytes = readsBytes
    trainer.longestToken = 1000
    let result = try trainer.train(training(list, readsBytes: readsBytes))
    let names = result.tokens.map { String(decoding: $0, as: UTF8.self) }
    #expect(result.merges.count > 30)
    #expect(result.merges.map { "\(names[Int($0.first)]) \(names[Int($0.second)])" } == theirs)
  }

  @Test func noTokenIsLongerThanAsked() throws {
    var trainer = BytePairTrainer()
    trainer.vocabularySize = 400
    trainer.longestToken = 3
    let result = try trainer.train(training(words(seed: 5, 2000)))
    #expect(result.tokens.dropFirst(5).allSatisfy { String(decoding: $0, as: UTF8.self).unicodeScalars.count <= 3 })
  }

  /// The text is a mixture of few words: they become pieces, and the probabilities add up.
  @Test func unigramsFindTheWords() throws {
    var random = SplitMix(seed: 9)
    let parts = ["さくら", "みなと", "いちば", "としょかん", "ship"]
    let list = (0..<3000).map { _ in
      (0..<Int.random(in: 1...4, using: &random)).map { _ in parts.randomElement(using: &random)! }.joined()
    }
    let result = try trainUnigrams(list, size: 40)
    let tokens = result.tokens.map { String(decoding: $0.token, as: UTF8.self) }
    #expect(tokens.first == "[UNK]" && tokens.count <= 40 && Set(tokens).count == tokens.count)
    for part in parts { #expect(tokens.contains(part), "\(part): \(tokens)") }
    let sum = result.tokens.dropFirst().reduce(0) { $0 + PortableMath.exp($1.score) }
    #expect(sum > 0.8 && sum < 1.2)
  }

  @Test func unigramsKeepEveryCharacterAndTheSizeAsked() throws {
    let list = words(seed: 21, 4000) + ["謎"]
    let result = try trainUnigrams(list, size: 80)
    #expect(result.tokens.count == 80)
    let tokens = Set(result.tokens.map { String(decoding: $0.token, as: UTF8.self) })
    for scalar in list.joined().unicodeScalars { #expect(tokens.contains(String(scalar))) }
    #expect(throws: TokenizerError.self) { try trainUnigrams(list, size: 10) }
  }

  /// Not the order of the words but the words decide.
  @Test func theOrderOfWordsChangesNothing() throws {
    let list = words(seed: 33, 2000)
    let one = try trainUnigrams(list, size: 90), other = try trainUnigrams(list.reversed(), size: 90)
    #expect(one.tokens.map(\.token) == other.tokens.map(\.token))
    #expect(one.tokens.map(\.score) == other.tokens.map(\.score))
  }

  @Test func theNumberOfThreadsChangesNothing() throws {
    let list = words(seed: 12, 60_000)
    let one = try trainUnigrams(list, size: 300), other = try trainUnigrams(list, size: 300, workers: 5)
    #expect(one.tokens.map(\.token) == other.tokens.map(\.token))
    #expect(one.tokens.map(\.score) == other.tokens.map(\.score))
  }

  /// Beside all substrings counted one by one.
  @Test(arguments: [5, 17] as [UInt64])
  func seedsAreTheSubstringsThatOccurTwice(seed: UInt64) throws {
    let list = words(seed: seed, 1000) + ["港市場港市場港市場", "x"]
    let training = try training(list)
    let text = TrainingSymbols(training, alphabet: training.alphabet(limit: 1000))
    let found = try SeedPieces(text, longest: 6).best(limit: 1 << 20, workers: 2)
    var counts: [[Unicode.Scalar]: Int] = [:]
    for word in list.map({ Array($0.unicodeScalars) }) {
      for start in word.indices {
        for end in (start + 1)...min(word.count, start + 6) { counts[Array(word[start..<end]), default: 0] += 1 }
      }
    }
    var expected: [[Unicode.Scalar]: Int64] = [:]
    for (piece, count) in counts where piece.count == 1 || count >= 2 { expected[piece] = Int64(count * piece.count) }
    for (piece, count) in counts where piece.count > 2 && counts[Array(piece.dropLast())] == count {
      expected[Array(piece.dropLast())] = nil
    }
    var seeds: [[Unicode.Scalar]: Int64] = [:]
    for piece in found {
      let bytes = text.text(at: Int(piece.place), Int(piece.length))
      seeds[Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)] = piece.score
    }
    #expect(seeds == expected && found.count == seeds.count)
    let best = try SeedPieces(text, longest: 6).best(limit: 40, workers: 3)
    let singles = found.filter { $0.length == 1 }, longer = found.filter { $0.length > 1 }
    #expect(
      best.map(\.place) == (singles + longer.prefix(40 - singles.count)).sorted(by: SeedPiece.precedes).map(\.place))
  }

  @Test func logarithmsAndPowersAreRight() {
    for x in [0.001, 0.5, 1, 1.4142, 2, 10, 12345.678] {
      #expect(abs(PortableMath.exp(PortableMath.log(x)) / x - 1) < 1e-14)
    }
    #expect(abs(PortableMath.log(10) - 2.302585092994046) < 1e-15)
    #expect(abs(PortableMath.exp(-3) - 0.049787068367863944) < 1e-17)
    // Euler's constant, and the recurrence.
    #expect(abs(PortableMath.digamma(1) + 0.5772156649015329) < 1e-9)
    #expect(abs(PortableMath.digamma(4.5) - PortableMath.digamma(3.5) - 1 / 3.5) < 1e-9)
  }

  /// A word stays within a script; the mark of a space goes with what follows.
  @Test func wordsAreCutAtScriptsAndPunctuation() throws {
    var cut: [String] = []
    try Array("港の船 a12、b!!c\n".utf8).withUnsafeBufferPointer {
      try SubwordReader(.metaspace).forEachWord($0) { cut.append(String(decoding: $0, as: UTF8.self)) }
    }
    #expect(cut == ["▁港の船", "▁a", "12", "、", "b", "!!", "c", "\n"])
  }
}
