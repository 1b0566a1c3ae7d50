import ShardKit
import TestKit
import Testing

@testable import TextKit

/// Hugging Face's algorithm, word by word as it is described, without any of the structures that make it fast.
private func reference(_ words: [String: Int], size: Int, limit: Int, minimum: Int, seeded: Bool) -> [String] {
  var characters: [Character: Int] = [:]
  for (word, count) in words { for c in word { characters[c, default: 0] += count } }
  let kept = characters.keys.sorted { (characters[$1]!, $0) < (characters[$0]!, $1) }.prefix(limit).sorted()
  var tokens = WordPieceTrainer.bertTokens + kept.map { String($0) }
  let inner = Set(words.keys.flatMap { $0.dropFirst() })
  tokens += kept.filter { seeded || inner.contains($0) }.map { "##\($0)" }
  var ids = Dictionary(uniqueKeysWithValues: tokens.enumerated().map { ($1, $0) })
  struct Pair: Hashable { var a: Int, b: Int }
  struct Entry { var count: Int, pair: Pair, words: Set<Int> }
  let list = words.sorted { $0.key < $1.key }
  var symbols = list.map { word, _ in
    word.enumerated().filter { kept.contains($1) }.map { ids[$0 == 0 ? "\($1)" : "##\($1)"]! }
  }
  var counts: [Pair: Int] = [:]
  var places: [Pair: Set<Int>] = [:]
  for (i, word) in symbols.enumerated() {
    for (a, b) in zip(word, word.dropFirst()) {
      counts[Pair(a: a, b: b), default: 0] += list[i].value
      places[Pair(a: a, b: b), default: []].insert(i)
    }
  }
  var queue = places.map { Entry(count: counts[$0]!, pair: $0, words: $1) }
  while tokens.count < size, !queue.isEmpty {
    let top = queue.indices.min {
      (-queue[$0].count, queue[$0].pair.a, queue[$0].pair.b) < (-queue[$1].count, queue[$1].pair.a, queue[$1].pair.b)
    }!
    var entry = queue.remove(at: top)
    if entry.count != counts[entry.pair] {
      entry.count = counts[entry.pair]!
      queue.append(entry)
      continue
    }
    if entry.count < max(1, minimum) { break }
    let second = tokens[entry.pair.b]
    let token = tokens[entry.pair.a] + (second.hasPrefix("##") ? String(second.dropFirst(2)) : second)
    let id = ids[token] ?? tokens.count
    if id == tokens.count { tokens.append(token) }
    ids[token] = id
    places = [:]
    func change(_ a: Int, _ b: Int, _ by: Int, _ word: Int) {
      counts[Pair(a: a, b: b), default: 0] += by
      if by > 0 { places[Pair(a: a, b: b), default: []].insert(word) }
    }
    for w in entry.words {
      let n = list[w].value
      var i = 0
      while i + 1 < symbols[w].count {
        if symbols[w][i] == entry.pair.a, symbols[w][i + 1] == entry.pair.b {
          symbols[w].replaceSubrange(i...i + 1, with: [id])
          if i > 0 {
            change(symbols[w][i - 1], entry.pair.a, -n, w)
            change(symbols[w][i - 1], id, n, w)
          }
          if i + 1 < symbols[w].count {
            change(entry.pair.b, symbols[w][i + 1], -n, w)
            change(id, symbols[w][i + 1], n, w)
          }
        }
        i += 1
      }
    }
    for (pair, words) in places where counts[pair]! > 0 {
      queue.append(Entry(count: counts[pair]!, pair: pair, words: words))
    }
  }
  return tokens
}

private func training(_ words: [String: Int], memoryBytes: Int = 1 << 30) -> TrainingWords {
  var training = TrainingWords(memoryBytes: memoryBytes)
  for (word, count) in words.sorted(by: { $0.key < $1.key }) {
    Array(word.utf8).withUnsafeBufferPointer { training.add($0, count: Int64(count)) }
  }
  return training
}

private func strings(_ tokens: [[UInt8]]) -> [String] { tokens.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct WordPieceTrainerTests {
  /// Few letters, so that tokens arise in several ways, repeat and overlap.
  @Test func mergesAsTheReference() throws {
    var random = SystemRandomNumberGenerator()
    for round in 0..<36 {
      let letters = Array("あいうえお".prefix([2, 3, 5][round % 3]))
      var words: [String: Int] = [:]
      for _ in 0..<[20, 60][round % 2] {
        let word = String(
          (0..<Int.random(in: 1...9, using: &random)).map { _ in letters.randomElement(using: &random)! })
        words[word, default: 0] += Int.random(in: 1...4, using: &random)
      }
      var trainer = WordPieceTrainer()
      trainer.vocabularySize = [40, 90, 1000][round % 3]
      trainer.alphabetLimit = round % 4 == 0 ? letters.count - 1 : 100
      trainer.minimumFrequency = Int64([1, 2, 3][round / 3 % 3])
      trainer.seedsAlphabet = round % 2 == 0
      let expected = reference(
        words, size: trainer.vocabularySize, limit: trainer.alphabetLimit, minimum: Int(trainer.minimumFrequency),
        seeded: trainer.seedsAlphabet)
      #expect(strings(try trainer.train(training(words)).tokens) == expected, "\(words)")
    }
  }

  @Test func seedsBothFormsOfEachCharacter() throws {
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = 9
    #expect(strings(try trainer.train(training(["い": 1, "あ": 2])).tokens).dropFirst(5) == ["あ", "い", "##あ", "##い"])
  }

  @Test func charactersBeyondTheLimitGoByCountThenCodePoint() throws {
    var trainer = WordPieceTrainer()
    trainer.alphabetLimit = 2
    #expect(strings(try trainer.train(training(["う": 5, "い": 1, "あ": 1])).tokens)[5...6] == ["あ", "う"])
  }

  @Test func countsBeyond32BitsDoNotOverflow() throws {
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = 12
    let larger = try trainer.train(training(["あい": 5_000_000_000, "うあ": 3]))
    #expect(strings(larger.tokens)[11] == "あい" && larger.lastCount == 5_000_000_000)
  }

  @Test func tooSmallAVocabularySaysWhatToDo() {
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = 8
    #expect {
      _ = try trainer.train(training(["あいう": 2]))
    } throws: {
      "\($0)" == "vocabularySize is 8, but 5 special tokens and 3 characters take 11. "
        + "Increase vocabularySize or decrease alphabetLimit."
    }
  }

  @Test func rareWordsGoWhereMemoryEndsWhateverTheOrder() {
    var words: [String: Int] = [:]
    for i in 0..<500 { words["語\(i)"] = 1 + i % 5 }
    let reversed = words.sorted { $0.key > $1.key }
    var other = TrainingWords(memoryBytes: 20_000)
    for (word, count) in reversed { Array(word.utf8).withUnsafeBufferPointer { other.add($0, count: Int64(count)) } }
    let one = training(words, memoryBytes: 20_000)
    #expect(one.minimumCount > 1 && one.minimumCount == other.minimumCount)
    #expect(one.droppedWords == other.droppedWords && one.counts.count == other.counts.count)
    #expect(one.counts.allSatisfy { $0 >= one.minimumCount })
    #expect(one.scalarCounts[0x8A9E] == Int64(words.values.reduce(0, +)))
  }
}

@Suite struct WordCountTests {
  /// However texts are cut into runs, the merged counts are those of all of them, in one order.
  @Test func runsMergeToTheWhole() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let words = (0..<3_000).map { "word\($0 * $0 % 701)" }
    func merged(runs: Int) throws -> [String] {
      var paths: [String] = []
      for run in 0..<runs {
        var counts = WordCounts()
        for i in stride(from: run, to: words.count, by: runs) {
          Array(words[i].utf8).withUnsafeBufferPointer { counts.add($0) }
        }
        paths.append("\(folder)/\(runs)-\(run)\(WordCountRuns.fileSuffix)")
        let sink = ZstdSink(try FileSink(paths[run]))
        try WordCountRuns.write(counts, to: sink)
        try sink.commit()
      }
      var out: [String] = []
      try WordCountRuns.merge(paths, temporaryDirectory: folder) { (word, count) throws(ShardError) in
        out.append("\(String(decoding: word, as: UTF8.self)) \(count)")
      }
      return out
    }
    let one = try merged(runs: 1)
    #expect(one.count == Set(words).count)
    for word in Set(words) { #expect(one.contains("\(word) \(words.count { $0 == word })")) }
    #expect(try merged(runs: 3) == one)
    #expect(try merged(runs: 300) == one)
  }

  @Test func aCutRunIsAnError() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let path = "\(folder)/cut\(WordCountRuns.fileSuffix)"
    let sink = ZstdSink(try FileSink(path))
    try sink.write([5, 200, 1, 0x61])
    try sink.commit()
    #expect(throws: ShardError.self) { try WordCountRuns.merge([path], temporaryDirectory: folder) { _, _ in } }
  }
}
