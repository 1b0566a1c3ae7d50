import ShardKit

/// The page of a comparison.
struct ComparisonPage {
  var title: String
  var summary: String
  var comparison: ComparedGroups

  private var groups: [ComparedGroups.Group] { comparison.groups }

  /// Those that differ most first.
  private var measures: [ComparedGroups.Compared] {
    comparison.measures.sorted { ($1.difference, ExactText($0.name)) < ($0.difference, ExactText($1.name)) }
  }

  var page: ReportPage {
    var sections = [overview]
    if !comparison.rules.isEmpty { sections.append(drops) }
    sections += [differences, quantiles, histograms]
    return ReportPage(title: title, summary: summary, sections: sections, kind: "comparison")
  }

  private var overview: ReportPage.Section {
    var table = PageTable(
      "What is compared",
      [("group", .text), ("documents", .number), ("characters", .number), ("characters per document", .number)])
    table.rows = groups.map { group in
      [
        group.name, grouped(group.documents), figure(group.characters),
        figure((group.characters / Double(max(1, group.documents))).rounded()),
      ]
    }
    let others =
      comparison.otherGroups == 0
      ? []
      : [
        ReportPage.Block.paragraph(
          "\(grouped(comparison.otherGroups)) smaller groups with \(grouped(comparison.others)) documents are left out."
        )
      ]
    return ReportPage.Section(title: "Overview", blocks: [.table(table)] + others)
  }

  private static func share(_ part: Double, _ all: Double) -> String { fixed(100 * part / max(1, all), 2) + " %" }

  private var drops: ReportPage.Section {
    var table = PageTable("Share of documents that miss a rule", [("rule", .text)] + groups.map { ($0.name, .number) })
    table.rows = comparison.rules.enumerated().map { number, rule in
      [rule] + groups.map { Self.share(Double($0.missed[number]), Double($0.documents)) }
    }
    table.rows.append(
      ["any: a gate would drop"] + groups.map { Self.share(Double($0.dropped), Double($0.documents)) })
    table.rows.append(["the same, of characters"] + groups.map { Self.share($0.droppedCharacters, $0.characters) })
    return ReportPage.Section(title: "What a gate would drop", blocks: [.table(table)])
  }

  private var differences: ReportPage.Section {
    var table = PageTable(
      "Medians", [("measure", .text), ("difference", .number)] + groups.map { ($0.name, .number) })
    table.rows = measures.filter { !$0.isConstant }.map { measure in
      [measure.name, fixed(measure.difference, 3)]
        + measure.groups.map { $0.quantiles.isEmpty ? "-" : figure($0.quantiles[ComparedGroups.fractions.count / 2]) }
    }
    let constants = measures.filter(\.isConstant).map(\.name)
    let text =
      "The difference is the largest one between the shares of two groups' documents below any value, from 0 (the same) to 1 "
      + "(nothing in common), as far as the histograms' bins show it."
    return ReportPage.Section(
      title: "Differences",
      blocks: [.paragraph(text), .table(table)]
        + (constants.isEmpty
          ? [] : [.paragraph("The same for every document: \(constants.sorted().joined(separator: ", ")).")]))
  }

  private var quantiles: ReportPage.Section {
    let fractions = ComparedGroups.fractions.map { ("\(rounded(100 * $0, 0)) %", PageTable.Kind.number) }
    var table = PageTable(
      "Quantiles of documents",
      [("measure", .text), ("group", .text), ("mean", .number)] + fractions + [("missing", .number)])
    table.rows = measures.flatMap { measure in
      zip(groups, measure.groups).map { group, found in
        let values = found.quantiles.isEmpty ? fractions.map { _ in "-" } : found.quantiles.map(figure)
        let missing = group.documents - found.documents
        return [measure.name, group.name, figure(found.mean)] + values + [grouped(missing)]
      }
    }
    return ReportPage.Section(title: "Quantiles", blocks: [.table(table)])
  }

  private var histograms: ReportPage.Section {
    let text =
      "Shares of each group's documents, on the same scales. The outer bars also have what lies beyond them. Dashed lines are "
      + "thresholds of the rules."
    let pictures = measures.filter { !$0.isConstant }.flatMap { measure -> [ReportPage.Block] in
      let picture = ComparisonPicture(
        measure: measure, groups: groups.map(\.name), thresholds: comparison.thresholds[measure.name] ?? [])
      return [.picture(svg: picture.svg, text: picture.lines.joined(separator: "\n")), .paragraph(picture.words)]
    }
    return ReportPage.Section(title: "Histograms", blocks: [.paragraph(text)] + pictures)
  }

  // MARK: JSON

  var json: JSONValue {
    let groups = self.groups.map { group -> JSONValue in
      [
        "name": .string(group.name), "documents": .integer(group.documents), "characters": .number(group.characters),
        "dropped": .integer(group.dropped), "droppedCharacters": .number(group.droppedCharacters),
        "missed": .object(zip(comparison.rules, group.missed).map { JSONMember($0, .integer($1)) }),
      ]
    }
    let measures = self.measures.map { measure -> JSONValue in
      [
        "name": .string(measure.name), "difference": .number(measure.difference), "low": .number(measure.low),
        "high": .number(measure.high), "groups": .list(zip(self.groups, measure.groups).map(Self.json)),
      ]
    }
    return [
      "title": .string(title), "groups": .list(groups), "otherGroups": .integer(comparison.otherGroups),
      "otherDocuments": .integer(comparison.others), "fractions": .list(ComparedGroups.fractions.map { .number($0) }),
      "measures": .list(measures),
    ]
  }

  private static func json(_ group: ComparedGroups.Group, _ found: ComparedGroups.Measure) -> JSONValue {
    [
      "name": .string(group.name), "documents": .integer(found.documents),
      "missing": .integer(group.documents - found.documents), "mean": found.documents > 0 ? .number(found.mean) : .null,
      "quantiles": .list(found.quantiles.map { .number($0) }), "bins": .list(found.bins.map { .integer($0) }),
    ]
  }
}
