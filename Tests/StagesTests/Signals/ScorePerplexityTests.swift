import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

@Suite struct ScorePerplexityTests {
  /// Of three words, with backoff at every length.
  static let arpa = """
    \\data\\
    ngram 1=6
    ngram 2=4
    ngram 3=2

    \\1-grams:
    -1.5\t<unk>\t0
    0\t<s>\t-0.3
    -0.9\t</s>\t0
    -0.7\t雨\t-0.25
    -0.8\t降る\t-0.125
    -1.1\t雪\t-0.5

    \\2-grams:
    -0.4\t<s> 雨\t-0.2
    -0.3\t雨 降る\t-0.1
    -0.2\t降る </s>\t0
    -0.6\t雪 降る\t-0.05

    \\3-grams:
    -0.15\t<s> 雨 降る
    -0.1\t雨 降る </s>

    \\end\\
    """

  private static func write(_ text: String) throws -> (folder: String, path: String) {
    let folder = temporaryDirectory()
    try FileSystem.write(Array((text + "\n").utf8), to: folder + "/m.arpa")
    return (folder, folder + "/m.arpa")
  }

  private static func score(_ line: String, _ model: BackoffModel) throws -> BackoffModel.Score {
    var score = BackoffModel.Score()
    let scorer = BackoffScorer(model)
    try Array(line.utf8).withUnsafeBufferPointer { try scorer.add($0, .words, to: &score) }
    return score
  }

  @Test func logarithmsAreThoseOfTheLongestNGramsAndTheirBackoff() throws {
    let (folder, path) = try Self.write(Self.arpa)
    defer { try? FileSystem.removeTree(folder) }
    let model = try BackoffModel(path)
    #expect(model.order == 3)
    let expected = [
      ("雨 降る", -0.4 - 0.15 - 0.1, 0),
      // 雪 after <s>: -0.3 - 1.1; 降る after 雪: -0.6; the end: 雪 降る -0.05, then the bigram.
      ("雪 降る", -1.4 - 0.6 - 0.05 - 0.2, 0),
      // An unknown word: <s> backs off; nothing is known after it.
      ("雷 雨", -0.3 - 1.5 - 0.7 - 0.25 - 0.9, 1),
    ]
    for (line, logarithm, unknown) in expected {
      let score = try Self.score(line, model)
      #expect(abs(score.logarithm - logarithm) < 1e-5 && score.unknown == unknown && score.tokens == 3, "\(line)")
    }
  }

  /// SRILM's pruning keeps n-grams whose ends it removes.
  @Test func theLongestNGramCountsIfShorterOnesWerePruned() throws {
    let (folder, path) = try Self.write(
      """
      \\data\\
      ngram 1=7
      ngram 2=2
      ngram 3=2
      ngram 4=1

      \\1-grams:
      -2\t<unk>
      -99\t<s>\t-0.1
      -0.9\t</s>
      -0.7\ta\t-0.2
      -0.8\tb\t-0.3
      -1.1\tc\t-0.4
      -1.2\td\t-0.05

      \\2-grams:
      -0.3\ta b\t-0.25
      -0.6\t<s> d\t-0.15

      \\3-grams:
      -0.01\ta b c\t-0.35
      -0.02\td a b\t-0.45

      \\4-grams:
      -0.03\ta b c d

      \\end\\
      """)
    defer { try? FileSystem.removeTree(folder) }
    let model = try BackoffModel(path)
    let expected = [
      // a after <s>; b after a; c by "a b c"; </s> after "a b c", "b c" (which is not there) and c.
      ("a b c", -0.8 - 0.3 - 0.01 - (0.35 + 0.4 + 0.9)),
      // d by "a b c d"; after it "b c d" and "c d" are no contexts, d is.
      ("a b c d", -0.8 - 0.3 - 0.01 - 0.03 - (0.05 + 0.9)),
      // b by "d a b"; c by "a b c", after the context "d a b".
      ("d a b c", -0.6 - (0.15 + 0.05 + 0.7) - 0.02 - (0.45 + 0.01) - (0.35 + 0.4 + 0.9)),
    ]
    for (line, logarithm) in expected {
      #expect(try abs(Self.score(line, model).logarithm - logarithm) < 1e-5, "\(line)")
    }
  }

  @Test func aModelKnowsWhereSentencesBeginAndEnd() throws {
    for (word, other) in [("<s>", "<S>"), ("</s>", "</S>")] {
      let (folder, path) = try Self.write(Self.arpa.replacing(word, with: other))
      defer { try? FileSystem.removeTree(folder) }
      #expect { try BackoffModel(path) } throws: { error in
        (error as? ShardError)?.code == .malformed && "\(error)".contains("lacks one of the words '<s>' and '</s>'")
      }
    }
  }

  /// SRILM writes <unk>, other programs <UNK>; without either the logarithm is -100 after the context's backoff, as in KenLM.
  @Test func theUnknownWordIsWrittenInTwoWays() throws {
    for (name, logarithm) in [("<unk>", -1.5), ("<UNK>", -1.5), ("<other>", -100)] {
      let (folder, path) = try Self.write(Self.arpa.replacing("<unk>", with: name))
      defer { try? FileSystem.removeTree(folder) }
      let score = try Self.score("雷", try BackoffModel(path))
      #expect(abs(score.logarithm - (-0.3 + logarithm - 0.9)) < 1e-5 && score.unknown == 1, "\(name)")
    }
  }

  @Test func documentsGetTheirPerplexity() throws {
    let (folder, path) = try Self.write(Self.arpa)
    defer { try? FileSystem.removeTree(folder) }
    func columns(_ text: String, _ options: [JSONMember] = []) throws -> [Double] {
      let harness = try StageHarness(
        ScorePerplexity.self,
        options: .object([JSONMember("model", .string(path)), JSONMember("fields", .list([]))] + options))
      try harness.add(documents: [[Document(id: "a", text: text)]])
      try harness.run()
      let reader = try SignalsReader(try #require(harness.files("signals").first).path)
      return try ["perplexity", "tokens", "unknownFraction"].map {
        try reader.numbers(try #require(reader.column($0)), block: 0)[0]
      }
    }
    let two = try columns("雨　降る\n\n雪 降る\n")
    #expect(abs(two[0] - pow(10, (0.65 + 2.25) / 6)) < 1e-4 && two[1] == 6 && two[2] == 0)
    // By characters 降る is two that the model does not know.
    let characters = try columns("雨 降る", [JSONMember("unit", "characters")])
    #expect(characters[1] == 4 && characters[2] == 0.5)
    #expect(try columns(" \n")[0].isNaN)
  }

  /// A stage may write a log and KenLM's binary form beside the ARPA file, which then counts.
  @Test func theWiredModelIsTheARPAFile() throws {
    let (folder, path) = try Self.write(Self.arpa)
    defer { try? FileSystem.removeTree(folder) }
    func run(_ names: [String]) throws {
      let harness = try StageHarness(ScorePerplexity.self, options: ["fields": .list([])])
      try harness.add(documents: [[Document(id: "a", text: "雨 降る")]])
      let bytes = try FileSystem.read(path)
      let files = names.map {
        ArtifactFile(path: path, name: $0, bytes: Int64(bytes.count), digest: Digester.digest(bytes))
      }
      harness.add(files: files, to: "model", from: "train", output: "files")
      try harness.run()
      #expect(harness.files("signals").count == 1)
    }
    for name in ["m.arpa", "m.arpa.gz", "m.arpa.zst"] { try run([name, "m.arpa.log", "m.arpa.binary"]) }
    #expect { try run(["m.arpa.log"]) } throws: { "\($0)".contains("there is no model") }
  }

  @Test func damagedModelsAreRefused() throws {
    for (old, new) in [
      ("ngram 2=4", "ngram 2=5"), ("ngram 2=4", "ngram 2=3"), ("ngram 2=4", "ngram 3=4"), ("-0.6\t", "x\t"),
      ("-0.6\t", "0.6\t"), ("雪 降る\t", "雪\t"), ("\\2-grams:", "\\3-grams:"), ("\\data\\", "data"), ("-0.05\n", "nan\n"),
      ("雪 降る\t", "雪 霰\t"),
    ] {
      let (folder, path) = try Self.write(Self.arpa.replacing(old, with: new, maxReplacements: 1))
      defer { try? FileSystem.removeTree(folder) }
      #expect(throws: ShardError.self, "\(old) → \(new)") { try BackoffModel(path) }
    }
  }
}
