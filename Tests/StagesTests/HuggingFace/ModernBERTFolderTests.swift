import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("huggingface_models.py")
private let answers = PeerScript("baseline_bert.py")

private func folder(_ harness: StageHarness, _ port: String) throws -> String {
  let path = try #require(harness.files(port).first).path
  return String(path[..<path.lastIndex(of: "/")!])
}

/// Folders of ModernBERT as transformers 4 and 5 save them, with random weights and tokenizers of the published kinds.
@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct ModernBERTFolderTests {
  private func saved(_ form: String, _ flags: [String]) throws -> String {
    let saved = temporaryDirectory()
    _ = try #require(peer.run(flags + ["save", saved, form]))
    return saved
  }

  private func read(_ saved: String) throws -> StageHarness {
    try StageHarness(HuggingFaceRead.self, options: ["folder": .string(saved)]).run()
  }

  private func converted(_ back: StageHarness) throws -> StageHarness {
    let harness = try StageHarness(HuggingFaceConvert.self)
    harness.add(files: back.files("checkpoint"), to: "checkpoint")
    harness.add(files: back.files("tokenizer"), to: "tokenizer")
    return try harness.run()
  }

  private func isClose(_ value: JSONValue?) -> Bool { (value?.double ?? .infinity) < 1e-4 }

  /// transformers' logits are those of the checkpoint that was read, and those of the folder that it is written into.
  @Test(arguments: [
    ("modern", [String]()), ("modern-ja", ["--transformers5"]), ("modern-biases", ["--transformers5"]),
  ])
  func aPublishedFormGoesBothWays(_ form: String, _ flags: [String]) throws {
    let saved = try saved(form, flags)
    defer { try? FileSystem.removeTree(saved) }
    let back = try read(saved)
    #expect(back.warnings.isEmpty, "\(back.warnings)")
    let shape = try ModelShape(path: try #require(back.files("checkpoint").first { $0.name == "model.json" }).path)
    #expect(shape.modern.localAttention == 6 && shape.modern.localRotaryBase == 9000 && shape.rotaryBase == 160_000)
    #expect(shape.tiesDecoder == (form != "modern-biases") && shape.modern.normBias == (form == "modern-biases"))
    let batch = saved + "/batch.safetensors", checkpoint = try folder(back, "checkpoint")
    let output = try #require(peer.run(flags + ["logits", saved, checkpoint, batch]))
    #expect(try isClose(JSONValue.parse(output).value["difference"]))

    let conversion = try converted(back), written = try folder(conversion, "model")
    for release in [[], ["--transformers5"]] {
      let said = try #require(peer.run(release + ["load", written, checkpoint, batch]))
      let result = try JSONValue.parse(said).value
      #expect(isClose(result["difference"]) && isClose(result["eager"]), "\(said)")
      #expect(result["missing"]?.array == [] && result["unexpected"]?.array == [], "\(said)")
      #expect(result["class"] == "ModernBertForMaskedLM" && result["tied"] == .bool(shape.tiesDecoder))
      #expect(result["maximum"] == 64)
    }
    // Texts have the ids that they had.
    let texts = saved + "/texts"
    try FileSystem.write(Array("東京は都市である。\nThe lazy dog.\n".utf8), to: texts)
    let asked = [flags + ["ids", saved, texts], ["ids", written, texts]]
    let ids = try asked.map { try #require(peer.run($0)) }
    #expect(ids[0] == ids[1] && ids[0].count > 20 && conversion.warnings.isEmpty)
  }

  @Test(arguments: [[], ["--transformers5"]]) func aModelWithoutAHeadIsRead(_ flags: [String]) throws {
    let saved = try saved("modern-bare", flags)
    defer { try? FileSystem.removeTree(saved) }
    let back = try read(saved)
    #expect(back.warnings == ["no-language-head": 1])
    let weights = try SafetensorsFile(try #require(back.files("checkpoint").last).path)
    let shape = try ModelShape(path: try #require(back.files("checkpoint").first).path)
    #expect(Set(weights.entries.map(\.name)) == Set(shape.encoderParameters.map(\.name)))
  }

  /// A classifier by the mean of the tokens' vectors: its task and its scores come in and go out.
  @Test(arguments: [[], ["--transformers5"]]) func aClassifierGoesBothWays(_ flags: [String]) throws {
    let saved = try saved("modern-mean", flags)
    defer { try? FileSystem.removeTree(saved) }
    let back = try read(saved)
    #expect(back.warnings.isEmpty, "\(back.warnings)")
    let conversion = try converted(back)
    let checkpoint = try folder(back, "checkpoint"), written = try folder(conversion, "model")
    let batch = saved + "/batch.safetensors"
    let theirs = try [saved, written].map { (place: String) -> [Double] in
      let said = try JSONValue.parse(try #require(answers.run(flags + ["task", place, batch]))).value
      #expect(said["class"] == "ModernBertForSequenceClassification" && said["labels"] == .strings(["a", "b", "c"]))
      #expect(said["missing"]?.array == [] && said["unexpected"]?.array == [])
      return try #require(said["scores"]?.array).compactMap(\.double)
    }
    let engine = testEngine!, shape = try ModelShape(path: checkpoint + "/model.json")
    let head = try TunedTask(tuned: checkpoint + "/task.json").head
    let parameters = try Parameters(shape.encoderParameters + head.parameters(shape), engine: engine, device: .cpu)
    try parameters.load(folder: checkpoint)
    let file = try SafetensorsFile(batch)
    let ids = try file.withBytes(of: "ids") { (_, bytes) in
      (0..<60).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
    }
    let sequences = [20, 7, 13].enumerated().map { row, count in
      TokenSequence(ids: Array(ids[row * 20..<row * 20 + count]), types: [Int32](repeating: 0, count: count))
    }
    let input = try EncoderInput(sequences, padding: shape.padding, engine: engine, device: .cpu)
    let model = FinetunedModel(shape.encoder(parameters), parameters, head)
    let ours = try engine.withoutGradient { () throws(TorchError) in
      try model.scores(input, training: false).floats()
    }
    #expect(ours.count == 9 && conversion.warnings.isEmpty && shape.modern.classifierPooling == .mean)
    for scores in theirs { #expect(zip(ours, scores).allSatisfy { abs(Double($0) - $1) < 1e-4 }) }
  }
}

@Suite struct ModernBERTConfigurationTests {
  @Test(
    arguments: [
      (["hidden_activation": "silu"], "hidden_activation is 'silu'; only 'gelu'"),
      (["classifier_pooling": "max"], "classifier_pooling is 'max'"),
      (["layer_types": .strings(["full_attention", "full_attention"])], "layer_types is not a global layer"),
      (
        ["layer_types": .strings(["sliding_attention", "full_attention", "sliding_attention", "full_attention"])],
        "layer_types is not a global layer"
      ),
      (
        ["layer_types": .strings(["full_attention", "chunked", "chunked", "full_attention"])],
        "layer_types is not a global layer"
      ),
      (
        ["rope_parameters": ["full_attention": ["rope_type": "yarn", "rope_theta": .number(1e4)]]],
        "rope_type of full_attention is 'yarn'"
      ),
      (["rope_scaling": ["factor": 2]], "rope_scaling is"), (["local_attention": 0], "localAttention is 0"),
      (["auto_map": ["AutoModel": "a.B"]], "auto_map"),
      (["hidden_size": "many"], "hidden_size is \"many\", not an integer"),
      (["hidden_size": .null], "no integer 'hidden_size'"), (["norm_bias": 1], "norm_bias is 1, not true or false"),
      (["local_attention": .number(128.5)], "local_attention is 128.5, not an integer"),
      (["classifier_pooling": 3], "classifier_pooling is 3, not a text"),
      (["layer_types": "full_attention"], "layer_types is \"full_attention\", not a list"),
      (["mlp_dropout": "0.1"], "mlp_dropout is \"0.1\", not a number"),
      (["rope_parameters": .list([])], "rope_parameters is [], not an object"),
      (
        ["rope_parameters": ["sliding_attention": ["rope_theta": "1e4"]]],
        "rope_parameters.sliding_attention.rope_theta is \"1e4\", not a number"
      ),
    ] as [(JSONValue, String)])
  func whatCannotBeComputedIsRefused(_ change: JSONValue, _ message: String) throws {
    var members = HuggingFaceConfiguration.json(TinyModel.shape(.modernBERT)).members!
    for member in change.members! {
      members.removeAll { $0.key == member.key }
      members.append(member)
    }
    #expect { try HuggingFaceConfiguration.shape(.object(members), path: "config.json") } throws: {
      "\($0)".contains(message)
    }
  }

  /// A larger head could be read, but not used.
  @Test func headsOfTooManyLabelsAreRefused() throws {
    let json: JSONValue = ["architectures": .strings(["ModernBertForSequenceClassification"])]
    #expect(try HuggingFaceConfiguration.task(json, outputs: 1000, path: "config.json")?.labels.count == 1000)
    #expect { try HuggingFaceConfiguration.task(json, outputs: 1001, path: "config.json") } throws: {
      "\($0)".contains("describes a head of 1001 labels; heads of at most 1000 labels")
    }
  }

  /// Programs that have one type for numbers write whole ones with a point.
  @Test func wholeFloatsAreIntegers() throws {
    let json = HuggingFaceConfiguration.json(TinyModel.shape(.modernBERT))
    let floats = json.members!.map { member in
      JSONMember(member.key, member.value.integer.map { .number(Double($0)) } ?? member.value)
    }
    #expect(
      try HuggingFaceConfiguration.shape(.object(floats), path: "config.json")
        == HuggingFaceConfiguration.shape(json, path: "config.json"))
  }

  /// The same reader reads BERT's configuration.
  @Test(
    arguments: [
      (["tie_word_embeddings": "no"], "tie_word_embeddings is \"no\", not true or false"),
      (["type_vocab_size": .number(1.5)], "type_vocab_size is 1.5, not an integer"),
      (["hidden_act": 2], "hidden_act is 2, not a text"),
      (["layer_norm_eps": true], "layer_norm_eps is true, not a number"),
    ] as [(JSONValue, String)])
  func valuesOfAnotherTypeAreRefused(_ change: JSONValue, _ message: String) {
    var members = HuggingFaceConfiguration.json(TinyModel.shape(.bert)).members!
    members.removeAll { member in change.members!.contains { $0.key == member.key } }
    #expect { try HuggingFaceConfiguration.shape(.object(members + change.members!), path: "config.json") } throws: {
      "\($0)".contains(message)
    }
  }

  /// The keys that answerdotai/ModernBERT-base has, without layer types.
  @Test func olderKeysAreRead() throws {
    let json: JSONValue = [
      "architectures": .strings(["ModernBertForMaskedLM"]), "model_type": "modernbert", "vocab_size": 50_368,
      "hidden_size": 768, "num_hidden_layers": 22, "num_attention_heads": 12, "intermediate_size": 1152,
      "max_position_embeddings": 8192, "global_attn_every_n_layers": 3, "global_rope_theta": .number(160_000),
      "local_attention": 128, "local_rope_theta": .number(10_000), "layer_norm_eps": .number(1e-5),
      "norm_eps": .number(1e-5), "pad_token_id": 50_283, "position_embedding_type": "absolute",
      "classifier_pooling": "mean", "hidden_activation": "gelu", "tie_word_embeddings": true,
    ]
    let shape = try HuggingFaceConfiguration.shape(json, path: "config.json")
    #expect(shape.parameterCount == 149_655_232 && shape.padding == 50_283 && shape.dropout == 0)
    #expect(shape.modern.classifierPooling == .mean && shape.modern.globalAttentionEvery == 3)
    // Without a base of their own, local layers have the global one's.
    var members = json.members!
    members.removeAll { $0.key == "local_rope_theta" }
    let usual = try HuggingFaceConfiguration.shape(.object(members), path: "config.json")
    #expect(usual.modern.localRotaryBase == 10_000)
    members.append(JSONMember("local_rope_theta", .null))
    let same = try HuggingFaceConfiguration.shape(.object(members), path: "config.json")
    #expect(same.modern.localRotaryBase == 160_000)
  }
}
