public import PipelineKit
import ShardKit

extension Gate: WhatIfStage {
  public static var changeable: Set<String>? { nil }

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
    let rules = try variants.map { try GateRules($0.options.preset, require: $0.options.require) }
    let lists = GateLists.names(try variants.flatMap { try context.files($0.options.lists) })
    for rules in rules { try rules.check(columns: columns, lists: lists) }
    let cuts = try GateCuts.find(rules.reduce(into: []) { $0.formUnion($1.quantiles) }, in: parts.files).values
    let deciders = try zip(variants, rules).map { try Decider($0, $1, cuts, context) }
    var answers = GateAnswers(variants.count, samples: question.samples)
    let wanted = deciders.reduce(into: Set([question.weight, question.group, SignalsOutput.source])) {
      $0.formUnion($1.rules.columns)
    }
    for file in parts.files {
      let hashes = try file.documents.idHashes()
      let table = try SignalTable(hashes: hashes, files: file.signals, wanted: wanted)
      let part = GateAnswers.Part(
        file: file, hashes: hashes, weights: table.numbers(question.weight) ?? [], groups: table.texts(question.group))
      let base = deciders[0].verdicts(table)
      answers.add(part, base, nil, to: 0)
      for variant in deciders.indices.dropFirst() {
        answers.add(part, deciders[variant].verdicts(table), base, to: variant)
      }
    }
    return answers.finished()
  }

  /// One variant of a gate, ready to decide.
  private struct Decider {
    let rules: GateRules
    private let lists: [String: Set<String>]
    private let cuts: [GateQuantile: [ExactText: Double]]
    private let sources: Set<String>

    init(
      _ gate: Gate, _ rules: GateRules, _ cuts: [GateQuantile: [ExactText: Double]], _ context: any PlanningContext
    ) throws {
      (self.rules, self.cuts) = (rules, cuts)
      lists = try GateLists.read(try context.files(gate.options.lists))
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

  /// One file's documents, with what is summed up.
  struct Part {
    var file: GateParts.File
    var hashes: [UInt64]
    var weights: [Double]
    var groups: CodedTexts?
  }

  /// - Parameter base: the verdicts of the gate as it is; nil if these are them.
  mutating func add(_ part: Part, _ verdicts: GateVerdicts, _ base: GateVerdicts?, to variant: Int) {
    for row in part.hashes.indices {
      let weight = part.weights.isEmpty || !part.weights[row].isFinite ? 0 : part.weights[row]
      let group = part.groups.map { $0.values[Int($0.codes[row])] } ?? ""
      let missed = verdicts.missedRule(row)
      if let missed {
        answers[variant].dropped[missed, default: .init()].add(weight)
      } else {
        answers[variant].kept.add(weight)
        answers[variant].keptByGroup[group, default: .init()].add(weight)
      }
      guard let base, (missed == nil) != (base.missedRule(row) == nil) else { continue }
      let moves = missed == nil ? \WhatIfAnswer.entering : \.leaving
      answers[variant][keyPath: moves].all.add(weight)
      answers[variant][keyPath: moves].byReason[missed ?? base.missedRule(row) ?? "", default: .init()].add(weight)
      answers[variant][keyPath: moves].byGroup[group, default: .init()].add(weight)
      let dropping = missed == nil ? base : verdicts
      offer(part.hashes[row], part.file, row, dropping, to: 2 * variant + (missed == nil ? 1 : 0))
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
