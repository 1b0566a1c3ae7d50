import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct EvaluateJMTEBTests {
  private func write(_ lines: [JSONValue], _ path: String) throws {
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    try FileSystem.write(Array(lines.map { $0.text() }.joined(separator: "\n").utf8), to: path)
  }

  /// A set of each kind, in JMTEB's form, which a model of random weights can answer in part: texts are told apart by their
  /// letters.
  private func sets() throws -> String {
    let folder = temporaryDirectory()
    func text(_ number: Int) -> String { Contrasts.text(number) }
    func labeled(_ numbers: Range<Int>) -> [JSONValue] {
      numbers.map { number in
        let label = number % 3
        return [
          "text": .string(String(repeating: Contrasts.letters[label], count: 4) + text(number)),
          "label": .integer(label),
        ]
      }
    }
    func pairs(_ numbers: Range<Int>, _ label: (Int) -> JSONValue) -> [JSONValue] {
      numbers.map { number in
        let same = number % 2 == 0
        return [
          "sentence1": .string(text(number)), "sentence2": .string(same ? text(number) + "大" : text(number + 300)),
          "label": label(number),
        ]
      }
    }
    try write(labeled(0..<30), "\(folder)/classes/train.jsonl")
    try write(labeled(30..<45), "\(folder)/classes/validation.jsonl")
    try write(labeled(45..<60), "\(folder)/classes/test.jsonl")
    try write(labeled(0..<30), "\(folder)/clusters/test.jsonl")
    try write(pairs(0..<20) { $0 % 2 == 0 ? "entailment" : "contradiction" }, "\(folder)/pairs/binary.jsonl")
    try write(pairs(0..<20) { .number($0 % 2 == 0 ? 4 : Double($0 % 3)) }, "\(folder)/similar/val.jsonl")
    let corpus = (0..<25).map { number -> JSONValue in ["docid": .string("d\(number)"), "text": .string(text(number))] }
    for name in ["found-corpus", "ranked"] { try write(corpus, "\(folder)/\(name)/corpus.jsonl") }
    let questions = (0..<10).map { number -> JSONValue in
      ["query": .string(text(number)), "relevant_docs": .list([.string("d\(number)")])]
    }
    try write(questions, "\(folder)/found-query/test.jsonl")
    let ranked = (0..<10).map { number -> JSONValue in
      [
        "query": .string(text(number)),
        "retrieved_docs": .list([number + 5, number, number + 3].map { .string("d\($0)") }),
        "relevance_scores": .list([1, 3, 0].map { .integer($0) }),
      ]
    }
    try write(ranked, "\(folder)/ranked/test.jsonl")
    return folder
  }

  private func run(_ options: [JSONMember]) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let model = try TinyModel(.mosaicBERT)
    let stage = try StageHarness(EvaluateJMTEB.self, options: .object(options + [JSONMember("device", "cpu")]))
    stage.add(files: try model.checkpoint, to: "checkpoint")
    stage.add(files: try model.tokenizerFiles, to: "tokenizer")
    return try stage.run()
  }

  @Test func eachKindIsScored() throws {
    let stage = try run([JSONMember("folder", .string(try sets())), JSONMember("model", "Tiny")])
    let file = try #require(stage.files("metrics").first)
    let json = try JSONValue.parse(FileSystem.read(file.path)).value
    let scores = try #require(json["sets"]?.array).map { try JSONRecordOfTests.score($0) }
    #expect(scores.map(\.name) == ["similar", "classes", "clusters", "found", "ranked", "pairs"])
    #expect(
      scores.map(\.kind) == [.sts, .classification, .clustering, .retrieval, .reranking, .pairClassification])
    // Each query is its document's own text.
    #expect(scores[3].score == 1 && scores[3].test["accuracy@1"] == 1)
    // The second and the third document may change places.
    #expect(scores[4].score >= 3.5 / (3 + 1 / log2(3.0)))
    #expect(scores[5].test["cosineF1"]! > 0.9 && scores[0].score > 0.5)
    #expect(scores[1].score > 0.4 && scores[2].validation.count == 3 && scores[1].validation.count == 2)
    let mean = scores.map(\.score).reduce(0, +) / 6
    #expect(abs(json["mean"]!.double! - mean) < 1e-12)
    #expect(json["kinds"]?["retrieval"]?.double == 1)
    let table = try #require(stage.files("report").first { $0.name == "jmteb.md" })
    let text = String(decoding: try FileSystem.read(table.path), as: UTF8.self)
    #expect(text.contains("# JMTEB: Tiny") && text.contains("| retrieval | found | nDCG@10 | 100.00 | cosine |"))
    #expect(stage.files("scores").count == 6)
  }

  @Test func setsAreChosenByName() throws {
    let folder = try sets()
    let one = try run([JSONMember("folder", .string(folder)), JSONMember("sets", .strings(["similar"]))])
    #expect(one.files("scores").map(\.name) == ["similar.json"])
    let error = #expect(throws: (any Error).self) {
      try run([JSONMember("folder", .string(folder)), JSONMember("sets", .strings(["other"]))])
    }
    #expect("\(error!)".contains("has no set 'other'"))
    let kind = #expect(throws: (any Error).self) {
      try run([JSONMember("folder", .string(folder)), JSONMember("kinds", ["simular": "sts"])])
    }
    #expect("\(kind!)".contains("kinds: the folder has no set 'simular'"))
    // A kind that the records do not have.
    let wrong = #expect(throws: (any Error).self) {
      try run([
        JSONMember("folder", .string(folder)), JSONMember("sets", .strings(["similar"])),
        JSONMember("kinds", ["similar": "reranking"]),
      ])
    }
    #expect("\(wrong!)".contains("similar"))
  }

  /// Documents that stand twice would count twice.
  @Test func aCorpusIsGivenOnce() throws {
    let folder = try sets()
    func refuse(_ set: String, _ text: String) {
      let error = #expect(throws: (any Error).self) {
        try run([JSONMember("folder", .string(folder)), JSONMember("sets", .strings([set]))])
      }
      #expect("\(error!)".contains(text), "\(error!)")
    }
    let again: [JSONValue] = [["docid": "new", "text": "a"], ["docid": "d3", "text": "b"]]
    for (set, path) in [("found", "found-corpus"), ("ranked", "ranked")] {
      try write(again, "\(folder)/\(path)/corpus-2.jsonl")
      refuse(set, "\(path)/corpus.jsonl:4: the id 'd3' occurs twice in the corpus: also in \(path)/corpus-2.jsonl:2")
      try FileSystem.remove("\(folder)/\(path)/corpus-2.jsonl")
    }
    try write(again, "\(folder)/found-corpus/corpus.json")
    refuse("found", "are two forms of one file")
  }

  /// JMTEB sums the best order over all relevant documents.
  @Test func rankingsAreJMTEBs() {
    let documents = ["a", "b", "c"].map { ExactText($0) }
    let ranking = JMTEBRanking(documents, ["b", "x", "y"])
    let second = 1 / log2(3.0)
    #expect(abs(ranking.nDCG(10) - second / (1 + second + 0.5)) < 1e-12)
    #expect(ranking.reciprocalRank(10) == 0.5 && ranking.accuracy(1) == 0 && ranking.accuracy(3) == 1)
    let repeated = JMTEBRanking(["a", "a", "b"], ["a", "b", "a"])
    #expect(abs(repeated.nDCG(10) - (1 + 0.5) / (1 + second)) < 1e-12)
    // The relevance of a document named twice is its first.
    let twice = JMTEBRanking.nDCG(["a", "b", "a"], [2, 3, 0], [0.5, 0.4, 0.9], 10)
    let got: Double = 2 + 2 * second + 1.5, ideal: Double = 3 + 2 * second
    #expect(abs(twice - got / ideal) < 1e-12)
  }
}

/// A score as the metrics have it.
private enum JSONRecordOfTests {
  static func score(_ json: JSONValue) throws -> JMTEBScore { try JMTEBScore(json: json) }
}
