import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

/// Models of KenLM's build_binary give what KenLM's own program says (Fixtures/kenlm, made by Tests/Peers/kenlm_fixture.py).
@Suite struct KenLMModelTests {
  private static func fixture(_ name: String) -> String { packagePath("Fixtures/kenlm/\(name)") }

  /// What the program said: a sentence's logarithm, words that the model does not know, the sentence.
  private static func said(_ name: String = "scores.tsv") throws -> [(
    logarithm: Double, unknown: Int, sentence: String
  )] {
    try String(decoding: FileSystem.read(fixture(name)), as: UTF8.self).split(separator: "\n").map { line in
      let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
      return (try #require(Double(parts[0])), try #require(Int(parts[1])), String(parts[2]))
    }
  }

  private static func score(
    _ text: String, _ model: BackoffModel, _ unit: BackoffModel.Unit = .words
  ) throws -> BackoffModel.Score {
    var score = BackoffModel.Score()
    let scorer = BackoffScorer(model)
    try Array(text.utf8).withUnsafeBufferPointer { try scorer.add($0, unit, to: &score) }
    return score
  }

  @Test func scoresAreThoseOfTheProgram() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let table = folder + "/model.ngrams"
    let sink = try FileSink(table)
    try BackoffModel.compile(Self.fixture("model.arpa"), to: sink)
    try sink.commit()
    let said = try Self.said()
    #expect(said.count > 20 && said.contains { $0.unknown > 0 })
    for path in ["model.arpa", "probing.binary", "trie.binary"].map(Self.fixture) + [table] {
      let model = try BackoffModel(path)
      #expect(model.order == 3)
      #expect(try BackoffModel.isBinary(path) == path.hasSuffix(".binary"))
      for (logarithm, unknown, sentence) in said where !sentence.isEmpty {
        let score = try Self.score(sentence, model)
        #expect(abs(score.logarithm - logarithm) < 1e-4, "\(path) \(sentence)")
        #expect(
          score.unknown == unknown && score.tokens == sentence.split(separator: " ").count + 1, "\(path) \(sentence)")
        // Characters of a sentence without white space are the same words.
        let joined = sentence.filter { $0 != " " }
        guard !joined.contains("<") else { continue }
        #expect(try Self.score(joined, model, .characters) == score, "\(path) \(joined)")
      }
      // A text is the sum of its lines; those without words are no sentences.
      let all = try Self.score(said.map(\.sentence).joined(separator: "\n\n"), model)
      let sum = said.filter { !$0.sentence.isEmpty }.reduce(0) { $0 + $1.logarithm }
      #expect(abs(all.logarithm - sum) < 1e-2)
    }
  }

  @Test func aStageUsesABinaryModelAsItIs() throws {
    func column(_ model: String) throws -> [Double] {
      let harness = try StageHarness(
        ScorePerplexity.self,
        options: ["model": .string(Self.fixture(model)), "unit": "characters", "fields": .list([])])
      try harness.add(documents: [[Document(id: "a", text: "春の市場では\n\n声の大きい順に魚が売れる。"), Document(id: "b", text: " ")]])
      try harness.run()
      #expect(harness.files("table").count == (model.hasSuffix(".arpa") ? 1 : 0))
      let reader = try SignalsReader(try #require(harness.files("signals").first).path)
      return try reader.numbers(try #require(reader.column("perplexity")), block: 0)
    }
    let expected = try column("model.arpa")
    #expect(expected[0].isFinite && expected[1].isNaN)
    for model in ["probing.binary", "trie.binary"] {
      let found = try column(model)
      #expect(abs(found[0] - expected[0]) < 1e-4 * expected[0] && found[1].isNaN)
    }
  }

  @Test func otherFormsAreRefusedByName() throws {
    #expect { try BackoffModel(Self.fixture("quantized.binary")) } throws: { error in
      (error as? ShardError)?.code == .unsupported && "\(error)".contains("a quantized trie")
    }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for (old, new) in [("version 5", "version 4"), ("format version 5", "incomplete\n\n\n\n\n\n")] {
      var bytes = try FileSystem.read(Self.fixture("probing.binary"))
      let at = try #require(bytes.firstRange(of: Array(old.utf8)))
      bytes.replaceSubrange(at, with: Array(new.utf8))
      try FileSystem.write(bytes, to: folder + "/m.binary")
      #expect { try BackoffModel(folder + "/m.binary") } throws: { "\($0)".contains("binary version 5") }
    }
  }

  /// A model of bigrams without `<unk>`.
  @Test func aModelOfTwoWordsWithoutUnknownOnesGivesWhatTheProgramSays() throws {
    for name in ["bigrams.arpa", "bigrams-probing.binary", "bigrams-trie.binary"] {
      let model = try BackoffModel(Self.fixture(name))
      #expect(model.order == 2)
      for (logarithm, unknown, sentence) in try Self.said("bigrams.tsv") {
        let score = try Self.score(sentence, model)
        #expect(abs(score.logarithm - logarithm) < 1e-4 && score.unknown == unknown, "\(name) \(sentence)")
      }
    }
  }

  /// Where the keys of a probing file's words, bigrams and trigrams begin, how many there are, and their distance in bytes.
  private static func tables(_ bytes: [UInt8]) -> [(start: Int, slots: Int, stride: Int)] {
    func number(_ at: Int) -> Int { bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: Int.self) } }
    let counts = (0..<3).map { number(108 + 8 * $0) }
    let slots = counts.map { max($0 + 1, Int(1.5 * Float($0))) }
    let unigrams = 136 + 12 * slots[0] + 8
    let bigrams = unigrams + 8 * (counts[0] + 1)
    return [(144, slots[0], 12), (bigrams, slots[1], 16), (bigrams + 16 * slots[1], slots[2], 12)]
  }

  /// Look-ups of what is not there would find no end, or take an entry for missing that is there.
  @Test func tablesWithoutAnEmptySlotAreRefused() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let whole = try FileSystem.read(Self.fixture("probing.binary"))
    let text = try Self.said().map(\.sentence).joined(separator: "\n")
    for table in Self.tables(whole) {
      var bytes = whole
      var filled = 0
      for slot in 0..<table.slots {
        let at = table.start + table.stride * slot
        guard bytes[at..<at + 8].allSatisfy({ $0 == 0 }) else { continue }
        bytes.replaceSubrange(at..<at + 8, with: [7, UInt8(filled & 0xFF), UInt8(filled >> 8), 1, 2, 3, 4, 5])
        filled += 1
      }
      #expect(filled > table.slots / 4)
      try FileSystem.write(bytes, to: folder + "/m")
      let error = #expect(throws: ShardError.self) { try Self.score(text, BackoffModel(folder + "/m")) }
      #expect(error?.code == .unsupported && error?.description.contains("too full") == true)
    }
  }

  /// A perplexity of NaN would pass for that of an empty document.
  @Test func weightsThatAreNoNumbersAreRefused() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for name in ["bigrams-probing.binary", "bigrams-trie.binary"] {
      let whole = try FileSystem.read(Self.fixture(name))
      // The logarithms of </s> and of 雨.
      for (number, isOpened) in [(Float(-0.9), false), (-0.7, true)] {
        var bytes = whole
        let old = (0..<4).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * $0)) }
        let at = try #require(bytes.firstRange(of: old) ?? bytes.firstRange(of: old[..<3] + [old[3] & 0x7F]))
        bytes.replaceSubrange(at, with: [0, 0, 0xC0, 0xFF])
        try FileSystem.write(bytes, to: folder + "/m.binary")
        if isOpened { _ = try BackoffModel(folder + "/m.binary") }
        let error = #expect(throws: ShardError.self, "\(name) \(number)") {
          try Self.score("雪 雨", BackoffModel(folder + "/m.binary"))
        }
        #expect(error?.code == .malformed && error?.description.contains("no finite probability") == true)
      }
    }
  }

  @Test func onlyARPAFilesAreCompiledAndWhatIsNotThereIsSaid() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let sink = try FileSink(folder + "/table")
    let error = #expect(throws: ShardError.self) {
      try BackoffModel.compile(Self.fixture("trie.binary"), to: sink)
    }
    #expect(error?.code == .unsupported)
    #expect(throws: ShardError.self) { try BackoffModel.isBinary(folder + "/none") }
  }

  /// Damaged files are refused, or give some number, but never read what is not theirs.
  @Test func damagedModelsAreRefusedOrScored() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let text = try Self.said().map(\.sentence).joined(separator: "\n")
    var random = SplitMix(seed: 7)
    for name in ["probing.binary", "trie.binary"] {
      let whole = try FileSystem.read(Self.fixture(name))
      for length in [0, 20, 60, 107, 120, 140, whole.count / 2, whole.count - 4000] {
        try FileSystem.write(Array(whole.prefix(length)), to: folder + "/m")
        #expect(throws: ShardError.self, "\(name) \(length)") { try BackoffModel(folder + "/m") }
      }
      for round in 0..<120 {
        var bytes = whole
        for _ in 0..<(1 + round % 7) {
          // The head, the words, or anything.
          let end = round % 3 == 0 ? 140 : bytes.count
          bytes[Int.random(in: 88..<end, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        if round == 99 { for place in 140..<bytes.count { bytes[place] = UInt8.random(in: 1...255, using: &random) } }
        try FileSystem.write(bytes, to: folder + "/m")
        guard let model = try? BackoffModel(folder + "/m") else { continue }
        do {
          #expect(try Self.score(text, model).tokens > 20)
        } catch let error as ShardError {
          #expect(error.code == .malformed || error.code == .unsupported, "\(error)")
        }
      }
    }
    let table = folder + "/table"
    let sink = try FileSink(table)
    try BackoffModel.compile(Self.fixture("model.arpa"), to: sink)
    try sink.commit()
    let whole = try FileSystem.read(table)
    for (place, value) in [(24, 0), (24, 200), (40, 3), (48, 255), (56, 5), (60, 1)] {
      var bytes = whole
      bytes[place] = UInt8(value)
      try FileSystem.write(bytes, to: folder + "/m")
      #expect(throws: ShardError.self, "byte \(place)") { try BackoffModel(folder + "/m") }
    }
  }
}
