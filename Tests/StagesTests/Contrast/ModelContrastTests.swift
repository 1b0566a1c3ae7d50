import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct ModelContrastTests {
  private func run(
    _ options: [JSONMember], _ model: TinyModel, documents: [[Document]] = [], settings: ArtifactFile? = nil
  ) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let stage = try StageHarness(ModelContrast.self, options: .object(options + [JSONMember("device", "cpu")]))
    stage.add(files: try model.checkpoint + (settings.map { [$0] } ?? []), to: "checkpoint")
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

  /// Each fault is found before anything is drawn.
  @Test func whatTrainsNothingIsRefused() throws {
    let model = try TinyModel(.mosaicBERT)
    let job = try Contrasts.job(model, examples: 20, negatives: 1)
    func refuse(_ options: [JSONMember], _ documents: [[Document]], _ text: String) {
      #expect { try run(options, model, documents: documents) } throws: { "\($0)".contains(text) }
    }
    refuse([JSONMember("dropout", 0)], [documents(0..<3)], "the two vectors of a sentence of the documents are equal")
    refuse([], [[]], "have 0 different sentences of 10 to 300 characters")
    let stage = try StageHarness(ModelContrast.self, options: ["pairs": .string(job.examples[0]), "device": "cpu"])
    stage.add(files: try model.checkpoint, to: "checkpoint")
    stage.add(files: try model.tokenizerFiles, to: "tokenizer")
    try stage.add(documents: [documents(0..<3)])
    #expect { try stage.run() } throws: { "\($0)".contains("documents are wired too") }
    #expect(stage.manifests.isEmpty)
  }

  /// Sentences of documents have a limit of their own; pairs that do not belong together are counted.
  @Test func examplesAreLimitedAndCounted() throws {
    let model = try TinyModel(.mosaicBERT)
    let drawn = try run(
      [
        JSONMember("maximumExamples", 4), JSONMember("sentences", 20), JSONMember("minimumCharacters", 4),
        JSONMember("batchSize", 5),
      ], model, documents: [documents(0..<12)])
    #expect(drawn.warnings.isEmpty && drawn.metrics["sentences"] == 20)
    func examples(_ stage: StageHarness) throws -> JSONValue? {
      let file = try #require(stage.files("metrics").first { $0.name == "contrast.json" })
      return try JSONValue.parse(FileSystem.read(file.path)).value["examples"]
    }
    #expect(try examples(drawn) == 20)
    let lines = (0..<9).map { number in
      let label: JSONValue = number % 3 == 0 ? "neutral" : "entailment"
      let members: JSONValue = [
        "sentence1": .string(Contrasts.text(number)), "sentence2": .string(Contrasts.text(100 + number)),
        "label": label,
      ]
      return members.text()
    }
    let path = model.folder + "/jnli.jsonl"
    try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: path)
    let pairs = [JSONMember("pairs", .string(path)), JSONMember("batchSize", 2)]
    let all = try run(pairs, model), some = try run(pairs + [JSONMember("maximumExamples", 4)], model)
    #expect(try examples(all) == 6 && all.warnings == ["pairs-left-out": 3])
    #expect(try examples(some) == 4 && some.warnings == ["pairs-left-out": 2])
  }

  /// What a task is admitted by grows with what goes through the model at once, not with documents beyond the sample.
  @Test func memoryIsOfTheSampleAndTheMicrobatch() throws {
    let model = try TinyModel(.mosaicBERT)
    func memory(_ change: (inout ModelContrast.Options) -> Void, gibibytes: Int = 1) throws -> Int {
      var options = ModelContrast.Options()
      options.compute.device = .cpu
      change(&options)
      func wired(_ files: [ArtifactFile]) -> [WiredArtifact] {
        [WiredArtifact(stage: "upstream", port: "output", files: files)]
      }
      var context = NodeContext(
        inputs: [
          "checkpoint": wired(try model.checkpoint), "tokenizer": wired(try model.tokenizerFiles),
          "documents": wired([]),
        ], base: "/")
      context.outputs["sentences"] = [
        ArtifactFile(path: "/", name: "0.jsonl", bytes: Int64(gibibytes) << 30, digest: Digester.digest([]))
      ]
      return try ModelContrast(options: options).tasks(of: .train, in: context)[0].resources.memoryBytes
    }
    #expect(try memory({ $0.sentences = 1000 }) == memory({ $0.sentences = 1000 }, gibibytes: 100))
    #expect(try memory({ $0.sentences = 1_000_000 }) > memory({ $0.sentences = 1000 }))
    let whole = try memory({ ($0.sentences, $0.tuning.batchSize) = (1000, 4096) })
    let parts = try memory({ ($0.sentences, $0.tuning.batchSize, $0.tuning.microbatchSize) = (1000, 4096, 128) })
    #expect(try parts == memory({ ($0.sentences, $0.tuning.batchSize) = (1000, 128) }) && whole > parts + 1 << 30)
  }

  /// Of pairs, all negatives of a step go through the model: as many as its examples have at most.
  @Test func memoryIsOfTheNegatives() throws {
    let model = try TinyModel(.mosaicBERT)
    func memory(_ negatives: [Int], batch: Int, microbatch: Int = 0) throws -> Int {
      let path = temporaryDirectory() + "/pairs.jsonl"
      let lines = negatives.map { count -> String in
        let texts = (0..<count).map { "\($0)" }
        let line: JSONValue = ["anchor": "a", "positive": "b", "negatives": .strings(texts)]
        return line.text()
      }
      try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: path)
      var options = ModelContrast.Options()
      (options.compute.device, options.pairs, options.processes) = (.cpu, InputFiles([path]), 1)
      (options.tuning.batchSize, options.tuning.microbatchSize) = (batch, microbatch)
      func wired(_ files: [ArtifactFile]) -> [WiredArtifact] {
        [WiredArtifact(stage: "upstream", port: "output", files: files)]
      }
      let context = NodeContext(
        inputs: ["checkpoint": wired(try model.checkpoint), "tokenizer": wired(try model.tokenizerFiles)], base: "/")
      return try ModelContrast(options: options).tasks(of: .train, in: context)[0].resources.memoryBytes
    }
    func isSame(_ a: Int, _ b: Int) -> Bool { abs(a - b) < 4 << 20 }
    let none = Array(repeating: 0, count: 4096), twelve = Array(repeating: 12, count: 4096)
    #expect(try isSame(memory(twelve, batch: 512), memory(none, batch: 7 * 512)))
    #expect(try memory(twelve, batch: 512) > memory(none, batch: 512) + 256 << 20)
    #expect(try isSame(memory(twelve, batch: 512, microbatch: 64), memory(none, batch: 7 * 64)))
    // One example with many is in one step.
    #expect(try isSame(memory(none + [2048], batch: 512), memory(none, batch: 1536)))
  }

  /// A model whose texts are cut for its vectors is cut no earlier than the texts that it is trained with.
  @Test func textsAreCutNoEarlierThanInTraining() throws {
    for (own, kept) in [(16, 24), (30, 30), (nil, nil)] as [(Int?, Int?)] {
      let model = try TinyModel(.mosaicBERT)
      var settings = EmbeddingSettings()
      settings.maximumLength = own
      let path = "\(model.folder)/\(EmbeddingSettings.fileName)"
      try FileSystem.write(Array(settings.json.text().utf8), to: path)
      let pairs = model.folder + "/pairs.jsonl"
      let lines = ["東", "京", "大", "阪"].map { #"{"anchor": "\#($0)", "positive": "名古屋"}"# + "\n" }
      try FileSystem.write(Array(lines.joined().utf8), to: pairs)
      let file = ArtifactFile(
        path: path, name: EmbeddingSettings.fileName, bytes: FileSystem.status(path)!.bytes,
        digest: try Digester.digest(file: path))
      let run = try run(
        [JSONMember("pairs", .string(pairs)), JSONMember("batchSize", 2), JSONMember("maximumLength", 24)], model,
        settings: file)
      let written = try #require(run.files("checkpoint").first { $0.name == EmbeddingSettings.fileName })
      #expect(try EmbeddingSettings(path: written.path).maximumLength == kept)
    }
  }

  @Test func linesThatAreNoExamplesAreNamed() throws {
    func examples(_ line: String) throws -> [ContrastExample] {
      let path = temporaryDirectory() + "/pairs.jsonl"
      try FileSystem.write(Array("{\"anchor\": \"a\"}\n\(line)\n".utf8), to: path)
      return Array(try ContrastExamples([path]).examples.dropFirst())
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
      #"{"sentence1": "a", "sentence2": "b", "label": "Entailment"}"#, #"{"sentence1": "a", "sentence2": "b"}"#,
    ] {
      let error = #expect(throws: ShardError.self) { try examples(line) }
      #expect(error?.description.contains("pairs.jsonl:2") == true, "\(line)")
    }
  }

  /// The Hub's files of JNLI have its classes as numbers, those of JSTS scores.
  @Test func numbersAreClassesOrScores() throws {
    func anchors(_ labels: [String], minimumScore: Double = 4) throws -> [String] {
      let path = temporaryDirectory() + "/pairs.jsonl"
      let lines = labels.enumerated().map { #"{"sentence1": "\#($0)", "sentence2": "b", "label": \#($1)}"# + "\n" }
      try FileSystem.write(Array(lines.joined().utf8), to: path)
      return try ContrastExamples([path], minimumScore: minimumScore).examples.map(\.anchor)
    }
    #expect(try anchors(["1", "0", "2", "0"]) == ["1", "3"])
    #expect(try anchors(["1", "0", "2", "0"], minimumScore: 2) == ["2"])
    #expect(try anchors(["0", "1", "2", "4"]) == ["3"])
    #expect(try anchors(["0", "1", "2", "4.5", "0.0"]) == ["3"])
    #expect(try anchors(["0", "1"], minimumScore: 1) == ["1"])
    for labels in [["0", "1"], ["0"], ["2", "1"]] {
      #expect { try anchors(labels) } throws: { "\($0)".contains("may be scores below minimumScore (4.0) or classes") }
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
    // An ideographic space is none of a sentence; a halfwidth full stop ends one.
    #expect(sentences("　東京です。\n東京です。　大阪です｡　　名古屋です｣｡ 　\n　　") == ["東京です。", "大阪です｡", "名古屋です｣｡"])
    let many = (0..<400).map { "第\($0)の文です。" }
    var forward = SentenceSample(size: 10, characters: 2...20, seed: 1), backward = forward
    for text in many { forward.add(text: Array(text.utf8)) }
    for text in many.reversed() { backward.add(text: Array((text + text).utf8)) }
    #expect(forward.sentences() == backward.sentences() && forward.sentences().count == 10)
  }
}
