import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing
import TrainerCore

@testable import Stages

@Suite struct RetrievalFileTests {
  private func written(_ text: String) throws -> String {
    let path = temporaryDirectory() + "/file"
    try FileSystem.write(Array(text.utf8), to: path)
    return path
  }

  @Test func judgementsAreReadInEveryForm() throws {
    let expected = ["q1": ["d1": 1.0, "d2": 0], "q2": ["d1": 2]]
    let forms = [
      "q1 0 d1 1\nq1 0 d2 0\nq2\t0\td1\t2\r\n", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td1\t2\n",
      #"{"query-id": "q1", "corpus-id": "d1", "score": 1}"# + "\n"
        + #"{"query": "q1", "document": "d2", "relevance": 0}"#
        + "\n" + #"{"qid": "q2", "docid": "d1", "score": 2}"#,
    ]
    for form in forms { #expect(try Judgements.read(try written(form)) == expected) }
    #expect { try Judgements.read(try written("q1 0 d1 1\nnonsense\n")) } throws: {
      "\($0)".contains("file:2: is no judgement")
    }
  }

  @Test func recordsHaveTheirTitleBeforeTheText() throws {
    #expect(TextRecord(["_id": "a", "title": "題", "text": "文"]) == TextRecord(id: "a", text: "題\n文"))
    #expect(TextRecord(["docid": 7, "title": "", "text": "文"]) == TextRecord(id: "7", text: "文"))
    #expect(TextRecord(["id": "a"]) == nil)
  }

  @Test func similaritiesAreWhatTheirNamesSay() {
    let a: ArraySlice<Float> = [1, 2, 2], b: ArraySlice<Float> = [2, 0, 2]
    #expect(abs(Similarity.cosine(a, b) - 6 / (3 * 8.0.squareRoot())) < 1e-12)
    #expect(Similarity.dot(a, b) == 6 && Similarity.manhattan(a, b) == -3)
    #expect(abs(Similarity.euclidean(a, b) + 5.0.squareRoot()) < 1e-12)
    let pairs = SentencePairs(vectors: [1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1], size: 2, gold: [5, 0, 3])
    #expect(abs(pairs.correlations(.cosine).spearman - 1) < 1e-12)
  }
}

@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine"))
struct EmbeddingTests {
  private func start(_ stage: StageHarness, _ model: TinyModel) throws -> StageHarness {
    setenv("PIPELINE_WORKER", ChildProcess.pipeline, 1)
    setenv("PIPELINE_ENGINE", testEngine!.path, 1)
    stage.add(files: try model.checkpoint, to: "checkpoint")
    stage.add(files: try model.tokenizerFiles, to: "tokenizer")
    return try stage.run()
  }

  /// Padding beside others' texts, or their order, must change nothing.
  @Test(arguments: [Pooling.mean, .cls]) func aTextsVectorIsItsOwn(_ pooling: Pooling) throws {
    let model = try TinyModel(.mosaicBERT)
    var job = EmbeddingJob()
    job.checkpoint = model.folder
    job.tokenizer = model.folder + "/tokenizer.json"
    job.pooling = pooling
    let embedding = try Embedding(job, engine: testEngine!)
    let encoder = try SequenceEncoder(model.tokenizer, maximumLength: 40)
    let texts = try ["東京", "大阪名古屋、横浜。札幌", "京"].map { try encoder.text($0) }
    let together = try embedding.embed(texts)
    for (place, text) in texts.enumerated() {
      let alone = try embedding.embed([text])
      let same = together[(place * 48)..<(place * 48 + 48)]
      #expect(zip(alone, same).allSatisfy { abs($0 - $1) < 1e-5 })
    }
    #expect(together[0] != together[48])
  }

  @Test func similarSentencesAreScored() throws {
    let model = try TinyModel(.ropeBERT)
    let path = model.folder + "/pairs.json"
    try FileSystem.write(Array(TinyTask.lines(.jsts, 30).utf8), to: path)
    let harness = try start(
      StageHarness(EvaluateSTS.self, options: ["validation": .string(path), "test": .string(path), "device": "cpu"]),
      model)
    let json = try JSONValue.parse(try FileSystem.read(harness.files("metrics")[0].path)).value
    let chosen = try #require(json["similarity"]?.string)
    let best = Similarity.allCases.map { json["validation"]![$0.rawValue]!["spearman"]!.double! }.max()
    #expect(json["validation"]![chosen]!["spearman"]!.double == best)
    #expect(json["spearman"] == json["test"]![chosen]!["spearman"])
  }

  /// Each query is a document's own text: it must be found first, in whichever file of the corpus it stands.
  @Test func documentsAreFoundOverSeveralFiles() throws {
    let model = try TinyModel(.mosaicBERT)
    let letters = Array("東京大阪名古屋横浜札幌".unicodeScalars)
    func text(_ i: Int) -> String { (0..<6).map { "\(letters[(i * 7 + $0 * (i % 5 + 1)) % letters.count])" }.joined() }
    func lines(_ numbers: some Sequence<Int>, _ name: String) -> [UInt8] {
      Array(numbers.map { #"{"_id": "\#(name)\#($0)", "text": "\#(text($0))"}"# }.joined(separator: "\n").utf8)
    }
    try FileSystem.makeDirectory(model.folder + "/corpus")
    try FileSystem.write(lines(0..<15, "d"), to: model.folder + "/corpus/a.jsonl")
    try FileSystem.write(lines(15..<30, "d"), to: model.folder + "/corpus/b.jsonl")
    let asked = [2, 17, 28]
    try FileSystem.write(lines(asked, "q"), to: model.folder + "/queries.jsonl")
    let judged = asked.map { "q\($0) 0 d\($0) 1" }.joined(separator: "\n")
    try FileSystem.write(Array(judged.utf8), to: model.folder + "/qrels.tsv")
    let harness = try start(
      StageHarness(
        EvaluateRetrieval.self,
        options: [
          "queries": .string(model.folder + "/queries.jsonl"), "corpus": .string(model.folder + "/corpus"),
          "judgements": .string(model.folder + "/qrels.tsv"), "device": "cpu",
        ]), model)
    #expect(harness.files("found").count == 2)
    let json = try JSONValue.parse(try FileSystem.read(harness.files("metrics")[0].path)).value
    #expect(json["queries"] == 3 && json["recall@100"]?.double == 1)
    #expect(json["nDCG@10"]!.double! > 0.8)
  }
}

@Suite struct ModelCardTests {
  @Test func theCardHoldsWhatWasMeasured() throws {
    let model = try TinyModel(.mosaicBERT)
    let convert = try StageHarness(ConvertHuggingFace.self)
    convert.add(files: try model.checkpoint, to: "checkpoint")
    convert.add(files: try model.tokenizerFiles, to: "tokenizer")
    try convert.run()
    func metrics(_ name: String, _ json: JSONValue) throws -> ArtifactFile {
      let path = "\(model.folder)/\(name)"
      try FileSystem.write(Array(json.text().utf8), to: path)
      return ArtifactFile(
        path: path, name: name, bytes: FileSystem.status(path)!.bytes, digest: try Digester.digest(file: path))
    }
    let harness = try StageHarness(
      ReportModelCard.self,
      options: [
        "name": "Tiny", "license": "apache-2.0", "sources": ["A|B": "CC BY-SA 4.0"], "facts": ["GPU hours": "0"],
      ])
    harness.add(files: convert.files("model"), to: "model", from: "convert")
    let domain: JSONValue = ["name": "wiki", "keptDocuments": 1234, "keptAmount": 5_000_000, "keptShare": .number(1)]
    harness.add(
      files: [try metrics("mix.json", ["unit": "tokens", "domains": .list([domain])])], to: "reports", from: "mix")
    harness.add(
      files: [try metrics("training.json", ["steps": 1000, "loss": .number(2.5), "learningRate": .number(3e-4)])],
      to: "metrics", from: "pretrain")
    let score: JSONValue = ["mean": .number(0.81234), "deviation": .number(0.01)]
    let task: JSONValue = ["learningRate": .number(5e-5), "epochs": 4, "seeds": 3, "metrics": ["accuracy": score]]
    harness.add(files: [try metrics("jglue.json", ["tasks": ["jcommonsenseqa": task]])], to: "metrics", from: "jglue")
    try harness.run()
    let names = harness.files("model").map(\.name)
    #expect(Set(names) == Set(convert.files("model").map(\.name) + ["README.md"]))
    let readme = try #require(harness.files("model").first { $0.name == "README.md" })
    let text = String(decoding: try FileSystem.read(readme.path), as: UTF8.self)
    #expect(text.hasPrefix("---\nlanguage:\n- \"ja\"\nlicense: \"apache-2.0\"\n"))
    for part in [
      "# Tiny", "trust_remote_code=True", "| A\\|B | CC BY-SA 4.0 |", "| wiki | 1,234 | 5,000,000 | 100.00 % |",
      "| steps | 1,000 |", "| learningRate | 0.0003 |", "| GPU hours | 0 |",
      "| JCommonsenseQA | accuracy | 0.812 | 0.010 | 5e-05 | 4 | 3 |",
    ] { #expect(text.contains(part), "\(part)") }
  }
}
