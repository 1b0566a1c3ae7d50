import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("retrieval_metrics.py")

@Suite struct RetrievalFileTests {
  private func written(_ text: String) throws -> String {
    let path = temporaryDirectory() + "/file"
    try FileSystem.write(Array(text.utf8), to: path)
    return path
  }

  @Test func judgementsAreReadInEveryForm() throws {
    let expected: [ExactText: [ExactText: Double]] = ["q1": ["d1": 1.0, "d2": 0], "q2": ["d1": 2]]
    let forms = [
      "q1 0 d1 1\nq1 0 d2 0\nq2\t0\td1\t2\r\n", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td1\t2\n",
      #"{"query-id": "q1", "corpus-id": "d1", "score": 1}"# + "\n"
        + #"{"query": "q1", "document": "d2", "relevance": 0}"#
        + "\n" + #"{"qid": "q2", "docid": "d1", "score": 2}"#,
    ]
    for form in forms { #expect(try Judgments.read([try written(form)]).relevance == expected) }
    #expect { try Judgments.read([try written("q1 0 d1 1\nnonsense\n")]) } throws: {
      "\($0)".contains("file:2: is not a judgment")
    }
  }

  @Test func recordsHaveTheirTitleBeforeTheText() throws {
    #expect(TextRecord(["_id": "a", "title": "題", "text": "文"]) == TextRecord(id: "a", text: "題\n文"))
    #expect(TextRecord(["docid": 7, "title": "", "text": "文"]) == TextRecord(id: "7", text: "文"))
    #expect(TextRecord(["id": "a"]) == nil)
  }

  /// MIRACL's topics, also compressed.
  @Test func queriesMayBeATable() throws {
    func records(_ text: String, _ ending: String = ".tsv") throws -> [TextRecord] {
      let path = temporaryDirectory() + "/topics" + ending
      try FileSystem.write(Array(text.utf8), to: path)
      var records: [TextRecord] = []
      try TextRecord.forEach(path) { records.append($0) }
      return records
    }
    let wanted = [TextRecord(id: "3", text: "城は いつ?"), TextRecord(id: "4", text: "{誰}")]
    #expect(try records("3\t城は いつ?\r\n\n4\t{誰}\n") == wanted)
    for text in ["3\n", "\t文\n", "3\t\n", "3\t文\tx\n"] {
      #expect { try records("1\t文\n" + text) } throws: {
        "\($0)".contains("topics.tsv:2: is not an id, a tab and a text")
      }
    }
    let shard = packagePath("Fixtures/embedding/miracl/corpus/docs-0.jsonl.gz")
    var first: TextRecord?
    try TextRecord.forEach(shard) { first = first ?? $0 }
    #expect(first == TextRecord(id: "d0", text: "太郎\n太郎が本を読んだ。"))
  }

  @Test func similaritiesAreWhatTheirNamesSay() {
    let a: ArraySlice<Float> = [1, 2, 2], b: ArraySlice<Float> = [2, 0, 2]
    #expect(abs(Similarity.cosine(a, b) - 6 / (3 * 8.0.squareRoot())) < 1e-12)
    #expect(Similarity.dot(a, b) == 6 && Similarity.manhattan(a, b) == -3)
    #expect(abs(Similarity.euclidean(a, b) + 5.0.squareRoot()) < 1e-12)
    let pairs = SentencePairs(vectors: [1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1], size: 2, gold: [5, 0, 3])
    #expect(abs(pairs.correlations(.cosine).spearman - 1) < 1e-12)
  }

  @Test func aPairIsJudgedInOneWay() throws {
    let same = try written("q1 0 d1 1\nq1 0 d1 1\nq2 0 d1 -1\n")
    let read = try Judgments.read([same, same])
    #expect(read.relevance == ["q1": ["d1": 1], "q2": ["d1": -1]] && read.repeated == 4)
    #expect { try Judgments.read([same, try written("q1 0 d2 1\nq1 0 d1 2\n")]) } throws: {
      "\($0)".contains("file:2: judges document 'd1' for query 'q1' as 2.0, judged before as 1.0")
    }
  }

  /// To the files that they come from they are two names.
  @Test func canonicallyEquivalentIDsAreTwo() throws {
    let composed = "\u{304C}", parted = "\u{304B}\u{3099}"
    #expect(composed == parted)
    let read = try Judgments.read([
      try written("q 0 \(composed) 1\nq 0 \(parted) 0\n\(composed) 0 d 1\n\(parted) 0 d 2\n")
    ])
    #expect(read.repeated == 0 && read.relevance.count == 3)
    let judged = try #require(read.relevance["q"])
    #expect(judged == [ExactText(composed): 1, ExactText(parted): 0])
    #expect(Ranking([ExactText(parted), ExactText(composed)], judged).reciprocalRank() == 0.5)
    let path = try written("{\"id\": \"\(composed)\", \"text\": \"a\"}\n{\"id\": \"\(parted)\", \"text\": \"b\"}\n")
    let file = ArtifactFile(path: path, name: "file", bytes: 0, digest: Digester.digest([]))
    #expect(try DistinctRecords.check([file], "corpus") == 2)
  }

  @Test(
    arguments: [
      "q1 0 d1 nan", "q1 0 d1 inf", "q1 0 d1 1e300", "nonsense", "{\"query-id\": \"q1\"}", "{",
      #"{"query-id": "q1", "corpus-id": "d1", "score": "high"}"#,
      #"{"query-id": "q1", "corpus-id": "d1", "score": null}"#,
    ])
  func whatIsNoJudgementIsRefused(_ line: String) throws {
    let path = try written(line + "\nq2 0 d1 1\n")
    #expect { try Judgments.read([path]) } throws: { "\($0)".contains("file:1: ") }
  }

  @Test func idsThatStandTwiceAreRefused() throws {
    func lines(_ ids: [String]) throws -> ArtifactFile {
      let path = try written(ids.map { #"{"_id": "\#($0)", "text": "文"}"# }.joined(separator: "\n"))
      return ArtifactFile(path: path, name: "file", bytes: 0, digest: Digester.digest([]))
    }
    let many = try lines((0..<5000).map { "d\($0)" })
    #expect(try DistinctRecords.check([many, try lines(["d5000", "D1", "d01"])], "corpus") == 5003)
    #expect { try DistinctRecords.check([many, try lines(["x", "d77"])], "corpus") } throws: {
      "\($0)".contains("file:2: the id 'd77' occurs twice in 'corpus': also in file:78")
    }
    #expect { try DistinctRecords.check([try lines(["a", ""])], "queries") } throws: {
      "\($0)".contains("file:2: has no id")
    }
  }
}

@Suite struct NearestTextTests {
  /// 1,000 scores of which some are equal, in an order that a seed decides.
  private func scores(_ seed: Int, levels: Int = 1 << 20) -> [Float] {
    var random = SeededShuffle(seed: seed, epoch: 0)
    return (0..<1000).map { _ in Float(Int(random.next() % UInt64(levels))) / Float(levels) }
  }

  private func best(_ scores: [Float], top: Int, chunks: [Int]) -> [Int] {
    var nearest = NearestTexts(top: top)
    var next = 0
    for chunk in chunks {
      for text in next..<min(next + chunk, scores.count) { nearest.add(scores[text], text: text) }
      // What a chunk ends with must not change the result.
      _ = nearest.best()
      next += chunk
    }
    return nearest.best().map(\.text)
  }

  private func sorted(_ scores: [Float], top: Int) -> [Int] {
    Array(scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(top))
  }

  /// In particular in a first chunk, before anything is known of what will come.
  @Test func theBestIsFoundAtEveryPlace() {
    for place in 0..<1000 {
      var scores = scores(place)
      scores[place] = 2
      #expect(best(scores, top: 100, chunks: [1000]) == sorted(scores, top: 100), "the best at \(place)")
    }
  }

  @Test(arguments: [1, 10, 100, 333, 1000], [[1000], [1, 999], [99, 1, 300, 600], [100, 100, 800], [504, 496]])
  func everyLayoutGivesWhatSortingGives(_ top: Int, _ chunks: [Int]) {
    for seed in 0..<20 {
      let distinct = scores(seed), equal = scores(seed, levels: 7)
      #expect(best(distinct, top: top, chunks: chunks) == sorted(distinct, top: top))
      #expect(best(equal, top: top, chunks: chunks) == sorted(equal, top: top))
    }
    let falling = (0..<1000).map { -Float($0) }
    #expect(best(falling, top: top, chunks: chunks) == Array(0..<top))
    #expect(best(falling.reversed(), top: top, chunks: chunks) == Array((0..<1000).reversed().prefix(top)))
    #expect(best([Float](repeating: -3, count: 1000), top: top, chunks: chunks) == Array(0..<top))
  }

  @Test func aDocumentCountsOnceAndNothingIsAboveOne() {
    let ranking = Ranking(["a", "a", "b", "a", "b"], ["a": 1, "b": 1, "c": -1, "d": -3])
    for value in [
      ranking.nDCG(), ranking.recall(), ranking.averagePrecision(), ranking.reciprocalRank(), ranking.accuracy(1),
    ] { #expect(value == 1) }
    #expect(Ranking(["c", "d"], ["c": -1, "d": -3]).nDCG() == 0)
    #expect(Ranking(["c", "a"], ["a": 1, "c": -1]).nDCG() == Ranking(["x", "a"], ["a": 1]).nDCG())
  }
}

@Suite(.needs(peer.isUsable, "needs Python with the peer")) struct MetricPeerTests {
  private func said(_ command: String, _ data: JSONValue) throws -> JSONValue {
    let path = temporaryDirectory() + "/data.json"
    try FileSystem.write(Array(data.text().utf8), to: path)
    return try JSONValue.parse(try #require(peer.run(command, path))).value
  }

  /// Random rankings of up to ten relevant documents: with more, JMTEB's nDCG@10 has another ideal.
  @Test func rankingsAreScoredAsJMTEBDefines() throws {
    var random = SeededShuffle(seed: 5, epoch: 1)
    var relevant: [[Int]] = [], retrieved: [[Int]] = []
    for query in 0..<200 {
      relevant.append(Array(random.order(150).prefix(1 + query % 10)))
      retrieved.append(Array(random.order(150).prefix(100)))
    }
    func list(_ lists: [[Int]]) -> JSONValue { .list(lists.map { .list($0.map { .integer($0) }) }) }
    let theirs = try said("ranking", ["relevant": list(relevant), "retrieved": list(retrieved)])
    let ours = zip(relevant, retrieved).map { wanted, hits in
      Ranking(hits, Dictionary(uniqueKeysWithValues: wanted.map { ($0, 1.0) }))
    }
    let metrics: [(String, (Ranking) -> Double)] = [
      ("ndcg@10", { $0.nDCG(10) }), ("mrr@10", { $0.reciprocalRank(10) }), ("map@100", { $0.averagePrecision(100) }),
      ("recall@10", { $0.recall(10) }), ("recall@100", { $0.recall(100) }), ("accuracy@1", { $0.accuracy(1) }),
      ("accuracy@3", { $0.accuracy(3) }), ("accuracy@5", { $0.accuracy(5) }), ("accuracy@10", { $0.accuracy(10) }),
    ]
    for (name, metric) in metrics {
      let value = try #require(theirs[name]?.double)
      #expect(abs(Correlation.mean(ours.map(metric)) - value) < 1e-12, "\(name)")
      #expect(value > 0 && value < 1)
    }
  }

  @Test(arguments: 1...6) func similaritiesAreScoredAsJMTEBDoes(_ seed: Int) throws {
    var random = SeededShuffle(seed: seed, epoch: 2)
    let size = 5, count = 40
    let vectors = (0..<(2 * count * size)).map { _ in Float(Int(random.next() % 2000) - 1000) / 500 }
    let gold = (0..<count).map { _ in Double(random.next() % 11) / 2 }
    let rows = stride(from: 0, to: vectors.count, by: size).map { start in
      JSONValue.list(vectors[start..<(start + size)].map { .number(Double($0)) })
    }
    let theirs = try said("similarity", ["vectors": .list(rows), "gold": .list(gold.map { .number($0) })])
    let pairs = SentencePairs(vectors: vectors, size: size, gold: gold)
    for similarity in Similarity.allCases {
      let ours = pairs.correlations(similarity)
      #expect(abs(ours.spearman - theirs[similarity.rawValue]!["spearman"]!.double!) < 1e-9)
      #expect(abs(ours.pearson - theirs[similarity.rawValue]!["pearson"]!.double!) < 1e-9)
    }
    #expect(theirs["jmteb-euclidean"] == theirs["manhattan"], "JMTEB's Euclidean distance is Manhattan's")
    #expect(Similarity.best(pairs).rawValue == theirs["chosen"]?.string)
  }
}
