import PipelineKit

/// Rates for estimates of stages that have not run in a store yet.
///
/// Of one task on one processor of a server with AVX-512, over real Japanese texts: half of what `Benchmarks/run` and the
/// pipeline of real texts showed on two processors. Your machine and texts differ: after a first run, its own rates count.
enum StatedRates {
  private static let rates: [String: StatedRate] = [
    // 10.5 MB of XML in 0.31 s by two tasks; dumps are compressed to about a fifth.
    "wikipedia.extract": StatedRate(bytesPerSecond: 3.4e6, contentRatio: 2),
    // 112 MB by two tasks: 2.31 s, 7.23 s, 1.35 s, 0.67 s.
    "dedupe.minhash": StatedRate(bytesPerSecond: 24e6, contentRatio: 0.9),
    "tokenizer.train": StatedRate(bytesPerSecond: 7.7e6, contentRatio: 0, storedRatio: 1),
    // A token is 2 bytes on disk and about 5 bytes of text.
    "tokenizer.encode": StatedRate(bytesPerSecond: 41e6, contentRatio: 0.4, storedRatio: 1),
    "mds.write": StatedRate(bytesPerSecond: 84e6, storedRatio: 1),
    // 112 MB in 19.1 s by two tasks.
    "filter.quality": StatedRate(bytesPerSecond: 2.9e6, contentRatio: 0.8),
  ]
  /// Stages that read documents, or files into documents, without a rate of their own.
  private static let ofDocuments = StatedRate(bytesPerSecond: 20e6)

  /// nil for stages that do not work on documents, such as evaluations.
  static func rate(of stage: StageDescription) -> StatedRate? {
    if let rate = rates[stage.name] { return rate }
    let readsModels = stage.inputs.contains { [.checkpoint, .checkpoints, .huggingFaceModel].contains($0.kind) }
    let readsDocuments = stage.inputs.contains { $0.kind == .documents }
    let writesDocuments = stage.outputs.contains { $0.kind == .documents }
    return !readsModels && (readsDocuments || writesDocuments) ? ofDocuments : nil
  }
}
