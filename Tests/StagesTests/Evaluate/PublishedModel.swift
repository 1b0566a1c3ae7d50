import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

/// A model in the form in which others are published, saved by transformers with random weights; read by this project, and
/// fine-tuned by both.
final class PublishedModel {
  static let peer = PeerScript("baseline_bert.py")

  let folder = temporaryDirectory()
  let texts: [String]
  /// Stages that have run, whose files last as long as they do.
  private var stages: [StageHarness] = []

  /// - Parameter form: the peer's command that saves it, with what comes after the folder and the texts.
  init(_ form: String, _ texts: [String], _ rest: [String] = []) throws {
    self.texts = texts
    try FileSystem.write(Array((texts.joined(separator: "\n") + "\n").utf8), to: textsPath)
    _ = try #require(Self.peer.run([form, path, textsPath] + rest), "transformers saved no model")
  }

  deinit { try? FileSystem.removeTree(folder) }

  /// The folder as transformers saved it.
  var path: String { folder + "/model" }
  var textsPath: String { folder + "/texts" }

  static func dictionary() throws -> String {
    String(decoding: try #require(peer.run("dictionary")).dropLast(), as: UTF8.self)
  }

  func read(_ other: String? = nil) throws -> StageHarness {
    try keep(StageHarness(HuggingFaceRead.self, options: ["folder": .string(other ?? path)]).run())
  }

  func keep(_ stage: StageHarness) -> StageHarness {
    stages.append(stage)
    return stage
  }

  /// A job of the task on the model's checkpoint and tokenizer, over these examples, without dropout.
  func job(_ task: TunedTask, _ read: StageHarness, train: String, test: String) throws -> FineTuningJob {
    var job = FineTuningJob()
    job.task = task
    job.checkpoint = try read.folder("checkpoint")
    job.tokenizer = try read.folder("tokenizer") + "/tokenizer.json"
    (job.train, job.test) = ([folder + "/train.jsonl"], [folder + "/test.jsonl"])
    try FileSystem.write(Array(train.utf8), to: job.train[0])
    try FileSystem.write(Array(test.utf8), to: job.test[0])
    (job.batchSize, job.maximumLength, job.dropout, job.seed) = (7, 24, 0, 5)
    return job
  }

  /// The weights that fine-tuning begins from, taken by a rate of 0 and converted: transformers' start.
  func start(_ job: FineTuningJob, _ read: StageHarness) throws -> (FineTuningJob, converted: String) {
    var start = job
    (start.learningRate, start.epochs, start.output) = (0, 1, folder + "/start")
    _ = try FineTuning(start, engine: testEngine!).run()
    try FileSystem.write(try FileSystem.read("\(job.checkpoint)/model.json"), to: "\(start.output)/model.json")
    let members = JSONValue.object(job.task.members)
    try FileSystem.write(Array(members.text().utf8), to: "\(start.output)/task.json")
    var begun = job
    begun.checkpoint = start.output
    return (begun, try convert(begun.checkpoint, read))
  }

  /// A fine-tuned checkpoint as transformers' class.
  func convert(_ checkpoint: String, _ read: StageHarness) throws -> String {
    let convert = try StageHarness(HuggingFaceConvert.self)
    convert.add(
      files: try ["model.json", "weights.safetensors", "task.json"].map { try artifact(checkpoint, $0) },
      to: "checkpoint")
    convert.add(files: read.files("tokenizer"), to: "tokenizer")
    return try keep(convert.run()).folder("model")
  }

  /// Expects that every step's loss and every test example's scores are those of transformers, over the same batches.
  /// - Returns: what the peer said of each folder.
  @discardableResult
  func expectTheCourse(_ job: FineTuningJob, of folders: [String], steps: Int) throws -> [JSONValue] {
    try FileSystem.write(Array(job.json.text().utf8), to: folder + "/job.json")
    let tuning = try FineTuning(job, engine: testEngine!)
    _ = try tuning.run()
    let examples = try BenchmarkExamples.read(job.task, path: job.test[0])
    let ours = try tuning.outputs(try tuning.maker.features(examples)).map { $0.map(Double.init) }
    return try folders.map { other in
      let theirs = try JSONValue.parse(try #require(Self.peer.run("tune", other, folder + "/job.json"))).value
      let losses = try #require(theirs["losses"]?.array).compactMap(\.double)
      #expect(losses.count == steps && tuning.losses.count == steps && losses.last! < losses[0])
      var largest = (loss: 0.0, score: 0.0)
      for (own, other) in zip(tuning.losses, losses) {
        largest.loss = max(largest.loss, abs(own - other) / max(1, abs(other)))
      }
      let scores = try #require(theirs["scores"]?.array).compactMap { $0.array?.compactMap(\.double) }
      #expect(scores.count == ours.count && scores.map(\.count) == ours.map(\.count))
      for (own, other) in zip(ours, scores) {
        for (a, b) in zip(own, other) { largest.score = max(largest.score, abs(a - b)) }
      }
      print("\(steps) steps from \(losses[0]) to \(losses.last!), the largest differences: \(largest)")
      #expect(largest.loss < 1e-3 && largest.score < 1e-2)
      return theirs
    }
  }
}

extension StageHarness {
  /// The folder of an output's files.
  func folder(_ port: String) throws -> String {
    let path = try #require(files(port).first).path
    return String(path[..<path.lastIndex(of: "/")!])
  }
}

/// A file as a stage's input.
func artifact(_ folder: String, _ name: String) throws -> ArtifactFile {
  let path = "\(folder)/\(name)"
  return ArtifactFile(
    path: path, name: name, bytes: FileSystem.status(path)!.bytes, digest: try Digester.digest(file: path))
}
