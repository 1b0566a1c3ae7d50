public import PipelineKit
import ShardKit

extension Gate: WhatIfStage {
  /// Decides every document by every variant's rules, from the measures alone.
  /// - Throws: `StageError` for a rule that is wrong, or measures that are missing.
  public static func whatIf(
    _ variants: [Gate], _ question: WhatIfQuestion, in context: any PlanningContext
  ) throws -> [WhatIfAnswer] {
    let parts = try GateParts(context)
    let columns = try parts.columns()
    for (name, kind) in [(question.weight, SignalColumn.Kind.number), (question.group, .text)]
    where columns[name] != kind {
      let known = columns.filter { $0.value == kind }.keys.sorted()
      throw StageError(
        .options, kind == .number ? "weight" : "group",
        "no wired scoring stage writes \(kind == .number ? "a measure" : "a text") '\(name)'"
          + suggestion(for: name, among: known))
    }
    let deciders = try variants.map { try Decider($0, parts, columns, context) }
    var answers = GateAnswers(variants.count, samples: question.samples)
    let wanted = deciders.reduce(into: Set([question.weight, question.group, SignalsOutput.source])) {
      $0.formUnion($1.rules.columns)
    }
    for file in parts.files {
      let hashes = try file.documents.idHashes()
      let table = try SignalTable(hashes: hashes, files: file.signals, wanted: wanted)
      let verdicts = deciders.map { $0.verdicts(table) }
      answers.add(
        file, hashes, verdicts, weights: table.numbers(question.weight) ?? [], groups: table.texts(question.group))
    }
    return answers.finished()
  }

  /// One variant of a gate, ready to decide.
  private struct Decider {
    let rules: GateRules
    private let lists: [String: Set<String>]
    private let cuts: [GateQuantile: [String: Double]]
    private let sources: Set<String>

    init(
      _ gate: Gate, _ parts: GateParts, _ columns: [String: SignalColumn.Kind], _ context: any PlanningContext
    ) throws {
      rules = try GateRules(gate.options.preset, require: gate.options.require)
      let files = try context.files(gate.options.lists)
      try rules.check(columns: columns, lists: GateLists.names(files))
      lists = try GateLists.read(files)
      cuts = try GateCuts.find(rules.quantiles, in: parts.files).values
      sources = Set(gate.options.sources)
    }

    func verdicts(_ table: SignalTable) -> GateVerdicts {
      GateVerdicts(rules, GateEvaluation(table: table, lists: lists, quantiles: cuts), sources: sources)
    }
  }
}

/// Sums up verdicts, file by file.
private struct GateAnswers {
  private var answers: [WhatIfAnswer]
  private let samples: Int
  /// By variant and direction: the documents with the smallest hashes, which are the same for any order of files.
  private var candidates: [[Candidate]]

  fileprivate struct Candidate {
    var hash: UInt64
    var file: GateParts.File
    var row: Int
    var reason: DropReason
  }

  init(_ variants: Int, samples: Int) {
    answers = Array(repeating: WhatIfAnswer(), count: variants)
    self.samples = samples
    candidates = Array(repeating: [], count: 2 * variants)
  }

  mutating func add(
    _ file: GateParts.File, _ hashes: [UInt64], _ verdicts: [GateVerdicts], weights: [Double], groups: CodedTexts?
  ) {
    let base = verdicts[0]
    for (variant, verdict) in verdicts.enumerated() {
      for row in hashes.indices {
        let weight = weights.isEmpty || weights[row].isNaN ? 0 : weights[row]
        let group = groups.map { $0.values[Int($0.codes[row])] } ?? ""
        if let reason = verdict.missedRule(row) {
          answers[variant].dropped[reason, default: .init()].add(weight)
        } else {
          answers[variant].kept.add(weight)
          answers[variant].keptByGroup[group, default: .init()].add(weight)
        }
        let isKept = verdict.missed[row] < 0
        guard variant > 0, isKept != (base.missed[row] < 0) else { continue }
        let moves = isKept ? \WhatIfAnswer.entering : \.leaving
        let dropping = isKept ? base : verdict
        answers[variant][keyPath: moves].all.add(weight)
        answers[variant][keyPath: moves].byReason[dropping.missedRule(row) ?? "", default: .init()].add(weight)
        answers[variant][keyPath: moves].byGroup[group, default: .init()].add(weight)
        offer(hashes[row], file, row, dropping, to: 2 * variant + (isKept ? 1 : 0))
      }
    }
  }

  private mutating func offer(
    _ hash: UInt64, _ file: GateParts.File, _ row: Int, _ verdicts: GateVerdicts, to place: Int
  ) {
    let last = candidates[place].last?.hash ?? 0
    guard samples > 0, candidates[place].count < samples || hash < last, let reason = verdicts.reason(row) else {
      return
    }
    let at = candidates[place].firstIndex { $0.hash > hash } ?? candidates[place].count
    candidates[place].insert(Candidate(hash: hash, file: file, row: row, reason: reason), at: at)
    if candidates[place].count > samples { candidates[place].removeLast() }
  }

  func finished() -> [WhatIfAnswer] {
    var answers = answers
    for variant in answers.indices {
      answers[variant].leaving.samples = candidates[2 * variant].map(\.sample)
      answers[variant].entering.samples = candidates[2 * variant + 1].map(\.sample)
    }
    return answers
  }
}

extension GateAnswers.Candidate {
  fileprivate var sample: WhatIfAnswer.Sample {
    WhatIfAnswer.Sample(file: file.documents, row: row, reason: reason)
  }
}
