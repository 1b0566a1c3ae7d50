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
  private static func said() throws -> [(logarithm: Double, unknown: Int, sentence: String)] {
    try String(decoding: FileSystem.read(fixture("scores.tsv")), as: UTF8.self).split(separator: "\n").map { line in
      let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
      return (try #require(Double(parts[0])), try #require(Int(parts[1])), String(parts[2]))
    }
  }

  private static func score(
    _ text: String, _ model: BackoffModel, _ unit: BackoffModel.Unit = .words
  ) -> BackoffModel.Score {
    var score = BackoffModel.Score()
    let scorer = BackoffScorer(model)
    Array(text.utf8).withUnsafeBufferPointer { scorer.add($0, unit, to: &score) }
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
      #expect(BackoffModel.isBinary(path) == path.hasSuffix(".binary"))
      for (logarithm, unknown, sentence) in said where !sentence.isEmpty {
        let score = Self.score(sentence, model)
        #expect(abs(score.logarithm - logarithm) < 1e-4, "\(path) \(sentence)")
        #expect(
          score.unknown == unknown && score.tokens == sentence.split(separator: " ").count + 1, "\(path) \(sentence)")
        // Characters of a sentence without white space are the same words.
        let joined = sentence.filter { $0 != " " }
        guard !joined.contains("<") else { continue }
        #expect(Self.score(joined, model, .characters) == score, "\(path) \(joined)")
      }
      // A text is the sum of its lines; those without words are no sentences.
      let all = Self.score(said.map(\.sentence).joined(separator: "\n\n"), model)
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
        #expect(Self.score(text, model).tokens > 20)
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
