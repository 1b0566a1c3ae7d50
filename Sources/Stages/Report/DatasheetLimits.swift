import PipelineKit
import ShardKit

/// What was not done, and what is not known.
enum DatasheetLimits {
  static func of(_ facts: DatasheetFacts) -> [String] {
    let uses = Set(facts.accounts.map(\.identity.use))
    return undone(uses) + unstated(facts) + warnings(facts) + [
      "Counts and measures describe the texts; whether they are true, fair or complete has not been judged."
    ]
  }

  private static func undone(_ uses: Set<String>) -> [String] {
    var out: [String] = []
    let copies = uses.filter { $0.hasPrefix("dedupe.") }
    if copies.isEmpty {
      out.append("No deduplication: documents may occur several times.")
    } else if !copies.contains(DedupeMinHash.name) {
      out.append("No search for near duplicates (\(copies.sorted().joined(separator: ", ")) only).")
    }
    if !uses.contains(Decontaminate.name) {
      out.append(
        "No decontamination: questions of test sets may be in the corpus, and scores on them are not to be trusted.")
    }
    if !uses.contains(RedactPII.name) { out.append("Personal data was not looked for.") }
    if !uses.contains(FilterToxicity.name) { out.append("Toxic text was not looked for.") }
    if !uses.contains(FilterLanguage.name) {
      out.append("Languages were not checked; those above are what metadata state.")
    }
    if uses.isDisjoint(with: [FilterQuality.name, Gate.name]) { out.append("No filter by quality.") }
    return out
  }

  private static func unstated(_ facts: DatasheetFacts) -> [String] {
    let tally = facts.tally
    func line(_ table: [String: DocumentTally.Amount], _ what: String) -> String? {
      guard let amount = table[DocumentTally.unknown], amount.documents > 0 else { return nil }
      let share = fixed(100 * Double(amount.documents) / Double(max(1, tally.all.documents)), 2)
      return "\(grouped(amount.documents)) documents (\(share) %) state no \(what)."
    }
    let undated = tally.days.values.reduce(0) { $0 + $1.undated }
    return [line(tally.licensesOfAll, "license"), line(tally.languages, "language"), line(tally.domains, "domain")]
      .compactMap(\.self) + (undated > 0 ? ["\(grouped(undated)) documents state no date."] : [])
  }

  /// Names and counts only: messages may quote texts.
  private static func warnings(_ facts: DatasheetFacts) -> [String] {
    facts.accounts.flatMap { account in
      account.warnings.sorted { $0.key < $1.key }.map { name, warning in
        "Stage \(account.stage) warned of '\(name)', \(grouped(warning.count)) \(warning.count == 1 ? "time" : "times")."
      }
    }
  }
}
