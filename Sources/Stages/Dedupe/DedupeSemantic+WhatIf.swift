public import PipelineKit
import ShardKit

extension DedupeSemantic: WhatIfStage {
  public static var changeable: Set<String>? { ["threshold", "clusterSize"] }

  /// Chooses the kept documents by every variant's threshold, from the stored similarities.
  /// - Throws: `StageError` for a threshold below what is stored, or an unknown weight or group.
  public static func whatIf(
    _ variants: [DedupeSemantic], _ question: WhatIfQuestion, in context: any PlanningContext
  ) throws -> [WhatIfAnswer] {
    let stage = variants[0]
    for variant in variants { try check(variant.options.threshold, floor: stage.options.floor) }
    let corpus = try MeasuredCorpus(
      try DocumentTable(context.files(rows).map(\.path)),
      MeasuredCorpus.Stored(
        documents: context.files(documents), pairs: context.files(similarities), measures: context.files(measures)),
      reason: reason, memory: stage.options.memory, question)
    return try corpus.answers(variants.map(\.options.threshold), question)
  }
}
