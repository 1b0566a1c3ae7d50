public import PipelineKit
import ShardKit

extension MixRebalance: WhatIfStage {
  public static var changeable: Set<String>? { ["caps", "shares", "ratios", "budget", "maximumRepeats"] }

  /// Plans every variant's mix, and cuts each domain, from the counted documents. Amounts are in the unit of the mix, by
  /// its domains.
  /// - Throws: `StageError` for a mix that cannot be made of these documents.
  public static func whatIf(
    _ variants: [MixRebalance], _ question: WhatIfQuestion, in context: any PlanningContext
  ) throws -> [WhatIfAnswer] {
    let documents = context.files(Self.documents), files = context.files(counted)
    let domains = try CountedDomains(files)
    let plans = try variants.map { variant in
      var selection = MixSelection(Array(domains.domains.values))
      try selection.select(variant.targets) { domains.rows($0) }
      return selection
    }
    let rows = files.filter { $0.name.hasSuffix(".rows") }
    guard rows.count == documents.count else {
      throw StageError(.input, "counted", "is not of these documents", hint: "Run 'pipeline verify'.")
    }
    let sources = Dictionary(uniqueKeysWithValues: zip(rows.map(\.path), documents))
    let options = variants[0].options
    return try plans.enumerated().map { number, plan in
      var answer = MixAnswer(plan, number == 0 ? nil : plans[0], samples: question.samples)
      for place in plan.domains.indices { try answer.add(place, domains) }
      return try answer.finished(unit: options.unit.rawValue, domain: options.domain, sources)
    }
  }
}

/// Sums up one variant of a mix, domain by domain.
private struct MixAnswer {
  private let plan: MixSelection
  private let base: MixSelection?
  private let samples: Int
  private var answer = WhatIfAnswer()
  private var leaving: [Candidate] = []
  private var entering: [Candidate] = []

  private struct Candidate {
    var record: UInt64
    var path: String
    var reason: DropReason
  }

  /// - Parameter base: the mix as it is; nil if this is it.
  init(_ plan: MixSelection, _ base: MixSelection?, samples: Int) {
    (self.plan, self.base, self.samples) = (plan, base, samples)
  }

  /// Adds a domain; both plans have the same ones, in the same order.
  mutating func add(_ place: Int, _ counted: CountedDomains) throws {
    let domain = plan.domains[place], before = base?.domains[place]
    let kept = WhatIfAnswer.Amount(documents: domain.keptDocuments, weight: Double(domain.kept))
    answer.kept += kept
    answer.keptByGroup[domain.name] = kept
    var dropped = WhatIfAnswer.Amount(), into = WhatIfAnswer.Amount(), out = WhatIfAnswer.Amount()
    var moved: (leaving: [Candidate], entering: [Candidate]) = ([], [])
    try counted.forEachRow(domain.name) { row, path in
      let stays = domain.copies(rank: row.rank, record: row.record) > 0
      if !stays { dropped.add(Double(row.weight)) }
      guard let before, (before.copies(rank: row.rank, record: row.record) > 0) != stays else { return }
      if stays { into.add(Double(row.weight)) } else { out.add(Double(row.weight)) }
      let dropping = stays ? Self.reason(before, base!) : Self.reason(domain, plan)
      let candidate = Candidate(record: row.record, path: path, reason: dropping)
      if stays { offer(candidate, &moved.entering) } else { offer(candidate, &moved.leaving) }
    }
    if dropped.documents > 0 { answer.dropped[MixRebalance.reason, default: .init()] += dropped }
    answer.entering.add(into, domain.name)
    answer.leaving.add(out, domain.name)
    for candidate in moved.leaving { offer(candidate, &leaving) }
    for candidate in moved.entering { offer(candidate, &entering) }
  }

  private static func reason(_ domain: MixSelection.Domain, _ plan: MixSelection) -> DropReason {
    func share(_ part: UInt64, _ whole: UInt64) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
    return DropReason(
      MixRebalance.reason, value: share(domain.present, plan.present), threshold: share(domain.kept, plan.kept),
      detail: domain.name)
  }

  /// Keeps the documents with the smallest hashes of their ids.
  private func offer(_ candidate: Candidate, _ list: inout [Candidate]) {
    guard samples > 0, list.count < samples || candidate.record < list.last!.record else { return }
    list.insert(candidate, at: list.firstIndex { $0.record > candidate.record } ?? list.count)
    if list.count > samples { list.removeLast() }
  }

  /// - Parameter sources: the documents by the path of their rows.
  func finished(unit: String, domain: String, _ sources: [String: ArtifactFile]) throws -> WhatIfAnswer {
    var answer = answer
    (answer.weight, answer.group) = (unit, domain)
    func samples(_ candidates: [Candidate]) throws -> [WhatIfAnswer.Sample] {
      try candidates.compactMap { candidate in
        guard let file = sources[candidate.path], let row = try file.idHashes().firstIndex(of: candidate.record) else {
          return nil
        }
        return WhatIfAnswer.Sample(file: file, row: row, reason: candidate.reason)
      }
    }
    answer.leaving.samples = try samples(leaving)
    answer.entering.samples = try samples(entering)
    return answer
  }
}

extension WhatIfAnswer.Amount {
  fileprivate init(documents: Int, weight: Double) {
    self.init()
    (self.documents, self.weight) = (documents, weight)
  }

  fileprivate static func += (a: inout Self, b: Self) {
    a.documents += b.documents
    a.weight += b.weight
  }
}

extension WhatIfAnswer.Moves {
  fileprivate mutating func add(_ amount: WhatIfAnswer.Amount, _ group: String) {
    guard amount.documents > 0 else { return }
    all += amount
    byReason[MixRebalance.reason, default: .init()] += amount
    byGroup[group] = amount
  }
}
