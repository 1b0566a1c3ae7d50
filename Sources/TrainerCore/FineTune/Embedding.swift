import ShardKit
import TextKit

/// Turns texts into vectors with an encoder, or into scores with its head, or searches them for the neighbors of queries.
public final class Embedding {
  private let job: EmbeddingJob
  private let engine: Engine
  private let device: Device
  private let shape: ModelShape
  private let encoder: SentenceEncoder
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
    let tokenizer = try Tokenizer(path: job.tokenizer)
    try shape.check(tokenizer)
    sequences = try SequenceEncoder(
      tokenizer, dictionary: job.dictionary,
      maximumLength: job.scores ? shape.length(atMost: job.maximumLength) : min(job.maximumLength, shape.maximumLength))
    let head = job.scores ? try TunedTask(tuned: "\(job.checkpoint)/\(TunedTask.fileName)").head : nil
    let parameters = try Parameters(
      shape.encoderParameters
        + (head?.parameters(shape) ?? SentenceEncoder.poolingParameters(shape, job.pooling)), engine: engine,
      device: device,
      precision: job.precision)
    let weights = try SafetensorsFile("\(job.checkpoint)/\(ModelShape.weightsName)")
    try parameters.load { parameter throws(TorchError) in
      do { return try weights.floats(of: parameter.name) } catch { throw TorchError(.file, "", "\(error)") }
    }
    let encoder = shape.encoder(parameters)
    self.encoder = SentenceEncoder(encoder: encoder, parameters: parameters, pooling: job.pooling)
    scorer = head.map { FinetunedModel(encoder, parameters, $0) }
    width = head.map { $0.answerParameters(shape)[0].shape[0] } ?? shape.hiddenSize
  }

  /// Texts that are read, sorted by length and embedded at a time, and their tokens, however few of them these are.
  private static let chunk = 4096
  private static let chunkTokens = 1 << 22

  /// Writes the vectors, or for each query its nearest texts.
  /// - Throws: `ShardError` if the texts cannot be read or the result not written; `TorchError` if vectors are not
  ///   finite.
  public func run(listen: (FineTuningStep) -> Void = { _ in }) throws {
    var searches = try searches()
    var vectors: [Float] = []
    var pending: [TokenSequence?] = []
    var count = 0, tokens = 0
    func flush() throws {
      guard !pending.isEmpty else { return }
      let fresh = try embed(pending)
      if searches.isEmpty { vectors += fresh }
      for place in searches.indices { try searches[place].add(fresh, from: count, count: pending.count) }
      count += pending.count
      pending.removeAll()
      tokens = 0
      listen(FineTuningStep(step: count, steps: 0, loss: .nan))
    }
    try TextRecord.forEach(job.texts, pair: job.pair) { record, _ in
      let isWhole = job.pair.isEmpty || record.pair != nil
      let sequence = isWhole ? try sequences.sequence(job.prefix + record.text, record.pair) : nil
      pending.append(sequence)
      tokens += sequence?.ids.count ?? 0
      if pending.count == Self.chunk || tokens >= Self.chunkTokens { try flush() }
    }
    try flush()
    var tensors: [TensorSource] = []
    for place in searches.indices { tensors += searches[place].tensors() }
    if searches.isEmpty { tensors = [TensorSource("vectors", shape: [count, width], floats: vectors)] }
    try Safetensors.write(tensors, to: job.result)
  }

  private func searches() throws -> [NeighborSearch] {
    guard !job.queries.isEmpty else { return [] }
    let measures = job.measures.isEmpty ? [nil] : job.measures.map(Optional.init)
    return try measures.map { try NeighborSearch(job.queries, top: job.top, measure: $0, engine, device) }
  }

  private static func noNumbers(_ job: EmbeddingJob) -> TorchError {
    TorchError(
      .diverged, job.texts, "the model returns vectors that are not finite",
      hint: "Check its weights. With bfloat16, try float32.")
  }

  /// Vectors in the texts' order; where there is no text, they are not numbers.
  func embed(_ given: [TokenSequence?]) throws -> [Float] {
    let texts = given.map { $0 ?? TokenSequence() }
    let order = given.indices.filter { given[$0] != nil }
      .sorted { (texts[$0].ids.count, $0) < (texts[$1].ids.count, $1) }
    let size = width, batches = FilledBatch(isGPU: !device.isCPU)
    var vectors = [Float](repeating: .nan, count: texts.count * size)
    try engine.withoutGradient { () throws(TorchError) in
      var start = 0
      while start < order.count {
        let numbers = order[start..<(start + batches.count(order[start...].lazy.map { texts[$0].ids.count }))]
        start = numbers.endIndex
        let batch = try EncoderInput(
          numbers.map { texts[$0] }, padding: shape.padding, engine: engine, device: device)
        let pooled = try result(batch, numbers.map { texts[$0].ids.count }).floats()
        guard pooled.allSatisfy(\.isFinite) else { throw Self.noNumbers(job) }
        for (place, number) in numbers.enumerated() {
          for i in 0..<size { vectors[number * size + i] = pooled[place * size + i] }
        }
      }
    }
    return vectors
  }

  private func result(_ input: EncoderInput, _ lengths: [Int]) throws(TorchError) -> Tensor {
    if let scorer { return try scorer.scores(input, training: false) }
    let vectors = try encoder.vectors(input, lengths: lengths, training: false)
    return job.normalizes ? try vectors.unitRows() : vectors
  }
}
