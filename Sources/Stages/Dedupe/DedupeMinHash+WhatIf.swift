public import PipelineKit
import ShardKit

extension DedupeMinHash: WhatIfStage {
  public static var changeable: Set<String>? { ["threshold", "clusterSize"] }

  /// Chooses the kept documents by every variant's threshold, from the stored similarities.
  /// - Throws: `StageError` for a threshold outside what is stored, or an unknown weight or group.
  public static func whatIf(
    _ variants: [DedupeMinHash], _ question: WhatIfQuestion, in context: any PlanningContext
  ) throws -> [WhatIfAnswer] {
    for variant in variants { try check(variant.options.threshold, variants[0].options.stored) }
    let corpus = try MeasuredCorpus(variants[0], context, question)
    let base = try corpus.removed(by: variants[0])
    return try variants.enumerated().map { number, variant in
      number == 0
        ? corpus.answer(base, nil, question, threshold: variant.options.threshold)
        : corpus.answer(
          try corpus.removed(by: variant), (base, variants[0].options.threshold), question,
          threshold: variant.options.threshold)
    }
  }
}

/// What a finished run has stored of the documents.
private struct MeasuredCorpus {
  private let table: DocumentTable
  private let documents: [ArtifactFile]
  private let pairs: [ArtifactFile]
  private var weights: [Double] = []
  private var groups: [UInt32] = []
  private var names: [String] = []
  private let scratch = try? TemporaryFolder()

  /// The removed documents with their similarities in millionths; nil for kept ones.
  typealias Removed = [UInt32?]

  init(_ stage: DedupeMinHash, _ context: any PlanningContext, _ question: WhatIfQuestion) throws {
    let accepted = try AcceptedIndex(context.files(DedupeMinHash.against), stage.shape, stage.options)
    table = try DocumentTable(context.files(DedupeMinHash.rows).map(\.path), accepted: accepted.rows.map(\.path))
    documents = context.files(DedupeMinHash.documents)
    pairs = context.files(DedupeMinHash.similarities)
    guard question.weight == DocumentMeasures.characters else {
      throw StageError(.options, "weight", "'\(question.weight)' is not stored", hint: "Only characters are.")
    }
    guard [DocumentMeasures.source, DocumentMeasures.domain].contains(question.group) else {
      throw StageError(.options, "by", "'\(question.group)' is not stored", hint: "Use source or domain.")
    }
    var numbers: [ExactText: UInt32] = [:]
    for file in context.files(DedupeMinHash.measures) {
      let reader = try SignalsReader(file.path)
      guard let weight = reader.column(question.weight), let group = reader.column(question.group) else { continue }
      for block in reader.blocks.indices {
        weights += try reader.numbers(weight, block: block)
        let texts = try reader.texts(group, block: block)
        let codes = texts.values.map { value -> UInt32 in
          let name = ExactText(value)
          if let known = numbers[name] { return known }
          numbers[name] = UInt32(names.count)
          names.append(value)
          return UInt32(names.count - 1)
        }
        groups += texts.codes.map { codes[Int($0)] }
      }
    }
    guard weights.count == table.ownCount, groups.count == table.ownCount, documents.count == table.ownParts else {
      throw StageError(.input, "measures", "are not those of the documents", hint: "Run 'pipeline verify'.")
    }
  }

  func removed(by stage: DedupeMinHash) throws -> Removed {
    let choice = ClusterRepresentatives(
      table: table, memoryBytes: stage.options.memory.bytes, scratch: (scratch?.path ?? "/tmp") + "/choice")
    var removed = Removed(repeating: nil, count: table.ownCount)
    _ = try choice.choose { emit in
      for file in pairs {
        try forEachRecord(of: file.path, as: MeasuredPair.self) { pair in
          if pair.similarity >= stage.options.threshold { try emit(Duplicate(pair)) }
        }
      }
    } found: { duplicate in
      removed[Int(duplicate.document)] = duplicate.similarity
    }
    return removed
  }

  func answer(
    _ removed: Removed, _ base: (removed: Removed, threshold: Double)?, _ question: WhatIfQuestion, threshold: Double
  ) -> WhatIfAnswer {
    var answer = WhatIfAnswer()
    var moved: (leaving: [UInt32], entering: [UInt32]) = ([], [])
    for document in removed.indices {
      let weight = weights[document], group = names[Int(groups[document])]
      if removed[document] == nil {
        answer.kept.add(weight)
        answer.keptByGroup[group, default: .init()].add(weight)
      } else {
        answer.dropped[DedupeMinHash.reason, default: .init()].add(weight)
      }
      guard let base, (base.removed[document] == nil) != (removed[document] == nil) else { continue }
      let moves = removed[document] == nil ? \WhatIfAnswer.entering : \.leaving
      answer[keyPath: moves].all.add(weight)
      answer[keyPath: moves].byReason[DedupeMinHash.reason, default: .init()].add(weight)
      answer[keyPath: moves].byGroup[group, default: .init()].add(weight)
      if removed[document] == nil {
        moved.entering.append(UInt32(document))
      } else {
        moved.leaving.append(UInt32(document))
      }
    }
    answer.leaving.samples = samples(moved.leaving, question.samples) {
      removed[$0]!
    } threshold: {
      threshold
    }
    if let base {
      answer.entering.samples = samples(moved.entering, question.samples) {
        base.removed[$0]!
      } threshold: {
        base.threshold
      }
    }
    return answer
  }

  /// The documents with the smallest hashes of their ids, which are the same for any order of files.
  private func samples(
    _ moved: [UInt32], _ count: Int, _ similarity: (Int) -> UInt32, threshold: () -> Double
  ) -> [WhatIfAnswer.Sample] {
    let ranked = moved.map { (hash: recordHash(table.id($0)), document: $0) }
    return ranked.sorted { ($0.hash, $0.document) < ($1.hash, $1.document) }.prefix(count).map { _, document in
      let (part, row) = table.locate(document)
      return WhatIfAnswer.Sample(
        file: documents[part], row: row,
        reason: DropReason(
          DedupeMinHash.reason, value: Double(similarity(Int(document))) / Double(Duplicate.whole),
          threshold: threshold()))
    }
  }
}
