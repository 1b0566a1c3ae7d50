import PipelineKit
import ShardKit

/// What a finished run of a stage has stored of the documents and of their similar pairs.
struct MeasuredCorpus {
  /// Files of the stage.
  struct Stored {
    var documents: [ArtifactFile]
    /// Of `MeasuredPair`.
    var pairs: [ArtifactFile]
    /// Of `DocumentMeasures`.
    var measures: [ArtifactFile]
  }

  private let table: DocumentTable
  private let documents: [ArtifactFile]
  private let pairs: [ArtifactFile]
  private let reason: String
  private let memoryBytes: Int
  private var weights: [Double] = []
  private var groups: [UInt32] = []
  private var names: [String] = []
  private let scratch = try? TemporaryFolder()

  /// The removed documents with their similarities in millionths; nil for kept ones.
  typealias Removed = [UInt32?]

  /// - Throws: `StageError` for an unknown weight or group.
  init(
    _ table: DocumentTable, _ stored: Stored, reason: String, memory: ByteCount, _ question: WhatIfQuestion
  ) throws {
    (self.table, self.reason, memoryBytes) = (table, reason, memory.bytes)
    (documents, pairs) = (stored.documents, stored.pairs)
    guard question.weight == DocumentMeasures.characters else {
      throw StageError(.options, "weight", "'\(question.weight)' is not stored", hint: "Only characters are.")
    }
    guard [DocumentMeasures.source, DocumentMeasures.domain].contains(question.group) else {
      throw StageError(.options, "by", "'\(question.group)' is not stored", hint: "Use source or domain.")
    }
    var numbers: [ExactText: UInt32] = [:]
    for file in stored.measures {
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

  /// - Parameter thresholds: the first is that of the stage as it is.
  func answers(_ thresholds: [Double], _ question: WhatIfQuestion) throws -> [WhatIfAnswer] {
    let base = try removed(by: thresholds[0])
    return try thresholds.enumerated().map { number, threshold in
      number == 0
        ? answer(base, nil, question, threshold: threshold)
        : answer(try removed(by: threshold), (base, thresholds[0]), question, threshold: threshold)
    }
  }

  private func removed(by threshold: Double) throws -> Removed {
    let choice = ClusterRepresentatives(
      table: table, memoryBytes: memoryBytes, scratch: (scratch?.path ?? "/tmp") + "/choice")
    var removed = Removed(repeating: nil, count: table.ownCount)
    _ = try choice.choose { emit in
      for file in pairs {
        try forEachRecord(of: file.path, as: MeasuredPair.self) { pair in
          if pair.similarity >= threshold { try emit(Duplicate(pair)) }
        }
      }
    } found: { duplicate in
      removed[Int(duplicate.document)] = duplicate.similarity
    }
    return removed
  }

  private func answer(
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
        answer.dropped[reason, default: .init()].add(weight)
      }
      guard let base, (base.removed[document] == nil) != (removed[document] == nil) else { continue }
      let moves = removed[document] == nil ? \WhatIfAnswer.entering : \.leaving
      answer[keyPath: moves].all.add(weight)
      answer[keyPath: moves].byReason[reason, default: .init()].add(weight)
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
          reason, value: Double(similarity(Int(document))) / Double(Duplicate.whole),
          threshold: threshold()))
    }
  }
}
