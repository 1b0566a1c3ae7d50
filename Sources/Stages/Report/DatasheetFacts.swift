import PipelineKit
import ShardKit
import TextKit

/// All that is known of a corpus, and its page.
struct DatasheetFacts {
  var title: String
  var summary: String
  var facts: [String: String]
  /// Of all stages that the corpus depends on, sources first.
  var accounts: [NodeManifest] = []
  /// Which of them its documents passed.
  var paths = CorpusPaths()
  var tally = DocumentTally()
  var histograms: [SignalHistograms] = []
  /// By gate.
  var cuts: [String: GateCuts] = [:]
  var drops = DropExamples()
  /// Reports of `decontaminate`.
  var decontamination: [JSONValue] = []

  /// Rows of a table.
  private static let mostRows = 30

  var page: ReportPage {
    var sections = [
      overview, sources, licenses, mix("Languages", "language", tally.languages),
      mix("Domains", "domain", tally.domains),
      lengths, stages, dropSection,
    ]
    if !pictures.isEmpty { sections.append(measures) }
    sections += [personal, testSets, limitSection]
    return ReportPage(title: title, summary: summary, sections: sections)
  }

  // MARK: The corpus

  private var overview: ReportPage.Section {
    var table = PageTable("The corpus", [("fact", .text), ("value", .text)])
    table.rows = [
      ["Documents", grouped(tally.all.documents)], ["Characters", grouped(tally.all.characters)],
      ["Sources", grouped(tally.sources.count)],
      ["Licenses", grouped(tally.licensesOfAll.keys.count { $0 != DocumentTally.unknown })],
      ["Documents without a stated license", grouped(tally.licensesOfAll[DocumentTally.unknown]?.documents ?? 0)],
      ["Read by the sources", "\(grouped(read)) records"], ["Dropped on the way", grouped(dropped)],
    ]
    table.rows += facts.sorted { ExactText($0.key) < ExactText($1.key) }.map { [$0.key, $0.value] }
    return ReportPage.Section(title: "Overview", blocks: [.table(table)])
  }

  private var read: Int {
    let sources = Set(paths.sources)
    return own.filter { sources.contains($0.stage) }.reduce(0) { $0 + $1.ledger.input.documents }
  }

  private var dropped: Int { own.reduce(0) { $0 + $1.ledger.droppedDocuments } }

  private static func sorted(_ table: [String: DocumentTally.Amount]) -> [(key: String, value: DocumentTally.Amount)] {
    table.sorted { ($1.value.characters, ExactText($0.key)) < ($0.value.characters, ExactText($1.key)) }
  }

  private func share(_ amount: DocumentTally.Amount) -> String {
    fixed(100 * Double(amount.characters) / Double(max(1, tally.all.characters)), 2) + " %"
  }

  private static func limited(_ table: PageTable) -> PageTable {
    var table = table
    table.more = max(0, table.rows.count - mostRows)
    table.rows = Array(table.rows.prefix(mostRows))
    return table
  }

  private var sources: ReportPage.Section {
    var table = PageTable(
      "Sources",
      [("source", .text), ("documents", .number), ("characters", .number), ("share", .number), ("dates", .text)])
    table.rows = Self.sorted(tally.sources).map { name, amount in
      [
        name, grouped(amount.documents), grouped(amount.characters), share(amount),
        tally.days[name]?.text ?? DocumentTally.Days().text,
      ]
    }
    return ReportPage.Section(title: "Sources", blocks: [.table(Self.limited(table))])
  }

  private var licenses: ReportPage.Section {
    var table = PageTable(
      "Licenses by source", [("license", .text), ("source", .text), ("documents", .number), ("characters", .number)])
    table.rows = Self.sorted(tally.sources).flatMap { source, _ in
      Self.sorted(tally.licenses[source] ?? [:]).map { license, amount in
        [license, source, grouped(amount.documents), grouped(amount.characters)]
      }
    }
    let text = "As the metadata state them. A license that no metadata state is unknown; it is not a permission."
    return ReportPage.Section(title: "Licenses", blocks: [.paragraph(text), .table(Self.limited(table))])
  }

  private func mix(_ title: String, _ name: String, _ table: [String: DocumentTally.Amount]) -> ReportPage.Section {
    var rows = PageTable(title, [(name, .text), ("documents", .number), ("characters", .number), ("share", .number)])
    rows.rows = Self.sorted(table).map { [$0, grouped($1.documents), grouped($1.characters), share($1)] }
    return ReportPage.Section(title: title, blocks: [.table(Self.limited(rows))])
  }

  private var lengths: ReportPage.Section {
    var table = PageTable("Documents by length", [("characters", .text), ("documents", .number), ("share", .number)])
    let used = tally.lengths.indices.filter { tally.lengths[$0] > 0 }
    for place in (used.first ?? 0)..<((used.last ?? -1) + 1) {
      let share = fixed(100 * Double(tally.lengths[place]) / Double(max(1, tally.all.documents)), 2)
      table.rows.append([
        "\(grouped(1 << place)) to \(grouped((2 << place) - 1))", grouped(tally.lengths[place]), share + " %",
      ])
    }
    return ReportPage.Section(title: "Lengths", blocks: [.table(table)])
  }

  // MARK: What was done

  /// Of the stages that the documents passed.
  var own: [NodeManifest] { accounts.filter { paths.contains($0.stage) } }

  /// The sources of documents that no stage of these kinds looked at; nil if there is no such stage on their way.
  func missed(by kinds: Set<String>) -> [String]? {
    let passed = Set(own.filter { kinds.contains($0.identity.use) }.map(\.stage))
    return passed.isEmpty ? nil : paths.sources(bypassing: passed)
  }

  private var stages: ReportPage.Section {
    let others = accounts.filter { !paths.contains($0.stage) }
    let tables = [("Stages that the documents passed", own), ("Stages that measured, or made what these use", others)]
    return ReportPage.Section(
      title: "Processing", blocks: tables.filter { !$0.1.isEmpty }.map { .table(Self.stages($0.0, $0.1)) })
  }

  private static func stages(_ caption: String, _ accounts: [NodeManifest]) -> PageTable {
    var table = PageTable(
      caption,
      [("stage", .text), ("kind", .text), ("in", .number), ("out", .number), ("dropped", .number), ("merged", .number)])
    table.rows = accounts.map { account in
      let ledger = account.ledger
      let merged = ledger.merged.values.reduce(0) { $0 + $1.documents }
      return [account.stage, account.identity.use]
        + [ledger.input.documents, ledger.output.documents, ledger.droppedDocuments, merged].map(grouped)
    }
    return table
  }

  private var dropSection: ReportPage.Section {
    var table = PageTable(
      "Dropped documents by reason",
      [("stage", .text), ("reason", .text), ("documents", .number), ("bytes", .number), ("examples", .text)])
    for account in own {
      for (reason, count) in account.ledger.dropped.sorted(by: {
        ($1.value.documents, $0.key) < ($0.value.documents, $1.key)
      }) {
        let examples = drops.of(account.stage, reason).map(Self.text).joined(separator: "; ")
        table.rows.append([
          account.stage, reason, grouped(count.documents), grouped(Int(count.bytes)), examples,
        ])
      }
    }
    let text = "Examples are ids with what was measured and the threshold. Texts of dropped documents are not shown."
    return ReportPage.Section(title: "What was left out", blocks: [.paragraph(text), .table(table)])
  }

  private static func text(_ example: DropExamples.Example) -> String {
    var text = example.id
    if let value = example.value {
      text += " (\(figure(value))" + (example.threshold.map { ", threshold \(figure($0))" } ?? "") + ")"
    }
    if let survivor = example.survivor { text += " for \(survivor)" }
    return text
  }

  // MARK: Measures

  private var pictures: [HistogramPicture] {
    let gates = own.filter { $0.identity.use == Gate.name }
    return histograms.flatMap { scored in
      let readers = gates.filter { gate in gate.identity.inputs.contains { $0.source.hasPrefix(scored.stage + ".") } }
      let thresholds = readers.map { GateThresholds.of($0, cuts[$0.stage]) }
      return scored.histograms.map { histogram in
        HistogramPicture(
          stage: scored.stage, histogram: histogram, thresholds: thresholds.flatMap { $0[histogram.name] ?? [] })
      }
    }
  }

  private var constants: [String] {
    pictures.filter(\.isConstant).map { "\($0.histogram.name) \(figure($0.histogram.least))" }
  }

  private var measures: ReportPage.Section {
    let text =
      "Of the documents that were scored, before gates. The outer bars also have what lies beyond them. Dashed lines are "
      + "thresholds of gates."
    return ReportPage.Section(
      title: "Measures",
      blocks: [.paragraph(text)]
        + pictures.filter { !$0.isConstant }.flatMap { [.picture(svg: $0.svg, text: $0.line), .paragraph($0.words)] }
        + (constants.isEmpty ? [] : [.paragraph("The same for every document: \(constants.joined(separator: ", "))")]))
  }

  // MARK: Personal data and test sets

  private var personal: ReportPage.Section {
    let searches = own.filter { $0.identity.use == RedactPII.name }
    var table = PageTable(
      "Personal data that was found",
      [
        ("stage", .text), ("kind", .text), ("found", .number), ("documents", .number), ("in metadata", .number),
        ("action", .text),
      ])
    for account in searches {
      let kinds = Set(account.metrics.keys.compactMap { $0.hasSuffix("-found") ? String($0.dropLast(6)) : nil })
      for kind in kinds.sorted() {
        let numbers = ["found", "documents", "in-metadata"].map { grouped(Int(account.metrics["\(kind)-\($0)"] ?? 0)) }
        table.rows.append([account.stage, kind] + numbers + [Self.action(kind, account)])
      }
    }
    let blocks: [ReportPage.Block] =
      searches.isEmpty
      ? [.paragraph("Personal data was not looked for.")]
      : table.rows.isEmpty ? [.paragraph("Personal data was looked for, and none was found.")] : [.table(table)]
    return ReportPage.Section(
      title: "Personal data",
      blocks: blocks + unsearched(DatasheetLimits.personal, by: [RedactPII.name]))
  }

  private func unsearched(_ what: String, by kinds: Set<String>) -> [ReportPage.Block] {
    guard let missed = missed(by: kinds), !missed.isEmpty else { return [] }
    return [.paragraph(DatasheetLimits.line(what, missed))]
  }

  private static func action(_ kind: String, _ account: NodeManifest) -> String {
    let option = PersonalKind.allCases.first { $0.name == kind }
    return option.flatMap { account.identity.options["\($0)"]?.string } ?? ""
  }

  private var testSets: ReportPage.Section {
    var table = PageTable(
      "Questions of test sets that were found",
      [
        ("test set", .text), ("questions", .number), ("too short to be found", .number), ("found", .number),
        ("action", .text),
      ])
    for report in decontamination {
      for set in report["sets"]?.members ?? [] {
        let numbers = ["questions", "tooShort", "found"].map { grouped(set.value[$0]?.integer ?? 0) }
        table.rows.append([set.key] + numbers + [report["action"]?.string ?? ""])
      }
    }
    return ReportPage.Section(
      title: "Decontamination",
      blocks: table.rows.isEmpty
        ? [.paragraph("The corpus was not searched for questions of test sets.")]
        : [.table(table)] + unsearched(DatasheetLimits.decontamination, by: [Decontaminate.name]))
  }

  private var limitSection: ReportPage.Section {
    ReportPage.Section(title: "Known limits", blocks: [.list(DatasheetLimits.of(self))])
  }

  // MARK: JSON

  var json: JSONValue {
    let dropped = own.map { account in
      JSONMember(
        account.stage,
        .object(
          account.ledger.dropped.sorted { $0.key < $1.key }.map { reason, count in
            JSONMember(
              reason,
              [
                "documents": .integer(count.documents), "bytes": .integer(Int(count.bytes)),
                "examples": .list(drops.of(account.stage, reason).map(\.json)),
              ])
          }))
    }
    let cuts = pictures.flatMap { picture in
      picture.thresholds.map { threshold -> JSONValue in
        [
          "measure": .string(picture.histogram.name), "gate": .string(threshold.gate), "rule": .string(threshold.rule),
          "sign": .string(threshold.sign), "value": .number(threshold.value),
        ]
      }
    }
    return [
      "title": .string(title), "corpus": tally.json, "dropped": .object(dropped),
      "measures": .list(histograms.map(\.json)), "thresholds": .list(cuts),
      "limits": .strings(DatasheetLimits.of(self)),
    ]
  }
}
