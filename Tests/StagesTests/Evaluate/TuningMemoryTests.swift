import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

/// What tasks that run a model are admitted by: on a CPU, activations are most of it.
@Suite struct TuningMemoryTests {
  /// A shape of usual size beside weights that nobody reads.
  private func context(_ kind: ModelShape.Kind, _ change: (inout ModelShape) -> Void = { _ in }) throws -> NodeContext {
    let model = try TinyModel(kind)
    let folder = temporaryDirectory()
    var shape = ModelShape(kind)
    change(&shape)
    try FileSystem.write(Array(shape.json.text().utf8), to: folder + "/model.json")
    for file in try model.tokenizerFiles {
      try FileSystem.write(try FileSystem.read(file.path), to: "\(folder)/\(file.name)")
    }
    func file(_ name: String, bytes: Int64 = 1) -> ArtifactFile {
      ArtifactFile(path: "\(folder)/\(name)", name: name, bytes: bytes, digest: Digester.digest([]))
    }
    func wired(_ files: [ArtifactFile]) -> [WiredArtifact] {
      [WiredArtifact(stage: "upstream", port: "output", files: files)]
    }
    return NodeContext(
      inputs: [
        "checkpoint": wired([file("model.json"), file("weights.safetensors", bytes: 440_000_000)]),
        "tokenizer": wired([file("tokenizer.json")]), "tokens": wired([file("index.json")]),
      ], base: folder)
  }

  private func written(_ text: String, _ name: String, _ context: NodeContext) throws -> ArtifactFile {
    let path = "\(context.base)/\(name)"
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    try FileSystem.write(Array(text.utf8), to: path)
    return ArtifactFile(path: path, name: name, bytes: Int64(text.utf8.count), digest: Digester.digest([]))
  }

  private func bytes(
    _ type: any Stage.Type, _ options: JSONValue, phase: Int = 0, _ context: NodeContext
  ) throws -> [Int] {
    let description = StageDescription(type), phase = description.phases[phase]
    let members = (options.members ?? []) + [JSONMember("device", "cpu")]
    let stage = try description.configured(.object(members)).stage(of: phase)
    return try stage.tasks(ofPhase: phase, in: context).map(\.memoryBytes)
  }

  private let activations = 4 << 30

  @Test(arguments: [ModelShape.Kind.bert, .mosaicBERT, .modernBERT])
  func classifiersCountActivations(_ kind: ModelShape.Kind) throws {
    var context = try context(kind)
    context.outputs["texts"] = [try written("", "texts.jsonl", context)]
    func memory(_ options: JSONValue) throws -> Int {
      try #require(try bytes(ClassifierFinetune.self, options, phase: 1, context).first)
    }
    let usual: JSONValue = ["labelField": "label", "folds": 0]
    let whole = try memory(usual), fixed = 1 << 30 + 4 * 440_000_000
    #expect(whole > fixed + activations && whole < 32 << 30)
    let parts = try memory(.object((usual.members ?? []) + [JSONMember("microbatchSize", 2)]))
    #expect(parts > fixed && (parts - fixed) < (whole - fixed) / 6)
    let short = try memory(.object((usual.members ?? []) + [JSONMember("maximumLength", 64)]))
    #expect(short < fixed + (whole - fixed) / 7)
  }

  @Test func finetuningCountsActivations() throws {
    let context = try context(.bert)
    _ = try written("{}", "own.json", context)
    func memory(_ task: String, _ more: [JSONMember] = []) throws -> Int {
      let options: [JSONMember] = [
        JSONMember("task", .string(task)), JSONMember("train", "own.json"), JSONMember("test", "own.json"),
      ]
      return try #require(try bytes(ModelFinetune.self, .object(options + more), context).first)
    }
    let pairs = try memory("jsts"), choices = try memory("jcommonsenseqa")
    #expect(pairs > 1 << 30 + 4 * 440_000_000 + activations)
    #expect(choices > 4 * pairs - 12 << 30, "an input for each of five choices")
    #expect(try memory("jsts", [JSONMember("microbatchSize", 4)]) < pairs - activations / 2)
  }

  @Test func benchmarksCountActivationsByTask() throws {
    var context = try context(.bert)
    for task in ["jsts", "jcommonsenseqa"] {
      for name in ["train", "valid"] { _ = try written("{}", "jglue/\(task)/\(name)-v1.json", context) }
    }
    for task in ["MNLI", "RTE"] {
      for name in ["train", "dev"] { _ = try written("", "glue/\(task)/\(name).tsv", context) }
    }
    context.outputs["runs"] = try [JGLUEBenchmark.jsts, .jcommonsenseqa].map { task in
      let run = JGLUERun(task: task, learningRate: 1e-5, epochs: 1, seed: 1)
      return try written(JSONValue.encoding(run).text(), run.key + JGLUERun.fileSuffix, context)
    }
    let japanese = try bytes(EvaluateJGLUE.self, ["folder": "jglue"], phase: 1, context)
    let fixed = 2 << 30 + 4 * 440_000_000
    #expect(japanese.count == 2 && japanese.allSatisfy { $0 > fixed + activations })
    // Of 128 tokens 32, of 64 tokens five times 64.
    #expect(japanese.count == 2 && japanese[1] - fixed > 2 * (japanese[0] - fixed))
    context.outputs["runs"] = try [GLUETask.mnli, .rte].map { task in
      let run = GLUERun(task: task, seed: 1)
      return try written(JSONValue.encoding(run).text(), run.key + GLUERun.fileSuffix, context)
    }
    let english = try bytes(EvaluateGLUE.self, ["folder": "glue"], phase: 1, context)
    // Of 48 and of 16 inputs.
    #expect(english.count == 2 && english[1] > fixed + activations / 2)
    #expect(english.count == 2 && english[0] - fixed == 3 * (english[1] - fixed))
  }

  /// The fixed estimate was 2 GiB.
  @Test func masksOfTheEvaluationCount() throws {
    func memory(_ kind: ModelShape.Kind, _ options: JSONValue) throws -> Int {
      try #require(try bytes(EvaluateMLM.self, options, try context(kind)).first)
    }
    let usual = try memory(.bert, [:])
    #expect(usual > 1 << 30 + 2 * 440_000_000 && usual < 8 << 30)
    let long: JSONValue = ["sequenceLength": 8192, "microbatchSize": 4]
    #expect(try memory(.modernBERT, long) > usual + 1 << 30)
    // A bias of each head for 8,192 places.
    #expect(try memory(.mosaicBERT, long) > memory(.modernBERT, long) + 2 * 11 * 4 << 26)
    let packed: JSONValue = ["sequenceLength": 8192, "microbatchSize": 4, "isolateDocuments": true]
    #expect(try memory(.modernBERT, packed) > memory(.modernBERT, long) + 4 * 4 << 26)
  }

  /// A training is of the model that is wired, not of the options' usual sizes.
  @Test func pretrainingCountsTheWiredModel() throws {
    func memory(_ port: String?, _ change: (inout ModelShape) -> Void, _ device: JSONValue = "cpu") throws -> Int {
      var context = try context(.mosaicBERT, change)
      let wired = context.inputs["checkpoint"] ?? []
      context.inputs["checkpoint"] = nil
      if port == "checkpoint" { context.inputs["checkpoint"] = wired }
      if port == "resume" {
        let files =
          wired[0].files + [
            try written("{}", "step-00000003/optimizer.safetensors", context),
            try written("{}", "step-00000003/state.json", context),
          ]
        context.inputs["resume"] = [WiredArtifact(stage: "upstream", port: "output", files: files)]
      }
      let description = StageDescription(ModelPretrain.self)
      let options: JSONValue = ["device": device, "processes": 1, "microbatchSize": 8]
      let stage = try description.configured(options).stage(of: "train")
      return try #require(try stage.tasks(ofPhase: "train", in: context).first).memoryBytes
    }
    func large(_ shape: inout ModelShape) {
      (shape.layers, shape.hiddenSize, shape.heads, shape.intermediateSize) = (24, 1024, 16, 4096)
      shape.vocabularySize = 250_048
    }
    let new = try memory(nil) { _ in }
    var shape = ModelShape()
    large(&shape)
    for port in ["checkpoint", "resume"] {
      #expect(try memory(port) { _ in } == new)
      #expect(try memory(port, large) > 28 * shape.parameterCount + 2 << 30)
      let small = try memory(port) { ($0.layers, $0.vocabularySize) = (2, 8192) }
      #expect(small < new - 28 * 80_000_000)
      let onGPU = try memory(port, large, "cuda")
      #expect(onGPU == 16 * shape.parameterCount + 4 << 30)
    }
  }
}
