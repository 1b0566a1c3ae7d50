public import PipelineKit
import ShardKit

extension DedupeMinHash: WhatIfStage {
  public static var changeable: Set<String>? { ["threshold", "clusterSize"] }

  /// Chooses the kept documents by every variant's threshold, from the stored similarities.
  /// - Throws: `StageError` for a threshold outside what is stored, or an unknown weight or group.
  public static func whatIf(
    _ variants: [DedupeMinHash], _ question: WhatIfQuestion, in context: any PlanningContext
  ) throws -> [WhatIfAnswer] {
    let stage = variants[0]
    for variant in variants { try check(variant.options.threshold, stage.options.stored) }
    let accepted = try AcceptedIndex(context.files(against), stage.shape, stage.options)
    let corpus = try MeasuredCorpus(
      try DocumentTable(context.files(rows).map(\.path), accepted: accepted.rows.map(\.path)),
      MeasuredCorpus.Stored(
        documents: context.files(documents), pairs: context.files(similarities), measures: context.files(measures)),
      reason: reason, memory: stage.options.memory, question)
    return try corpus.answers(variants.map(\.options.threshold), question)
  }
}
