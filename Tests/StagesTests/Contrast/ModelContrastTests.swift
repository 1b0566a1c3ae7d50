import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct ModelContrastTests {
  private func run(_ options: [JSONMember], _ model: TinyModel, documents: [[Document]] = []) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let stage = try StageHarness(ModelContrast.self, options: .object(options + [JSONMember("device", "cpu")]))
    stage.add(files: try model.checkpoint, to: "checkpoint")
    stage.add(files: try model.tokenizerFiles, to: "tokenizer")
    if !documents.isEmpty { try stage.add(documents: documents) }
    return try stage.run()
  }

  private func documents(_ numbers: some Sequence<Int>) -> [Document] {
    numbers.map { number in
      let text = (0..<5).map { Contrasts.text(number * 5 + $0) + "。" }.joined()
      return Document(id: "d\(number)", text: text, source: "test")
    }
  }

  private func bytes(_ stage: StageHarness, _ name: String) throws -> [UInt8] {
    try FileSystem.read(try #require(stage.files("checkpoint").first { $0.name == name }).path)
  }

  /// The files that documents are in do not matter, nor do documents without sentences of the wanted length.
  @Test func sentencesOfDocumentsAreLearned() throws {
    let model = try TinyModel(.mosaicBERT)
    let options = [
      JSONMember("sentences", 40), JSONMember("minimumCharacters", 4), JSONMember("batchSize", 10),
      JSONMember("learningRate", .number(1e-3)), JSONMember("epochs", 2), JSONMember("pooling", "cls"),
      JSONMember("queryPrefix", "東"),
    ]
    let one = try run(options, model, documents: [documents(0..<12)])
    let three = try run(options, model, documents: [documents(7..<12), [], documents(0..<7)])
    #expect(one.ledger.imbalance == 0 && one.ledger.input.documents == 12)
    #expect(try bytes(one, "weights.safetensors") == bytes(three, "weights.safetensors"))
    let settings = try JSONValue.parse(bytes(one, "embedding.json")).value
    #expect(settings["pooling"] == "cls" && settings["queryPrefix"] == "東" && settings["normalizes"] == true)
    let metrics = try #require(one.files("metrics").first { $0.name == "contrast.json" })
    let json = try JSONValue.parse(FileSystem.read(metrics.path)).value
    #expect(json["steps"] == 8 && json["examples"] == 40 && json["pooling"] == "cls")
    #expect(try bytes(one, "weights.safetensors") != FileSystem.read(model.folder + "/weights.safetensors"))
  }

  /// What a model was trained with is the default of the next training, and of vectors.
  @Test func laterStagesTakeTheModelsPooling() throws {
    let model = try TinyModel(.bert)
    let job = try Contrasts.job(model, examples: 20, negatives: 1)
    let pairs = [JSONMember("pairs", .string(job.examples[0])), JSONMember("batchSize", 5)]
    let first = try run(pairs + [JSONMember("pooling", "pooler"), JSONMember("documentPrefix", "大")], model)
    let second = try StageHarness(
      ModelContrast.self, options: .object(pairs + [JSONMember("device", "cpu"), JSONMember("processes", 2)]))
    second.add(files: first.files("checkpoint"), to: "checkpoint")
    second.add(files: try model.tokenizerFiles, to: "tokenizer")
    try second.run()
    let settings = try JSONValue.parse(bytes(second, "embedding.json")).value
    #expect(settings["pooling"] == "pooler" && settings["documentPrefix"] == "大")
    let texts = documents(0..<3)
    func vectors(_ options: JSONValue, _ model: [ArtifactFile], _ own: TinyModel) throws -> [Float] {
      let stage = try StageHarness(DocumentsEmbed.self, options: options)
      try stage.add(documents: [texts])
      stage.add(files: model, to: "checkpoint")
      stage.add(files: try own.tokenizerFiles, to: "tokenizer")
      try stage.run()
      return try SafetensorsFile(stage.files("vectors")[0].path).floats(of: "vectors")
    }
    let trained = second.files("checkpoint")
    let own = try vectors(["device": "cpu"], trained, model)
    let named = try vectors(["device": "cpu", "pooling": "pooler", "prefix": "大"], trained, model)
    #expect(own == named)
    #expect(try vectors(["device": "cpu", "pooling": "mean", "prefix": "大"], trained, model) != own)
    let bare = trained.filter { $0.name != "embedding.json" }
    #expect(
      try vectors(["device": "cpu"], bare, model)
        == vectors(["device": "cpu", "pooling": "mean", "prefix": ""], trained, model))
  }

  @Test func linesThatAreNoExamplesAreNamed() throws {
    func examples(_ line: String) throws -> [ContrastExample] {
      let path = temporaryDirectory() + "/pairs.jsonl"
      try FileSystem.write(Array("{\"anchor\": \"a\"}\n\(line)\n".utf8), to: path)
      return Array(try ContrastExample.read([path]).dropFirst())
    }
    #expect(
      try examples(#"{"query": "a", "pos": ["b", "c"], "neg": ["d"]}"#)
        == ["b", "c"].map { ContrastExample(anchor: "a", positive: $0, negatives: ["d"]) })
    #expect(try examples(#"{"text": "a", "negatives": "b"}"#)[0].negatives == ["b"])
    let pair = [ContrastExample(anchor: "a", positive: "b")]
    for (label, found) in [("4.0", pair), ("3.9", []), (#""entailment""#, pair), (#""neutral""#, [])] {
      #expect(try examples(#"{"sentence1": "a", "sentence2": "b", "label": \#(label)}"#) == found, "\(label)")
    }
    for line in [
      #"{"positive": "a"}"#, #"{"anchor": "a", "positive": 3}"#, #"{"anchor": "a", "negatives": ["b", 1]}"#,
      #"{"anchor": ""}"#, #"{"anchor": "a", "positive": ""}"#, "[]", "{",
    ] {
      let error = #expect(throws: ShardError.self) { try examples(line) }
      #expect(error?.description.contains("pairs.jsonl:2") == true, "\(line)")
    }
  }

  @Test func sentencesEndWhereTheyShould() {
    func sentences(_ text: String, size: Int = 100) -> Set<String> {
      var sample = SentenceSample(size: size, characters: 2...20, seed: 1)
      sample.add(text: Array(text.utf8))
      return Set(sample.sentences().map { String(decoding: $0.text, as: UTF8.self) })
    }
    #expect(sentences("東京です。大阪です！？\n名古屋") == ["東京です。", "大阪です！？", "名古屋"])
    #expect(sentences("「はい。」と言う。 (Yes!) 3.5 km. It is.") == ["「はい。」", "と言う。", "(Yes!)", "3.5 km.", "It is."])
    #expect(sentences("あ\r\n\n東京です。東京です。" + String(repeating: "長", count: 21)) == ["東京です。"])
    let many = (0..<400).map { "第\($0)の文です。" }
    var forward = SentenceSample(size: 10, characters: 2...20, seed: 1), backward = forward
    for text in many { forward.add(text: Array(text.utf8)) }
    for text in many.reversed() { backward.add(text: Array((text + text).utf8)) }
    #expect(forward.sentences() == backward.sentences() && forward.sentences().count == 10)
  }
}
