import PipelineKit
import ShardKit

/// What was not done, and what is not known.
enum DatasheetLimits {
  static func of(_ facts: DatasheetFacts) -> [String] {
    undone(facts) + unstated(facts) + warnings(facts) + [
      "Counts and measures describe the texts; whether they are true, fair or complete has not been judged."
    ]
  }

  static let personal = "Personal data was not looked for in"
  static let decontamination = "No decontamination of"
  private static let mostNames = 20

  /// Names the sources that something was not done to.
  static func line(_ what: String, _ sources: [String]) -> String {
    let more = sources.count > mostNames ? " and \(grouped(sources.count - mostNames)) more" : ""
    return "\(what): \(sources.prefix(mostNames).joined(separator: ", "))\(more)."
  }

  /// What was not done to the documents on every way from a source.
  private static func undone(_ facts: DatasheetFacts) -> [String] {
    func limit(_ kinds: Set<String>, none: String, some: String) -> String? {
      guard let missed = facts.missed(by: kinds) else { return none }
      return missed.isEmpty ? nil : line(some, missed)
    }
    let rest = [
      limit(
        [Decontaminate.name],
        none: "No decontamination: questions of test sets may be in the corpus, and scores on them are not to be "
          + "trusted.",
        some: decontamination),
      limit([RedactPII.name], none: "Personal data was not looked for.", some: personal),
      limit([FilterToxicity.name], none: "Toxic text was not looked for.", some: "Toxic text was not looked for in"),
      limit(
        [FilterLanguage.name], none: "Languages were not checked; those above are what metadata state.",
        some: "Languages were not checked in"),
      limit([FilterQuality.name, Gate.name], none: "No filter by quality.", some: "No filter by quality of"),
    ]
    return copies(facts) + rest.compactMap(\.self)
  }

  private static func copies(_ facts: DatasheetFacts) -> [String] {
    let kinds = Set(facts.own.map(\.identity.use).filter { $0.hasPrefix("dedupe.") })
    guard let missed = facts.missed(by: kinds) else {
      return ["No deduplication: documents may occur several times."]
    }
    var out = missed.isEmpty ? [] : [line("No deduplication of", missed)]
    if let far = facts.missed(by: [DedupeMinHash.name])?.filter({ !missed.contains($0) }) {
      if !far.isEmpty { out.append(line("No search for near duplicates in", far)) }
    } else {
      out.append("No search for near duplicates (\(kinds.sorted().joined(separator: ", ")) only).")
    }
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
