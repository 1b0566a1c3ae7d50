import ShardKit
import TextKit

/// Fine-tunes a model on one task and scores it: AdamW with a linear schedule, as JGLUE's authors did.
public final class FineTuning {
  private let job: FineTuningJob
  private let engine: Engine
  private let device: Device
  private let model: FinetunedModel
  private let shape: ModelShape
  let maker: FeatureMaker
  /// The losses of the steps so far.
  private(set) var losses: [Double] = []

  /// Loads the checkpoint and the tokenizer.
  /// - Throws: `TorchError`, `ShardError` or `TokenizerError` if they cannot be read or do not fit.
  public init(_ job: FineTuningJob, engine: Engine) throws {
    self.job = job
    self.engine = engine
    device = job.device == "cpu" ? .cpu : .cuda(0)
    try engine.setThreads(max(1, job.threads))
    shape = try Self.shape(job)
    let tokenizer = try Tokenizer(path: job.tokenizer)
    try shape.check(tokenizer)
    maker = FeatureMaker(
      encoder: try SequenceEncoder(
        tokenizer, dictionary: job.dictionary, maximumLength: shape.length(atMost: job.maximumLength)))
    let parameters = try Parameters(
      shape.encoderParameters + job.task.head.parameters(shape), engine: engine, device: device,
      precision: job.precision, seed: UInt64(job.seed), deviation: shape.initialDeviation(of:), padding: shape.padding)
    try StartingWeights(job.checkpoint, shape).load(parameters, for: job.task)
    model = FinetunedModel(shape.encoder(parameters), parameters, job.task.head)
  }

  /// The checkpoint's shape, with the dropout of fine-tuning.
  private static func shape(_ job: FineTuningJob) throws -> ModelShape {
    var shape = try ModelShape(path: "\(job.checkpoint)/\(ModelShape.fileName)")
    shape.dropout = job.dropout
    shape.attentionDropout = shape.kind == .bert ? job.dropout : 0
    return shape
  }

  /// Trains, then scores, if there are test files.
  /// - Parameters:
  ///   - listen: called after every tenth step and the last one.
  ///   - shouldStop: asked at each step; true ends the work with an error.
  /// - Returns: the scores by the names of `JGLUEBenchmark.metrics`, or those of `TextScores`, and the mean "loss" of the
  ///   last tenth of the steps.
  /// - Throws: `ShardError` if files cannot be read or written; `TorchError` if the loss or the gradient is not finite
  ///   (`diverged`), or the work was stopped (`stopped`).
  public func run(
    listen: (FineTuningStep) -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> [String: Double] {
    try train(try maker.features(limited(try examples(job.train))), listen, shouldStop)
    var scores = job.test.isEmpty ? [:] : try testScores()
    let tail = losses.suffix(max(1, losses.count / 10))
    scores["loss"] = Correlation.mean(tail.map { $0 })
    if !job.output.isEmpty { try save() }
    if !job.result.isEmpty {
      let members = scores.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number($0.value)) }
      try FileSystem.write(Array(JSONValue.object(members).prettyText().utf8), to: job.result)
    }
    return scores
  }

  private func testScores() throws -> [String: Double] {
    let test = limited(try examples(job.test))
    let features = try maker.features(test)
    let outputs = try outputs(features)
    if !job.outputs.isEmpty { try write(outputs) }
    return BenchmarkScores.of(job.task, test, features, outputs)
  }

  private func examples(_ paths: [String]) throws -> [BenchmarkExample] {
    try paths.flatMap { try BenchmarkExamples.read(job.task, path: $0) }
  }

  private func limited(_ examples: [BenchmarkExample]) -> [BenchmarkExample] {
    job.maximumExamples > 0 ? Array(examples.prefix(job.maximumExamples)) : examples
  }

  // MARK: Training

  private func train(
    _ features: [BenchmarkFeature], _ listen: (FineTuningStep) -> Void, _ shouldStop: () -> Bool
  ) throws {
    guard !features.isEmpty else { throw TorchError(.file, "train", "no example fits into maximumLength tokens") }
    let objective = BenchmarkObjective(job, model, features)
    let steps = objective.steps
    let optimizer = try Optimizer(
      model.parameters, AdamW(beta1: 0.9, beta2: job.beta2, epsilon: job.epsilon, weightDecay: job.weightDecay))
    let schedule = LearningRateSchedule(
      learningRate: job.learningRate, schedule: .linear,
      warmupSteps: Int((Double(steps) * job.warmupFraction).rounded(.up)), steps: steps)
    let loop = TrainingLoop(
      objective, optimizer, maximumGradientNorm: job.maximumGradientNorm, learningRate: schedule.learningRate(after:))
    while optimizer.step < steps {
      guard let last = try loop.advance(shouldStop: shouldStop) else { continue }
      try record(last, of: steps, listen)
      if last.isToStop { throw TorchError(.stopped, "", "fine-tuning was stopped") }
    }
    if let last = try loop.settle() { try record(last, of: steps, listen) }
  }

  private func record(
    _ last: TakenStep<BenchmarkObjective.Microbatch>, of steps: Int, _ listen: (FineTuningStep) -> Void
  ) throws {
    losses.append(last.loss)
    if let fault = LossGuard.fault(loss: last.loss, gradientNorm: last.gradientNorm) {
      throw TorchError(
        .diverged, job.task.name, "\(fault) at step \(last.step)",
        hint: "Lower the learning rate. With bfloat16, try float32.")
    }
    if last.step % 10 == 0 || last.step == steps {
      listen(FineTuningStep(step: last.step, steps: steps, loss: last.loss))
    }
  }

  /// Padded to the longest sequence, in multiples of 8.
  private func input(_ batch: [BenchmarkFeature]) throws(TorchError) -> EncoderInput {
    try EncoderInput(batch.flatMap(\.inputs), padding: shape.padding, engine: engine, device: device)
  }

  // MARK: Scoring

  /// The head's output for each feature.
  func outputs(_ features: [BenchmarkFeature]) throws -> [[Float]] {
    var outputs = [[Float]](repeating: [], count: features.count)
    let batches = FilledBatch(isGPU: !device.isCPU), sequences = features.first?.inputs.count ?? 1
    // Sorted by length, so that there is little padding.
    let order = features.indices.sorted { (features[$0].length, $0) < (features[$1].length, $1) }
    try engine.withoutGradient { () throws(TorchError) in
      var start = 0
      while start < order.count {
        let lengths = order[start...].lazy.map { features[$0].length }
        let numbers = order[start..<(start + batches.count(lengths, sequences: sequences))]
        start = numbers.endIndex
        let scores = try model.scores(try input(numbers.map { features[$0] }), training: false).floats()
        guard scores.allSatisfy(\.isFinite) else {
          throw TorchError(
            .diverged, job.task.name, "the trained model returns numbers that are not finite",
            hint: "Lower the learning rate. With bfloat16, try float32.")
        }
        let share = scores.count / numbers.count
        for (place, number) in numbers.enumerated() {
          outputs[number] = Array(scores[(place * share)..<((place + 1) * share)])
        }
      }
    }
    return outputs
  }

  // MARK: Keeping

  private func write(_ outputs: [[Float]]) throws {
    var lines: [UInt8] = []
    for output in outputs {
      lines += Array(JSONValue.list(output.map { .number(Double($0)) }).text().utf8) + [0x0A]
    }
    try FileSystem.write(lines, to: job.outputs)
  }

  private func save() throws {
    try FileSystem.makeDirectory(job.output)
    let tensors = try zip(model.parameters.shapes, model.parameters.masterWeights.tensors).map { shape, tensor in
      TensorSource(shape.name, shape: shape.shape, floats: try tensor.floats())
    }
    try Safetensors.write(tensors, to: "\(job.output)/\(ModelShape.weightsName)")
  }
}

extension EncoderInput {
  /// Sequences of any length, padded to the longest, in multiples of 8.
  /// - Parameter samples: the sequences' names for dropout; nil: their numbers.
  init(
    _ sequences: [TokenSequence], padding: Int, engine: Engine, device: Device, samples: [Int64]? = nil
  ) throws(TorchError) {
    let longest = sequences.map(\.ids.count).max() ?? 0
    let length = FilledBatch.padded(longest)
    var ids: [Int32] = [], types: [Int32] = []
    ids.reserveCapacity(sequences.count * length)
    types.reserveCapacity(sequences.count * length)
    for sequence in sequences {
      let rest = length - sequence.ids.count
      ids += sequence.ids + [Int32](repeating: Int32(padding), count: rest)
      types += sequence.types + [Int32](repeating: 0, count: rest)
    }
    try self.init(
      ids: ids, lengths: sequences.map { Int32($0.ids.count) }, length: length, types: types, samples: samples,
      engine: engine, device: device)
  }
}

/// A task's metrics from the head's output for each feature.
enum BenchmarkScores {
  static func of(
    _ task: TunedTask, _ examples: [BenchmarkExample], _ features: [BenchmarkFeature], _ outputs: [[Float]]
  ) -> [String: Double] {
    switch task {
    case .benchmark(.jsts):
      let gold = features.map { $0.targets[0] }, said = outputs.map { Double($0[0]) }
      return ["pearson": Correlation.pearson(said, gold), "spearman": Correlation.spearman(said, gold)]
    case .texts(let task):
      let scores = TextScores(task, targets: features.map(\.targets), outputs: outputs.map { $0.map(Double.init) })
      return Dictionary(scores.figures.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    case .benchmark(.jnli), .benchmark(.jcommonsenseqa):
      let said = outputs.map { output in output.indices.max { output[$0] < output[$1] } ?? 0 }
      return ["accuracy": Correlation.accuracy(said, features.map { Int($0.targets[0]) })]
    case .benchmark(.jsquad): return answers(examples, features, outputs)
    }
  }

  private static func answers(
    _ examples: [BenchmarkExample], _ features: [BenchmarkFeature], _ outputs: [[Float]]
  ) -> [String: Double] {
    var choices = [AnswerChoice](repeating: AnswerChoice(), count: examples.count)
    for (feature, output) in zip(features, outputs) {
      let first = stride(from: 0, to: output.count, by: 2).map { output[$0] }
      let last = stride(from: 1, to: output.count, by: 2).map { output[$0] }
      choices[feature.example].add(feature, first: first, last: last)
    }
    var exact: [Double] = [], f1: [Double] = []
    for (example, choice) in zip(examples, choices) {
      guard case .answer(let passage) = example else { continue }
      let answer = String(decoding: passage.context[choice.range], as: UTF8.self)
      exact.append(AnswerScore.exactMatch(answer, passage.answers.map(\.text)))
      f1.append(AnswerScore.f1(answer, passage.answers.map(\.text)))
    }
    return ["exactMatch": Correlation.mean(exact), "f1": Correlation.mean(f1)]
  }
}
