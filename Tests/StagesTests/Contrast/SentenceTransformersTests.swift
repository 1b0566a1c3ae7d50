import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("sentence_vectors.py")

/// Models between pipeline and sentence-transformers.
@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && peer.isUsable, "needs Scripts/engine, Python with sentence-transformers"))
struct SentenceTransformersTests {
  private let texts = ["東京大阪。名古屋", "横浜。札幌", "京", "札幌の大阪、名古屋東京ひらがな", "カタカナ、名古屋"]

  private func artifact(_ folder: String, _ name: String) throws -> ArtifactFile {
    let path = "\(folder)/\(name)"
    return ArtifactFile(
      path: path, name: name, bytes: FileSystem.status(path)!.bytes, digest: try Digester.digest(file: path))
  }

  private func vectors(
    _ folder: String, _ tokenizer: String, _ settings: EmbeddingSettings, isQuery: Bool
  ) throws -> [Float] {
    let path = folder + "/texts.jsonl"
    try FileSystem.write(
      Array(texts.map { JSONValue.object([JSONMember("text", .string($0))]).text() }.joined(separator: "\n").utf8),
      to: path)
    var job = EmbeddingJob()
    (job.checkpoint, job.tokenizer, job.texts, job.result) = (folder, tokenizer, path, folder + "/ours.safetensors")
    job.prefix = isQuery ? settings.queryPrefix : settings.documentPrefix
    (job.pooling, job.normalizes) = (settings.pooling, settings.normalizes)
    try Embedding(job, engine: testEngine!).run()
    return try SafetensorsFile(job.result).floats(of: "vectors")
  }

  private func theirs(
    _ folder: String, prompt: String, _ texts: [String]? = nil
  ) throws -> (vectors: [Float], json: JSONValue) {
    let path = temporaryDirectory()
    try FileSystem.write(Array(JSONValue.strings(texts ?? self.texts).text().utf8), to: path + "/texts.json")
    let out = path + "/theirs.safetensors"
    let answer = try #require(peer.run("encode", folder, path + "/texts.json", out, prompt))
    return (try SafetensorsFile(out).floats(of: "vectors"), try JSONValue.parse(answer).value)
  }

  /// Written with its modules, loaded by the library, and read back.
  @Test(arguments: [
    (ModelShape.Kind.mosaicBERT, Pooling.mean, true), (.mosaicBERT, .cls, false), (.bert, .pooler, true),
    (.bert, .mean, false), (.modernBERT, .mean, true), (.modernBERT, .cls, false),
  ])
  func vectorsOfTheLibraryEqualOurs(_ kind: ModelShape.Kind, _ pooling: Pooling, _ normalizes: Bool) throws {
    let model = try TinyModel(kind, pooler: pooling == .pooler)
    var settings = EmbeddingSettings()
    (settings.pooling, settings.normalizes) = (pooling, normalizes)
    (settings.queryPrefix, settings.documentPrefix) = ("東", "大、")
    try FileSystem.write(Array(settings.json.text().utf8), to: "\(model.folder)/embedding.json")
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(files: try model.checkpoint + [artifact(model.folder, "embedding.json")], to: "checkpoint")
    convert.add(files: try model.tokenizerFiles, to: "tokenizer")
    try convert.run()
    let folder = ArchivePath.folder(of: try #require(convert.files("model").first { $0.name == "config.json" }).path)
    for (isQuery, prompt) in [(true, "query"), (false, "document")] {
      let ours = try vectors(model.folder, model.folder + "/tokenizer.json", settings, isQuery: isQuery)
      let theirs = try theirs(folder, prompt: prompt)
      #expect(ours.count == theirs.vectors.count)
      #expect(zip(ours, theirs.vectors).allSatisfy { abs($0 - $1) < 1e-5 })
      let modules =
        ["Transformer", "Pooling"] + (pooling == .pooler ? ["Dense"] : []) + (normalizes ? ["Normalize"] : [])
      #expect(theirs.json["modules"] == .strings(modules) && theirs.json["length"] == 40)
    }
    let read = try StageHarness(HuggingFaceRead.self, options: ["folder": .string(folder)])
    try read.run()
    func file(_ name: String) throws -> String { try #require(read.files("checkpoint").first { $0.name == name }).path }
    #expect(try EmbeddingSettings(path: file("embedding.json")) == settings)
    let own = try SafetensorsFile(model.folder + "/weights.safetensors")
    let back = try SafetensorsFile(file("weights.safetensors"))
    let pooler = try SentenceEncoder.poolingParameters(model.shape, pooling)
    for parameter in model.shape.encoderParameters + pooler {
      #expect(try own.floats(of: parameter.name) == back.floats(of: parameter.name), "\(parameter.name)")
    }
  }

  /// A model that the library itself has saved.
  @Test(arguments: Pooling.allCases) func modelsOfTheLibraryAreRead(_ pooling: Pooling) throws {
    let (saved, _) = try saved(TinyModel(.bert, pooler: true), pooling)
    let read = try StageHarness(HuggingFaceRead.self, options: ["folder": .string(saved)])
    try read.run()
    let folder = ArchivePath.folder(of: try #require(read.files("checkpoint").first { $0.name == "model.json" }).path)
    let tokenizer = try #require(read.files("tokenizer").first { $0.name == "tokenizer.json" }).path
    let settings = try EmbeddingSettings(path: folder + "/embedding.json")
    #expect(settings.pooling == pooling && settings.normalizes == (pooling != .pooler))
    #expect(settings.queryPrefix == "京" && settings.documentPrefix == "阪" && settings.maximumLength == nil)
    let ours = try vectors(folder, tokenizer, settings, isQuery: true)
    let theirs = try theirs(saved, prompt: "query").vectors
    #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) < 1e-5 })
    guard pooling == .pooler else { return }
    // As older releases of the library saved it.
    try FileSystem.rename("\(saved)/2_Dense/model.safetensors", to: "\(saved)/2_Dense/pytorch_model.bin")
    let older = try StageHarness(HuggingFaceRead.self, options: ["folder": .string(saved)])
    #expect { try older.run() } throws: { "\($0)".contains("/2_Dense/pytorch_model.bin: is PyTorch's own format") }
  }

  /// - Returns: the folder of the model that the library has saved, and the members of its configuration of lengths.
  private func saved(
    _ model: TinyModel, _ pooling: Pooling, length: Int? = nil
  ) throws -> (folder: String, members: [JSONValue]) {
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(files: try model.checkpoint, to: "checkpoint")
    convert.add(files: try model.tokenizerFiles, to: "tokenizer")
    try convert.run()
    #expect(!convert.files("model").contains { $0.name == "modules.json" }, "it was not trained for vectors")
    let source = ArchivePath.folder(of: try #require(convert.files("model").first { $0.name == "config.json" }).path)
    let saved = temporaryDirectory() + "/saved"
    let more = length.map { ["\($0)"] } ?? []
    let answer = try #require(peer.run(["save", source, saved, pooling.rawValue] + more))
    return (saved, try JSONValue.parse(answer).value.array ?? [])
  }

  /// Texts count as far as in the library, by default: as far as the saved model cuts them, and no less far where it takes
  /// thousands of tokens. The library states the length in the tokenizer's configuration alone.
  @Test(arguments: [(ModelShape.Kind.bert, 16, 40), (.modernBERT, 3000, 3000), (.modernBERT, 600, 700)])
  func longTextsCountAsFarAsInTheLibrary(_ kind: ModelShape.Kind, _ length: Int, _ places: Int) throws {
    let model = try TinyModel(kind) { $0.maximumLength = places }
    let (saved, members) = try saved(model, .mean, length: length)
    #expect(!members.isEmpty && !members.contains("max_seq_length"))
    let long = [14, 15, 60, 590, 650, 2900, 3100].map { count in
      (0..<count).map { ["東", "京", "大", "阪", "名", "古"][($0 * $0 + count) % 6] }.joined()
    }
    let theirs = try theirs(saved, prompt: "document", long)
    #expect(theirs.json["length"]?.integer == length)
    let read = try StageHarness(HuggingFaceRead.self, options: ["folder": .string(saved)])
    try read.run()
    func ours(_ options: JSONValue) throws -> [Float] {
      let stage = try StageHarness(DocumentsEmbed.self, options: options)
      TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
      try stage.add(documents: [long.enumerated().map { Document(id: "d\($0)", text: $1, source: "test") }])
      stage.add(files: read.files("checkpoint"), to: "checkpoint")
      stage.add(files: read.files("tokenizer"), to: "tokenizer")
      return try SafetensorsFile(try stage.run().files("vectors")[0].path).floats(of: "vectors")
    }
    let own = try ours(["device": "cpu"])
    #expect(own.count == theirs.vectors.count && own.count == long.count * 48)
    #expect(zip(own, theirs.vectors).allSatisfy { abs($0 - $1) < 1e-5 })
    let shorter = try ours(["device": "cpu", "maximumLength": 12])
    #expect(zip(shorter, theirs.vectors).contains { abs($0 - $1) > 1e-3 })
    // Written again, the model still cuts there.
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(files: read.files("checkpoint"), to: "checkpoint")
    convert.add(files: read.files("tokenizer"), to: "tokenizer")
    try convert.run()
    let file = try #require(convert.files("model").first { $0.name == "sentence_bert_config.json" })
    #expect(try JSONValue.parse(FileSystem.read(file.path)).value["max_seq_length"]?.integer == length)
  }

  /// A ModernBERT has a head where BERT has its pooler: it is no pooler of vectors.
  @Test func aModernBERTHasNoPooler() throws {
    let model = try TinyModel(.modernBERT)
    var settings = EmbeddingSettings()
    settings.pooling = .pooler
    #expect(throws: TorchError.self) {
      try vectors(model.folder, model.folder + "/tokenizer.json", settings, isQuery: true)
    }
    try FileSystem.write(Array(settings.json.text().utf8), to: "\(model.folder)/embedding.json")
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(files: try model.checkpoint + [artifact(model.folder, "embedding.json")], to: "checkpoint")
    convert.add(files: try model.tokenizerFiles, to: "tokenizer")
    let error = #expect(throws: StageError.self) { try convert.run() }
    #expect(error?.subject == "pooling" && error?.message.contains("ModernBERT") == true)
  }

  private func modules(_ files: [String: JSONValue], _ kinds: [String] = ["Transformer", "Pooling"]) throws
    -> SentenceTransformersModules?
  {
    let list = kinds.enumerated().map { place, kind -> JSONValue in
      [
        "path": .string(place == 0 ? "" : "\(place)_\(kind)"),
        "type": .string("sentence_transformers.models.\(kind)"),
      ]
    }
    let all = ["modules.json": .list(list), "1_Pooling/config.json": ["pooling_mode": "mean"]].merging(files) { $1 }
    return try SentenceTransformersModules { all[$0] }
  }

  /// What changes a text or a mean is refused, other settings are taken.
  @Test func settingsThatChangeVectorsAreRead() throws {
    func refuse(_ text: String, _ files: [String: JSONValue], _ kinds: [String] = ["Transformer", "Pooling"]) {
      #expect { try modules(files, kinds) } throws: { "\($0)".contains(text) }
    }
    refuse(
      "1_Pooling: include_prompt false",
      ["1_Pooling/config.json": ["pooling_mode_mean_tokens": true, "include_prompt": false]])
    refuse("sentence_bert_config.json: do_lower_case", ["sentence_bert_config.json": ["do_lower_case": true]])
    let unpooled = "modules.json: a list of modules without Pooling"
    refuse(unpooled, [:], ["Transformer"])
    refuse(unpooled, [:], ["Transformer", "Normalize"])
    refuse(unpooled, ["modules.json": [:]])
    func prompts(_ prompts: JSONValue, _ name: JSONValue) -> [String: JSONValue] {
      ["config_sentence_transformers.json": ["prompts": prompts, "default_prompt_name": name]]
    }
    refuse("default_prompt_name 'other'", prompts(["query": "q"], "other"))
    // The first token is the first one, prompt or not.
    let first = try modules(["1_Pooling/config.json": ["pooling_mode": "cls", "include_prompt": false]])
    #expect(first?.settings.pooling == .cls && first?.settings.maximumLength == nil)
    let older: JSONValue = ["max_seq_length": 128, "do_lower_case": false], tokenizer = "tokenizer_config.json"
    let unlimited = try JSONValue.parse("{\"model_max_length\": 1000000000000000019884624838656}").value
    for (files, length) in [
      (["sentence_bert_config.json": older], 128), (["sentence_xlm-roberta_config.json": older], 128),
      ([tokenizer: ["model_max_length": 64]], 64), ([tokenizer: ["max_len": 64]], 64), ([tokenizer: unlimited], nil),
      (["sentence_bert_config.json": older, tokenizer: ["model_max_length": 64]], 128),
      (["sentence_bert_config.json": ["max_seq_length": .null], tokenizer: ["model_max_length": 64]], 64),
    ] as [([String: JSONValue], Int?)] {
      #expect(try modules(files)?.settings.maximumLength == length, "\(files)")
    }
    for (json, name, query, document) in [
      (["query": "q", "passage": "p", "sts": "s"], "sts", "q", "p"), (["query": "q", "sts": "s"], "sts", "q", "s"),
      (["query": "q"], .null, "q", ""), (["sts": "s"], "sts", "s", "s"),
    ] as [(JSONValue, JSONValue, String, String)] {
      let settings = try modules(prompts(json, name))?.settings
      #expect(settings?.queryPrefix == query && settings?.documentPrefix == document)
    }
  }

  /// Vectors made in another way are refused by name; the encoder alone can still be read.
  @Test func otherModulesAreRefused() throws {
    func read(_ pooling: JSONValue, _ last: String = "Normalize") throws -> SentenceTransformersModules? {
      try SentenceTransformersModules { name in
        if name == "modules.json" {
          return .list(
            [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_\(last)", last)].map {
              ["path": .string($0.0), "type": .string("sentence_transformers.models.\($0.1)")]
            })
        }
        return name == "1_Pooling/config.json" ? pooling : nil
      }
    }
    #expect(try read(["pooling_mode_cls_token": true])?.settings.pooling == .cls)
    #expect(try read(["pooling_mode": "mean", "embedding_dimension": 8])?.settings.normalizes == true)
    for json in [
      ["pooling_mode_max_tokens": true], ["pooling_mode": "lasttoken"], [:],
      ["pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true],
    ] as [JSONValue] {
      let error = #expect(throws: StageError.self) { try read(json) }
      #expect(error?.description.contains("1_Pooling: pooling") == true)
    }
    #expect(throws: StageError.self) { try read(["pooling_mode": "cls"], "Dense") }
    #expect(try SentenceTransformersModules { _ in nil } == nil)
  }
}
