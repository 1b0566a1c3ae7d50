import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct EmbeddingTests {
  private func start(_ stage: StageHarness, _ model: TinyModel) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    stage.add(files: try model.checkpoint, to: "checkpoint")
    stage.add(files: try model.tokenizerFiles, to: "tokenizer")
    return try stage.run()
  }

  /// Vectors beside documents, of length one and by id, and what `dedupe.semantic` makes of them.
  @Test func documentsOfOneMeaningAreRemoved() throws {
    let model = try TinyModel(.ropeBERT)
    let texts = ["東京大阪。名古屋", "横浜。札幌", "東京大阪。名古屋", "札幌の大阪、名古屋東京", "横浜。札幌"]
    let documents = texts.enumerated().map { Document(id: "d\($0)", text: $1, source: "test") }
    let stage = try StageHarness(DocumentsEmbed.self, options: ["device": "cpu", "prefix": "京"])
    try stage.add(documents: [documents, []])
    let harness = try start(stage, model)
    #expect(harness.ledger.imbalance == 0 && harness.ledger.input.documents == 5)
    let file = try SafetensorsFile(harness.files("vectors")[0].path)
    let ids = try file.withBytes(of: "ids") { (_, bytes) in
      (0..<5).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
    }
    #expect(ids == documents.map { recordHash($0.id) })
    let vectors = try file.floats(of: "vectors")
    #expect(try file.entry("vectors").shape == [5, 48])
    for row in 0..<5 {
      let norm = vectors[(48 * row)..<(48 * row + 48)].reduce(0) { $0 + $1 * $1 }
      #expect(abs(norm - 1) < 1e-4)
    }
    let dedupe = try StageHarness(DedupeSemantic.self, options: ["threshold": .number(0.9999)])
    try dedupe.add(documents: [documents, []])
    dedupe.add(files: harness.files("vectors"), to: "vectors")
    try dedupe.run()
    #expect(try dedupe.drops().map(\.id) == ["d2", "d4"] && dedupe.drops().map(\.survivor) == ["d0", "d1"])
  }

  /// Padding beside others' texts, or their order, must change nothing.
  @Test(arguments: [Pooling.mean, .cls]) func aTextsVectorIsItsOwn(_ pooling: Pooling) throws {
    let model = try TinyModel(.mosaicBERT)
    var job = EmbeddingJob()
    job.checkpoint = model.folder
    job.tokenizer = model.folder + "/tokenizer.json"
    job.pooling = pooling
    let embedding = try Embedding(job, engine: testEngine!)
    let encoder = try SequenceEncoder(Tokenizer(model.tokenizer), maximumLength: 40)
    let texts = try ["東京", "大阪名古屋、横浜。札幌", "京"].map { try encoder.text($0) }
    let together = try embedding.embed(texts)
    for (place, text) in texts.enumerated() {
      let alone = try embedding.embed([text])
      let same = together[(place * 48)..<(place * 48 + 48)]
      #expect(zip(alone, same).allSatisfy { abs($0 - $1) < 1e-5 })
    }
    #expect(together[0] != together[48])
  }

  /// 36 texts of thousands of tokens, of unequal length: all at once, the windows of the local layers alone would take
  /// more than the task is admitted by.
  @Test func longTextsStayWithinTheDeclaredMemory() throws {
    let model = try TinyModel(.modernBERT) { ($0.maximumLength, $0.layers) = (3000, 2) }
    let lines = (0..<36).map { number in
      let text = (0..<(2900 + number * 7)).map { ["東", "京", "大", "阪"][($0 * $0 + number) % 4] }.joined()
      return JSONValue.object([JSONMember("text", .string(text))]).text()
    }
    var job = EmbeddingJob()
    (job.checkpoint, job.tokenizer, job.maximumLength) = (model.folder, model.folder + "/tokenizer.json", 3000)
    (job.texts, job.result) = (model.folder + "/texts.jsonl", model.folder + "/vectors.safetensors")
    try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: job.texts)
    try FileSystem.write(Array(job.json.text().utf8), to: model.folder + "/job.json")
    let declared = try embedding(model, ["device": "cpu"], documents: 36).memoryBytes
    // A worker ends with its standard input.
    let command = "mkfifo in && exec '\(ChildProcess.pipeline)' worker embed job.json 0<>in"
    let (result, bytes) = try ChildProcess(
      ["-c", "cd '\(model.folder)' && " + command], program: "/bin/sh",
      environment: ["PIPELINE_ENGINE": testEngine!.path]
    ).waitMeasuringMemory()
    #expect(result.status == 0, "\(result.errors)")
    #expect(bytes > 64 << 20 && bytes < declared, "\(bytes >> 20) MiB of \(declared >> 20)")
    #expect(try SafetensorsFile(job.result).entry("vectors").shape == [36, 48])
  }

  private func embedding(_ model: TinyModel, _ options: JSONValue, documents: Int) throws -> TaskPlan {
    func wired(_ files: [ArtifactFile]) -> [WiredArtifact] {
      [WiredArtifact(stage: "upstream", port: "output", files: files)]
    }
    let file = ArtifactFile(path: "/", name: "0.jsonl", bytes: 1, digest: Digester.digest([]), documents: documents)
    let context = NodeContext(
      inputs: [
        "checkpoint": wired(try model.checkpoint), "tokenizer": wired(try model.tokenizerFiles),
        "documents": wired([file]),
      ], base: "/")
    let description = StageDescription(DocumentsEmbed.self)
    let stage = try description.configured(options).stage
    return try #require(try stage.tasks(ofPhase: description.phases[0], in: context).first)
  }

  /// A length that an option states, or the model, counts in the declared memory.
  @Test func theDeclaredMemoryIsOfTheLength() throws {
    let model = try TinyModel(.mosaicBERT) { $0.maximumLength = 8192 }
    func bytes(_ members: [JSONMember]) throws -> Int {
      try embedding(model, .object(members + [JSONMember("device", "cpu")]), documents: 1).memoryBytes
    }
    let whole = try bytes([]), half = try bytes([JSONMember("maximumLength", 4096)])
    // Biases of 12 heads.
    #expect(whole - half > 12 * 3 * (8192 * 8192 - 4096 * 4096) * 4 - 1 << 28)
    #expect(try bytes([JSONMember("maximumLength", 16384)]) == whole)
    let error = #expect(throws: StageError.self) {
      try StageDescription(DocumentsEmbed.self).configured(["maximumLength": 7])
    }
    #expect(error?.description.contains("below 8") == true)
  }

  /// Every vector asks for its neighbors: of a thousand, each place is once the best one's.
  @Test(arguments: [[1000], [1, 999], [99, 1, 400, 500], [250, 250, 250, 250]])
  func neighborsEqualBruteForce(_ chunks: [Int]) throws {
    var random = SeededShuffle(seed: 3, epoch: 0)
    let size = 16, count = 1000, top = 100
    var vectors = (0..<(count * size)).map { _ in Float(Int(random.next() % 2001) - 1000) / 1000 }
    for row in stride(from: 0, to: vectors.count, by: size) {
      let length = vectors[row..<(row + size)].reduce(0) { $0 + $1 * $1 }.squareRoot()
      for i in row..<(row + size) { vectors[i] /= length }
    }
    let path = temporaryDirectory() + "/queries.safetensors"
    try Safetensors.write([TensorSource("vectors", shape: [count, size], floats: vectors)], to: path)
    var search = try NeighborSearch(path, top: top, testEngine!, .cpu)
    var next = 0
    for chunk in chunks {
      let part = Array(vectors[(next * size)..<((next + chunk) * size)])
      try search.add(part, from: next, count: chunk)
      next += chunk
    }
    try Safetensors.write(search.tensors(), to: path)
    let found = try SafetensorsFile(path).withBytes(of: "texts") { (_, bytes) in
      (0..<(count * top)).map { Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self)) }
    }
    #expect((0..<count).allSatisfy { found[$0 * top] == $0 }, "each vector is the nearest to itself")
    for query in stride(from: 0, to: count, by: 29) {
      let scores = (0..<count).map { text in
        (0..<size).reduce(0.0) { $0 + Double(vectors[query * size + $1]) * Double(vectors[text * size + $1]) }
      }
      let best = scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(top)
      let ours = found[(query * top)..<((query + 1) * top)]
      // Sums in float32 may part neighbors that lie within a rounding.
      let last = scores[best.last!]
      #expect(Set(ours).count == top && ours.allSatisfy { scores[$0] > last - 1e-5 })
      #expect(zip(ours, best).allSatisfy { abs(scores[$0] - scores[$1]) < 1e-5 })
    }
  }

  @Test func similarSentencesAreScored() throws {
    let model = try TinyModel(.ropeBERT)
    let path = model.folder + "/pairs.json"
    try FileSystem.write(Array(TinyTask.lines(.jsts, 30).utf8), to: path)
    let other: JSONValue = ["model": "Other", "scores": ["STS Spearman": .number(0.5), "STS Pearson": .number(-0.5)]]
    try FileSystem.write(Array(other.text().utf8), to: model.folder + "/other.json")
    let options: JSONValue = [
      "validation": .string(path), "test": .string(path), "device": "cpu", "model": "Own",
    ]
    let stage = try StageHarness(EvaluateSTS.self, options: options)
    stage.add(files: [try artifact(model.folder, "other.json")], to: "baselines", from: "other")
    let harness = try start(stage, model)
    let json = try JSONValue.parse(try FileSystem.read(harness.files("metrics")[0].path)).value
    let chosen = try #require(json["similarity"]?.string)
    let best = Similarity.choices.map { json["validation"]![$0.rawValue]!["spearman"]!.double! }.max()
    #expect(json["validation"]![chosen]!["spearman"]!.double == best)
    #expect(json["spearman"] == json["test"]![chosen]!["spearman"])
    #expect(json["scores"]?["STS Spearman"] == json["spearman"] && json["baseline"]?["model"] == "Other")
    let difference = try #require(json["baseline"]?["differences"]?["STS Spearman"]?.double)
    #expect(abs(difference - (json["spearman"]!.double! - 0.5)) < 1e-12)
    let page = String(decoding: try FileSystem.read(harness.files("report")[0].path), as: UTF8.self)
    #expect(
      page.contains("| model | STS Spearman | Δ | STS Pearson | Δ |")
        && page.contains("| Other | 0.500 |  | -0.500 |  |"))
    #expect(page.contains("| **Own** | ") && page.contains("Δ: the difference from Other."))
  }

  /// A model's prefix of queries is before each sentence, as JMTEB has it; an option takes its place.
  @Test func sentencesHaveTheModelsPrefix() throws {
    let model = try TinyModel(.ropeBERT)
    let path = model.folder + "/pairs.json"
    try FileSystem.write(Array(TinyTask.lines(.jsts, 30).utf8), to: path)
    func scores(_ members: [JSONMember], settings: EmbeddingSettings? = nil) throws -> JSONValue {
      let own = ["validation", "test"].map { JSONMember($0, .string(path)) } + [JSONMember("device", "cpu")]
      let stage = try StageHarness(EvaluateSTS.self, options: .object(own + members))
      if let settings { stage.add(files: [try written(settings, model)], to: "checkpoint", from: "settings") }
      let file = try #require(try start(stage, model).files("metrics").first)
      return try JSONValue.parse(FileSystem.read(file.path)).value
    }
    var settings = EmbeddingSettings()
    (settings.queryPrefix, settings.documentPrefix) = ("東京、", "大阪")
    let plain = try scores([]), option = try scores([JSONMember("queryPrefix", "東京、")])
    #expect(option != plain)
    #expect(try scores([], settings: settings) == option)
    #expect(try scores([JSONMember("queryPrefix", "")], settings: settings) == plain)
  }

  private func written(_ settings: EmbeddingSettings, _ model: TinyModel) throws -> ArtifactFile {
    try FileSystem.write(Array(settings.json.text().utf8), to: "\(model.folder)/\(EmbeddingSettings.fileName)")
    return try artifact(model.folder, EmbeddingSettings.fileName)
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
    func run(_ settings: EmbeddingSettings?) throws -> StageHarness {
      let stage = try StageHarness(
        EvaluateRetrieval.self,
        options: [
          "queries": .string(model.folder + "/queries.jsonl"), "corpus": .string(model.folder + "/corpus"),
          "judgments": .string(model.folder + "/qrels.tsv"), "device": "cpu",
        ])
      if let settings { stage.add(files: [try written(settings, model)], to: "checkpoint", from: "settings") }
      return try start(stage, model)
    }
    let harness = try run(nil)
    #expect(harness.files("found").count == 2)
    func figures(_ harness: StageHarness) throws -> JSONValue {
      try JSONValue.parse(try FileSystem.read(harness.files("metrics")[0].path)).value
    }
    var settings = EmbeddingSettings()
    settings.pooling = .cls
    #expect(try figures(run(settings))["pooling"] == "cls")
    let json = try figures(harness)
    #expect(json["pooling"] == "mean")
    #expect(json["queries"] == 3 && json["recall@100"]?.double == 1)
    #expect(json["nDCG@10"]!.double! > 0.8)
    for name in ["MRR@10", "MAP@100", "recall@10", "accuracy@1", "accuracy@3", "accuracy@5", "accuracy@10"] {
      #expect((0.5...1).contains(try #require(json[name]?.double)), "\(name)")
    }
  }
}

@Suite struct ModelCardTests {
  @Test func theCardHoldsWhatWasMeasured() throws {
    let model = try TinyModel(.mosaicBERT)
    let convert = try StageHarness(HuggingFaceConvert.self)
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
      ModelCard.self,
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
    let baseline: JSONValue = ["model": "Base", "scores": ["JCommonsenseQA accuracy": .number(0.8)]]
    harness.add(
      files: [try metrics("jglue.json", ["baseline": baseline, "tasks": ["jcommonsenseqa": task]])], to: "metrics",
      from: "jglue")
    harness.add(
      files: [try metrics("sts.json", ["model": "Tiny", "pooling": "mean", "scores": ["STS Spearman": .number(0.5)]])],
      to: "metrics", from: "sts")
    try harness.run()
    let names = harness.files("model").map(\.name)
    #expect(Set(names) == Set(convert.files("model").map(\.name) + ["README.md"]))
    let readme = try #require(harness.files("model").first { $0.name == "README.md" })
    let text = String(decoding: try FileSystem.read(readme.path), as: UTF8.self)
    #expect(text.hasPrefix("---\nlanguage:\n- \"ja\"\nlicense: \"apache-2.0\"\n"))
    for part in [
      "# Tiny", "trust_remote_code=True", "| A\\|B | CC BY-SA 4.0 |", "| wiki | 1,234 | 5,000,000 | 100.00 % |",
      "| steps | 1,000 |", "| learningRate | 0.0003 |", "| GPU hours | 0 |",
      "| task | metric | score | Base | Δ | deviation | learning rate | epochs | seeds |",
      "| JCommonsenseQA | accuracy | 0.812 | 0.800 | +0.012 | 0.010 | 5e-05 | 4 | 3 |",
      "Stage `sts`, pooling mean:", "| metric | score |", "| STS Spearman | 0.5000 |",
    ] { #expect(text.contains(part), "\(part)") }
  }
}
