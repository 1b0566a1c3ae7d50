import ShardKit
import TextKit

/// Turns texts into vectors with an encoder, or into scores with its head, or searches them for the neighbors of queries.
public final class Embedding {
  private let job: EmbeddingJob
  private let engine: Engine
  private let device: Device
  private let shape: ModelShape
  private let encoder: any TextEncoder
  /// With the head that scores.
  private let scorer: FinetunedModel?
  /// Numbers per text.
  private let width: Int
  private let sequences: SequenceEncoder

  /// Loads the model and the tokenizer.
  /// - Throws: `TorchError`, `ShardError` or `TokenizerError` if they cannot be read or do not fit.
  public init(_ job: EmbeddingJob, engine: Engine) throws {
    self.job = job
    self.engine = engine
    device = job.device == "cpu" ? .cpu : .cuda(0)
    try engine.setThreads(max(1, job.threads))
    let shape = try ModelShape(path: "\(job.checkpoint)/\(ModelShape.fileName)")
    self.shape = shape
    let tokenizer = try WordPieceTokenizer(path: job.tokenizer)
    try shape.check(tokenizer)
    sequences = try SequenceEncoder(
      tokenizer, dictionary: job.dictionary,
      maximumLength: job.scores ? shape.length(atMost: job.maximumLength) : min(job.maximumLength, shape.maximumLength))
    let head = job.scores ? try TunedTask(tuned: "\(job.checkpoint)/\(TunedTask.fileName)").head : nil
    let parameters = try Parameters(
      shape.encoderParameters + (head?.parameters(shape) ?? []), engine: engine, device: device,
      precision: job.precision)
    let weights = try SafetensorsFile("\(job.checkpoint)/\(ModelShape.weightsName)")
    try parameters.load { parameter throws(TorchError) in
      do { return try weights.floats(of: parameter.name) } catch { throw TorchError(.file, "", "\(error)") }
    }
    let encoder = shape.encoder(parameters)
    self.encoder = encoder
    scorer = head.map { FinetunedModel(encoder, parameters, $0) }
    width = head.map { $0.answerParameters(shape)[0].shape[0] } ?? shape.hiddenSize
  }

  private static let batch = 64
  /// Texts that are read, sorted by length and embedded at a time.
  private static let chunk = 4096

  /// Writes the vectors, or for each query its nearest texts.
  /// - Throws: `ShardError` if the texts cannot be read or the result not written; `TorchError` if vectors are not
  ///   finite.
  public func run(listen: (FineTuningStep) -> Void = { _ in }) throws {
    var search = job.queries.isEmpty ? nil : try NeighborSearch(job.queries, top: job.top, engine, device)
    var vectors: [Float] = []
    var pending: [TokenSequence] = []
    var count = 0
    func flush() throws {
      guard !pending.isEmpty else { return }
      let fresh = try embed(pending)
      guard fresh.allSatisfy(\.isFinite) else { throw Self.noNumbers(job) }
      if search == nil { vectors += fresh } else { try search?.add(fresh, from: count, count: pending.count) }
      count += pending.count
      pending.removeAll()
      listen(FineTuningStep(step: count, steps: 0, loss: .nan))
    }
    try TextRecord.forEach(job.texts) { record in
      pending.append(try sequences.text(job.prefix + record.text))
      if pending.count == Self.chunk { try flush() }
    }
    try flush()
    let tensors = search?.tensors() ?? [TensorSource("vectors", shape: [count, width], floats: vectors)]
    try Safetensors.write(tensors, to: job.result)
  }

  private static func noNumbers(_ job: EmbeddingJob) -> TorchError {
    TorchError(
      .diverged, job.texts, "the model returns vectors that are not finite",
      hint: "Check its weights. With bfloat16, try float32.")
  }

  /// Vectors in the texts' order.
  func embed(_ texts: [TokenSequence]) throws -> [Float] {
    let order = texts.indices.sorted { (texts[$0].ids.count, $0) < (texts[$1].ids.count, $1) }
    let size = width
    var vectors = [Float](repeating: 0, count: texts.count * size)
    try engine.withoutGradient { () throws(TorchError) in
      for start in stride(from: 0, to: order.count, by: Self.batch) {
        let numbers = order[start..<min(start + Self.batch, order.count)]
        let batch = try EncoderInput(
          numbers.map { texts[$0] }, padding: shape.padding, engine: engine, device: device)
        let pooled = try result(batch, numbers.map { texts[$0].ids.count }).floats()
        for (place, number) in numbers.enumerated() {
          for i in 0..<size { vectors[number * size + i] = pooled[place * size + i] }
        }
      }
    }
    return vectors
  }

  private func result(_ input: EncoderInput, _ lengths: [Int]) throws(TorchError) -> Tensor {
    if let scorer { return try scorer.scores(input, training: false) }
    return try pool(input, lengths)
  }

  private func pool(_ input: EncoderInput, _ lengths: [Int]) throws(TorchError) -> Tensor {
    var pooled: Tensor
    if job.pooling == .cls {
      let first = try engine.tensor(input.starts, on: device)
      pooled = try encoder.encode(input, training: false, only: first).to(.float32, device: device)
    } else {
      var tokens = try encoder.encode(input, training: false, only: nil).to(.float32, device: device)
      if let places = input.places { tokens = try tokens.scattered(to: places, of: input.batch * input.length) }
      let counts = try engine.tensor(lengths.map { Float($0) }, on: device, shape: [lengths.count, 1])
      pooled = try tokens.reshape(input.batch, input.length, shape.hiddenSize).sum(1).divided(by: counts)
    }
    guard job.normalizes else { return pooled }
    return try pooled.divided(by: pooled.norm(1, keep: true).scaled(1, plus: 1e-12))
  }
}
