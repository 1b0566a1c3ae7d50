import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

/// What fine-tunings and contrastive trainings are admitted by, beside what their processes take.
@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct TrainingMemoryTests {
  private func model(_ kind: ModelShape.Kind) throws -> TinyModel {
    try TinyModel(kind) {
      ($0.hiddenSize, $0.layers, $0.heads, $0.intermediateSize, $0.maximumLength) = (256, 4, 4, 1024, 128)
    }
  }

  /// As many characters as tokens, in words that are not too long to be known.
  private func text(_ number: Int, _ length: Int) -> String {
    var random = SeededShuffle(seed: 5, epoch: number)
    return (0..<length).map { place in
      ["東", "京", "大", "阪"][Int(random.next() % 4)] + (place % 40 == 39 ? " " : "")
    }.joined()
  }

  private func written(_ lines: [JSONValue], _ name: String, _ model: TinyModel) throws -> String {
    let path = "\(model.folder)/\(name)"
    try FileSystem.write(Array(lines.map { $0.text() }.joined(separator: "\n").utf8), to: path)
    return path
  }

  /// The most memory that a worker's process had.
  private func peak(_ command: String, _ job: JSONValue, _ model: TinyModel) throws -> Int {
    try FileSystem.write(Array(job.text().utf8), to: model.folder + "/job.json")
    // A worker ends with its standard input.
    let line = "rm -f in && mkfifo in && exec '\(ChildProcess.pipeline)' worker \(command) job.json 0<>in"
    let (result, bytes) = try ChildProcess(
      ["-c", "cd '\(model.folder)' && " + line], program: "/bin/sh",
      environment: ["PIPELINE_ENGINE": testEngine!.path]
    ).waitMeasuringMemory()
    try #require(result.status == 0, "\(result.errors)")
    return bytes
  }

  private func planned(_ type: any Stage.Type, _ options: [JSONMember], _ model: TinyModel) throws -> Int {
    func wired(_ files: [ArtifactFile]) -> [WiredArtifact] {
      [WiredArtifact(stage: "upstream", port: "output", files: files)]
    }
    let context = NodeContext(
      inputs: ["checkpoint": wired(try model.checkpoint), "tokenizer": wired(try model.tokenizerFiles)], base: "/")
    let description = StageDescription(type)
    let phase = try #require(description.phases.last)
    let cpu = [JSONMember("device", "cpu"), JSONMember("maximumLength", 128)]
    let stage = try description.configured(.object(options + cpu)).stage(of: phase)
    return try #require(try stage.tasks(ofPhase: phase, in: context).first).memoryBytes
  }

  /// Beside what does not grow with the texts, the plan is more than what is taken, but not far more.
  private func check(_ few: (peak: Int, plan: Int), _ many: (peak: Int, plan: Int)) {
    let (taken, planned) = (many.peak - few.peak, many.plan - few.plan)
    #expect(many.peak < many.plan)
    #expect(
      taken > 128 << 20 && planned > taken && planned < 4 * taken, "\(taken >> 20) MiB taken, \(planned >> 20) planned")
  }

  /// With 12 negatives of each pair.
  @Test func contrastStaysWithinTheDeclaredMemory() throws {
    let model = try model(.bert)
    func run(_ examples: Int, negatives: Int) throws -> (peak: Int, plan: Int) {
      let lines = (0..<examples).map { number -> JSONValue in
        let others = (0..<negatives).map { text(100 * (number + 1) + $0, 126) }
        return [
          "anchor": .string(text(number, 126)), "positive": .string(text(number + 50, 126)),
          "negatives": .strings(others),
        ]
      }
      let path = try written(lines, "pairs-\(examples).jsonl", model)
      var job = ContrastJob()
      (job.checkpoint, job.tokenizer, job.examples) = (model.folder, model.folder + "/tokenizer.json", [path])
      (job.batchSize, job.maximumLength) = (examples, 128)
      (job.state, job.output) = ("\(model.folder)/state-\(examples)", "\(model.folder)/model-\(examples)")
      let options = [
        JSONMember("pairs", .string(path)), JSONMember("batchSize", .integer(examples)), JSONMember("processes", 1),
      ]
      return (try peak("contrast", job.json, model), try planned(ModelContrast.self, options, model))
    }
    try check(run(2, negatives: 0), run(8, negatives: 12))
  }

  @Test(arguments: [ModelShape.Kind.bert, .mosaicBERT, .modernBERT])
  func finetuningStaysWithinTheDeclaredMemory(_ kind: ModelShape.Kind) throws {
    let model = try model(kind)
    func run(_ examples: Int) throws -> (peak: Int, plan: Int) {
      let lines = (0..<examples).map { number -> JSONValue in
        [
          "sentence1": .string(text(number, 62)), "sentence2": .string(text(number + 7, 62)),
          "label": .number(Double(number % 6)),
        ]
      }
      let path = try written(lines, "train-\(examples).jsonl", model)
      let test = try written(Array(lines.prefix(2)), "test.jsonl", model)
      var job = FineTuningJob()
      (job.checkpoint, job.tokenizer) = (model.folder, model.folder + "/tokenizer.json")
      (job.train, job.test, job.result) = ([path], [test], model.folder + "/scores.json")
      (job.batchSize, job.epochs, job.maximumLength) = (examples, 1, 128)
      let options = [
        JSONMember("task", "jsts"), JSONMember("train", .string(path)), JSONMember("test", .string(test)),
        JSONMember("batchSize", .integer(examples)),
      ]
      return (try peak("finetune", job.json, model), try planned(ModelFinetune.self, options, model))
    }
    try check(run(2), run(96))
  }
}
