import PipelineKit
import ShardKit
import Synchronization
import TestKit
import TextKit
import TrainerCore
import Testing

@testable import Stages

private let peer = PeerScript("huggingface_models.py")
private let hasTransformers5 = peer.run("--transformers5") != nil

private func converted(_ model: TinyModel) throws -> StageHarness {
  let harness = try StageHarness(HuggingFaceConvert.self)
  harness.add(files: try model.checkpoint, to: "checkpoint")
  harness.add(files: try model.tokenizerFiles, to: "tokenizer")
  return try harness.run()
}

private func folder(_ harness: StageHarness) -> String {
  let path = harness.files("model")[0].path
  return String(path[..<path.lastIndex(of: "/")!])
}

private func read(_ folder: String) throws -> StageHarness {
  try StageHarness(HuggingFaceRead.self, options: ["folder": .string(folder)]).run()
}

@Suite struct ConvertTests {
  @Test func namesStandInTheModelOnce() {
    for kind in ModelShape.Kind.allCases {
      let shape = TinyModel.shape(kind)
      let pooler = kind == .modernBERT ? [] : shape.poolerParameters
      let parameters = shape.huggingFaceParameters(shape.parameters + pooler)
      let names = parameters.flatMap { $0.theirs.map(\.name) }
      #expect(Set(names).count == names.count)
      for parameter in parameters {
        #expect(parameter.theirs.reduce(0) { $0 + $1.count } == parameter.ours.count)
      }
    }
    let rope = TinyModel.shape(.ropeBERT)
    let nomic = rope.huggingFaceParameters(rope.parameters).flatMap { $0.theirs.map(\.name) }
    #expect(nomic.contains("nomic_bert.layers.1.self_attn.k_proj.weight"))
    #expect(nomic.contains("nomic_bert.layers.0.mlp.gate_proj.weight"))
    #expect(!nomic.contains { $0.hasPrefix("bert.") || $0.contains("Wqkv") })
  }

  @Test(arguments: ModelShape.Kind.allCases)
  func whatIsConvertedIsReadBackToTheBit(_ kind: ModelShape.Kind) throws {
    let model = try TinyModel(kind)
    let harness = try converted(model)
    let back = try read(folder(harness))
    let weights = try #require(back.files("checkpoint").first { $0.name == "weights.safetensors" })
    let shape = try #require(back.files("checkpoint").first { $0.name == "model.json" })
    #expect(try weights.digest == model.checkpoint[1].digest)
    #expect(try ModelShape(path: shape.path) == model.shape)
    #expect(back.files("tokenizer").count == 3 && back.warnings.isEmpty)
    #expect(harness.files("model").contains { $0.name == "modeling_mosaic_bert.py" } == (kind == .mosaicBERT))
  }

  /// A decoder of its own, another padding id, epsilon and rotary base, a trained pooler: what came in goes out.
  @Test(arguments: ModelShape.Kind.allCases)
  func whatIsUnusualIsReadBackToTheBit(_ kind: ModelShape.Kind) throws {
    let model = try TinyModel(kind, pooler: true) {
      $0.tiesDecoder = false
      $0.vocabularySize = 61
      $0.normEpsilon = 1e-5
      $0.rotaryBase = kind == .ropeBERT ? 10_000 : 1000
      $0.dropout = 0.2
    }
    let harness = try converted(model)
    let back = try read(folder(harness))
    let weights = try #require(back.files("checkpoint").first { $0.name == "weights.safetensors" })
    let shape = try #require(back.files("checkpoint").first { $0.name == "model.json" })
    #expect(try weights.digest == model.checkpoint[1].digest)
    #expect(try ModelShape(path: shape.path) == model.shape)
    #expect(back.warnings.isEmpty)
  }

  /// A classification model counts as many tokens as transformers, which cuts texts where the tokenizer says.
  @Test(arguments: [(JSONValue.integer(24), 24), (.integer(400), 40), (.number(1e30), 40), (.null, 40)])
  func aClassifiersLengthIsTheTokenizers(_ stated: JSONValue, _ length: Int) throws {
    let model = try TinyModel(.bert)
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(files: try model.tuned(.texts(.singleLabel(["a", "b"])), seed: 1), to: "checkpoint")
    convert.add(files: try model.tokenizerFiles, to: "tokenizer")
    let folder = folder(try convert.run())
    let path = folder + "/tokenizer_config.json"
    let members = try JSONValue.parse(FileSystem.read(path)).value.members ?? []
    #expect(members.contains { $0.key == "model_max_length" && $0.value.integer == 40 })
    let others = members.filter { $0.key != "model_max_length" }
    let changed = JSONValue.object(others + [JSONMember("model_max_length", stated)])
    try FileSystem.write(Array(changed.text().utf8), to: path)
    let back = try read(folder)
    defer { withExtendedLifetime((convert, back)) {} }
    let task = try #require(back.files("checkpoint").first { $0.name == "task.json" })
    #expect(try JSONValue.parse(FileSystem.read(task.path)).value["maximumLength"]?.integer == length)
  }

  /// No more than some of a tensor's values are held at a time, however large it is.
  @Test(arguments: [ModelShape.Kind.bert, .modernBERT]) func largeTensorsAreReadInParts(_ kind: ModelShape.Kind) throws
  {
    let model = try TinyModel(kind) { ($0.vocabularySize, $0.layers) = (20_000, 1) }
    let harness = try converted(model)
    defer { withExtendedLifetime(harness) {} }
    let sources = try HuggingFaceTensors(SafetensorsModel(folder(harness)), model.shape).sources()
    let largest = Mutex(0), total = Mutex(0)
    for source in sources {
      try source.values { (piece) throws(ShardError) in
        largest.withLock { $0 = max($0, piece.count) }
        total.withLock { $0 += piece.count }
      }
    }
    #expect(total.withLock { $0 } == sources.reduce(0) { $0 + 4 * $1.shape.reduce(1, *) })
    #expect(total.withLock { $0 } > 3 << 20 && largest.withLock { $0 } <= 1 << 20)
  }

  /// What a task is admitted by covers the JSON of a large vocabulary as a tree, and no tensor.
  @Test func memoryIsOfTheTokenizer() throws {
    func memory(_ bytes: Int64) throws -> Int {
      let files = [("config.json", 1000), ("tokenizer.json", bytes), ("model.safetensors", 2 << 30)].map {
        ArtifactFile(path: "/\($0)", name: $0, bytes: $1, digest: Digester.digest([]))
      }
      let wired = [WiredArtifact(stage: "upstream", port: "output", files: files)]
      let stage = HuggingFaceRead(options: HuggingFaceRead.Options())
      return try stage.tasks(in: NodeContext(inputs: ["files": wired], base: "/"))[0].memoryBytes
    }
    let small = try memory(0), large = try memory(17 << 20)
    #expect(small < 512 << 20 && large - small > 10 * 17 << 20 && large < 1 << 30)
  }

  @Test func aTokenizerThatDoesNotFitIsRefused() throws {
    let small = try TinyModel(.mosaicBERT) { $0.vocabularySize = 16 }
    #expect { try converted(small) } throws: { "\($0)".contains("the model has rows for 16") }
    let padded = try TinyModel(.mosaicBERT) { $0.padding = 3 }
    #expect { try converted(padded) } throws: { "\($0)".contains("has [PAD] as id 0, the model pads with 3") }
  }

  @Test func aCheckpointOfAnotherShapeIsRefused() throws {
    let model = try TinyModel(.bert)
    var shape = model.shape
    shape.intermediateSize = 81
    try FileSystem.write(Array(shape.json.text().utf8), to: model.folder + "/model.json")
    #expect { try converted(model) } throws: {
      "\($0)".contains(
        "'bert.encoder.layer.0.intermediate.dense.weight' has the shape [80, 48]; the model requires [81, 48]")
    }
  }

  @Test(
    arguments: [
      (["model_type": "electra"], "model_type is \"electra\""), (["hidden_act": "gelu_new"], "only 'gelu'"),
      (["position_embedding_type": "relative_key"], "only 'absolute'"),
      (["vocab_size": "many"], "vocab_size is \"many\", not an integer"), (["is_decoder": true], "is_decoder is true"),
      (["add_cross_attention": true], "add_cross_attention is true"),
      (["pruned_heads": ["0": .list([1])]], "pruned_heads"),
      (["quantization_config": ["bits": 4]], "quantization_config"), (["auto_map": ["AutoModel": "a.B"]], "auto_map"),
      (["num_attention_heads": 5], "does not divide by 5 heads"),
    ] as [(JSONValue, String)])
  func modelsThatCannotBeComputedAreRefused(_ change: JSONValue, _ message: String) throws {
    var members = HuggingFaceConfiguration.json(TinyModel.shape(.bert)).members!
    for member in change.members! {
      members.removeAll { $0.key == member.key }
      members.append(member)
    }
    #expect { try HuggingFaceConfiguration.shape(.object(members), path: "config.json") } throws: {
      "\($0)".contains(message)
    }
  }
}

@Suite(.needs(peer.isUsable, "needs Python with the peer")) struct ConvertPeerTests {
  /// transformers loads the folder, all classes of it, and computes what the reference model does.
  private func check(_ kind: ModelShape.Kind, _ flags: [String], class name: String) throws {
    let model = try TinyModel(kind)
    let harness = try converted(model)
    let output = try #require(
      peer.run(flags + ["load", folder(harness), model.folder, try model.batch()]), "transformers refused the model")
    let result = try JSONValue.parse(output).value
    #expect(result["difference"]!.double! < 1e-4 && result["eager"]!.double! < 1e-4)
    #expect(result["class"]?.string == name)
    #expect(result["arguments"]!.double! < 1e-4, "position_ids and masks of three dimensions")
    #expect(result["missing"]?.array == [] && result["unexpected"]?.array == [] && result["tied"] == true)
    for member in result["classes"]!.members! { #expect(member.value == true, "\(member.key)") }
    #expect(result["classes"]!.members!.count == (kind == .mosaicBERT ? 6 : 1))
    #expect((0..<model.shape.vocabularySize).contains(try #require(result["filled"]?.integer)))
    #expect(result["maximum"]?.integer == 40)
  }

  @Test func transformers4LoadsMosaicBERT() throws { try check(.mosaicBERT, [], class: "MosaicBertForMaskedLM") }
  @Test func transformers4LoadsModernBERT() throws { try check(.modernBERT, [], class: "ModernBertForMaskedLM") }
  @Test func transformers4LoadsBERT() throws { try check(.bert, [], class: "BertForMaskedLM") }

  @Test(
    .needs(hasTransformers5, "needs transformers 5"),
    arguments: [
      (ModelShape.Kind.mosaicBERT, "MosaicBertForMaskedLM"), (.ropeBERT, "NomicBertForMaskedLM"),
      (.bert, "BertForMaskedLM"), (.modernBERT, "ModernBertForMaskedLM"),
    ])
  func transformers5Loads(_ kind: ModelShape.Kind, _ name: String) throws {
    try check(kind, ["--transformers5"], class: name)
  }

  @Test(arguments: ["bert", "bert-legacy", "bert-half"])
  func stockBERTsOfTransformersAreRead(_ form: String) throws {
    let saved = temporaryDirectory()
    defer { try? FileSystem.removeTree(saved) }
    try #require(peer.run("save", saved, form) != nil)
    let harness = try read(saved)
    #expect(harness.files("tokenizer").isEmpty)
    let weights = try #require(harness.files("checkpoint").last).path
    let checkpoint = String(weights[..<weights.lastIndex(of: "/")!])
    let output = try #require(peer.run("logits", saved, checkpoint, saved + "/batch.safetensors"))
    #expect(try JSONValue.parse(output).value["difference"]!.double! < 1e-5)
  }

  /// Positions after the padding token's number, one type, other names: the same logits, also once it is converted.
  @Test(arguments: ["roberta", "roberta-two-types", "roberta-untied", "xlm-roberta"])
  func robertasOfTransformersAreRead(_ form: String) throws {
    let saved = temporaryDirectory()
    defer { try? FileSystem.removeTree(saved) }
    try #require(peer.run("save", saved, form) != nil)
    let harness = try read(saved)
    #expect(harness.warnings.isEmpty)
    let files = harness.files("checkpoint")
    let weights = try #require(files.last).path
    let checkpoint = String(weights[..<weights.lastIndex(of: "/")!])
    let shape = try ModelShape(path: checkpoint + "/model.json")
    #expect(shape.kind == .bert && shape.maximumLength == 40 && shape.padding == 1)
    #expect(
      shape.tokenTypes == (form == "roberta-two-types" ? 2 : 1) && shape.tiesDecoder == (form != "roberta-untied"))
    let output = try #require(peer.run("logits", saved, checkpoint, saved + "/batch.safetensors"))
    let result = try JSONValue.parse(output).value
    #expect(result["difference"]!.double! < 1e-5 && result["class"]?.string?.hasSuffix("RobertaForMaskedLM") == true)
  }
}
