import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

private let reference = PeerScript("contrast_reference.py")

/// Contrastive training beside sentence-transformers' loss over an independent encoder: every number that it rests on.
@Suite(
  .serialized, .takesTheEngine,
  .needs(testEngine != nil && reference.isUsable, "needs Scripts/engine, Python with sentence-transformers"))
struct ContrastParityTests {
  /// Batches of the trained order, for the reference.
  private func write(_ objective: ContrastObjective, _ rates: [Float], negatives: Int, to path: String) throws {
    func source<E>(_ name: String, _ type: Safetensors.ElementType, _ shape: [Int], _ values: [E]) -> TensorSource {
      TensorSource(name, type, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
    }
    var sources = [source("rates", .float32, [rates.count], rates)]
    for step in rates.indices {
      let batch = try objective.batch(after: step)
      let length = batch.texts.map(\.ids.count).max()!, count = batch.examples
      var ids: [Int32] = [], columns: [Int64] = []
      for text in batch.texts { ids += text.ids + [Int32](repeating: 0, count: length - text.ids.count) }
      for row in 0..<count {
        columns += [Int64(row), Int64(count + row)]
        for number in 0..<negatives { columns.append(Int64(2 * count + row * negatives + number)) }
      }
      let lengths: [Int32] = batch.texts.map { Int32($0.ids.count) }
      sources.append(source("\(step)/ids", .int32, [batch.texts.count, length], ids))
      sources.append(source("\(step)/lengths", .int32, [lengths.count], lengths))
      sources.append(source("\(step)/columns", .int64, [count, 2 + negatives], columns))
    }
    try Safetensors.write(sources, to: path)
  }

  private func gradients(_ objective: ContrastObjective, _ parameters: Parameters) throws -> [[Float]] {
    try objective.forEachMicrobatch(after: 0) { part, _ in
      try objective.loss(of: part, after: 0)?.backward()
    }
    let gradients = try parameters.working.tensors.map { try #require(try $0.gradient()).floats() }
    for tensor in parameters.working.tensors { try tensor.clearGradient() }
    return gradients
  }

  /// A wrong pooling, temperature or label, negatives of other rows, or a part of a divided step with the wrong share all
  /// show here. Steps go through the model at once, and in parts whose gradients are cached.
  @Test(arguments: [
    (ModelShape.Kind.mosaicBERT, Pooling.mean, 2, 0), (.mosaicBERT, .cls, 0, 3), (.bert, .mean, 1, 0),
    (.bert, .pooler, 2, 4), (.ropeBERT, .mean, 2, 1),
  ])
  func lossGradientsAndSteps(_ kind: ModelShape.Kind, _ pooling: Pooling, _ negatives: Int, _ part: Int) throws {
    let model = try TinyModel(kind, pooler: pooling == .pooler)
    var job = try Contrasts.job(model, examples: 44, negatives: negatives)
    (job.pooling, job.microbatchSize, job.batchSize) = (pooling, part, 8)
    (job.dropout, job.epochs, job.weightDecay, job.learningRate) = (0, 5, 0.01, 1e-3)
    job.output = model.folder + "/out"
    let training = try ContrastTraining(job, engine: testEngine!)
    let parameters = training.optimizer.parameters
    #expect(training.objective.steps == 25)
    let schedule = LearningRateSchedule(learningRate: 1e-3, schedule: .linear, warmupSteps: 3, steps: 25)
    let rates = (0..<25).map { Float(schedule.learningRate(after: $0)) }
    let path = model.folder + "/batches.safetensors", out = model.folder + "/reference.safetensors"
    try write(training.objective, rates, negatives: negatives, to: path)
    _ = try #require(reference.run(model.folder, path, out, pooling.rawValue, "0.05", "0.01"))
    let expected = try SafetensorsFile(out)
    for (parameter, gradient) in zip(parameters.shapes, try gradients(training.objective, parameters)) {
      let error = try Contrasts.relativeError(gradient, expected.floats(of: "gradient/" + parameter.name))
      #expect(error < 2e-5, "\(parameter.name): \(error)")
    }
    let end = try training.run()
    #expect(end.isDone && end.steps == 25 && end.examples == 44)
    #expect(Contrasts.relativeError(training.losses, try expected.floats(of: "losses")) < 1e-4)
    #expect(training.losses.last! < training.losses[0])
    let weights = try SafetensorsFile(job.output + "/weights.safetensors")
    for parameter in parameters.shapes {
      let error = Contrasts.relativeError(
        try weights.floats(of: parameter.name), try expected.floats(of: "weight/" + parameter.name))
      // AdamW makes steps of full size from gradients that are next to nothing: those of the keys' biases are.
      #expect(error < (parameter.name.hasSuffix("Wqkv.bias") ? 1e-2 : 2e-3), "\(parameter.name): \(error)")
    }
  }
}

/// Small contrastive trainings.
enum Contrasts {
  static let letters = Array("東京大阪名古屋横浜札幌ひらがなカタカナ".unicodeScalars).map { "\($0)" }

  static func text(_ number: Int) -> String {
    var random = SeededShuffle(seed: 7, epoch: number)
    return (0..<(4 + number % 9)).map { _ in letters[Int(random.next() % UInt64(letters.count))] }.joined()
  }

  /// Pairs of a text and its beginning, with a number of other texts.
  /// - Parameter negatives: of each example; nil: no positives either.
  static func job(_ model: TinyModel, examples: Int, negatives: Int?) throws -> ContrastJob {
    let lines = (0..<examples).map { number -> String in
      var members = [JSONMember("anchor", .string(text(number)))]
      if let negatives {
        members.append(JSONMember("positive", .string(String(text(number).dropLast(2)))))
        let others = (0..<negatives).map { text(1000 + number * 10 + $0) }
        members.append(JSONMember("negatives", .strings(others)))
      }
      return JSONValue.object(members).text()
    }
    let path = model.folder + "/examples.jsonl"
    try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: path)
    var job = ContrastJob()
    job.checkpoint = model.folder
    job.tokenizer = model.folder + "/tokenizer.json"
    job.examples = [path]
    job.maximumLength = 32
    return job
  }

  /// ‖a − b‖ / ‖b‖.
  static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    var difference = 0.0, size = 0.0
    for (x, y) in zip(a, b) {
      difference += Double(x - y) * Double(x - y)
      size += Double(y) * Double(y)
    }
    return a.count == b.count ? difference.squareRoot() / max(size.squareRoot(), 1e-30) : .infinity
  }
}
