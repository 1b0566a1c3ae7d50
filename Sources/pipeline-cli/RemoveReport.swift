import PipelineKit
import ShardKit

/// What holds the documents, and what would run again.
struct RemoveReport {
  let targets: RemovalTargets
  let scope: RemovalScope
  /// Documents that an earlier removal has recorded.
  let recorded: Int

  private struct Row {
    var stage: String
    var form: RemovalTargets.Form
    var documents: Set<Int> = []
    var files: [String] = []
    var known: Set<ExactText> = []
  }

  /// In graph order.
  private var rows: [Row] {
    var out: [Row] = []
    var byStage: [ExactText: [RemovalTargets.Form: Int]] = [:]
    for place in targets.places {
      let known = byStage[ExactText(place.stage)]?[place.form]
      let row = known ?? out.count
      if known == nil { out.append(Row(stage: place.stage, form: place.form)) }
      byStage[ExactText(place.stage), default: [:]][place.form] = row
      out[row].documents.insert(place.document)
      if out[row].known.insert(ExactText(place.file)).inserted { out[row].files.append(place.file) }
    }
    return out
  }

  private static func words(_ form: RemovalTargets.Form) -> String {
    switch form {
    case .document: "as itself"
    case .sample: "in samples"
    case .survivor: "as the one kept of duplicates"
    case .drop: "as dropped"
    case .listed: "in a file with a list of ids"
    case .intermediate: "in what it writes before"
    }
  }

  func lines(_ style: Style) -> [String] {
    var out: [String] = []
    let bytes = targets.textBytes.values.reduce(0, +)
    out.append(
      style.bold("\(Quantities.plural(targets.ids.count, "document")), \(Quantities.bytes(Int64(bytes))) of text"))
    if recorded > 0 {
      out.append("\(Quantities.count(recorded)) of them were removed before; that removal is finished.")
    }
    if !targets.missing.isEmpty {
      out.append("\(Quantities.count(targets.missing.count)) of them are in no output, and must not come in.")
    }
    if !targets.places.isEmpty {
      var table = TextTable([("stage", .left), ("held", .left), ("documents", .right), ("files", .left)])
      for row in rows {
        let shown = row.files.prefix(2).joined(separator: ", ")
        let more = row.files.count > 2 ? " and \(Quantities.count(row.files.count - 2)) more" : ""
        table.add([row.stage, Self.words(row.form), Quantities.count(row.documents.count), shown + more])
      }
      out += table.lines(style)
    }
    out.append("")
    out += scopeLines(style)
    return out
  }

  private func scopeLines(_ style: Style) -> [String] {
    var table = TextTable([("runs again", .left), ("tasks", .right), ("of", .right), ("took", .right)])
    for stage in scope.stages where stage.tasks > 0 {
      table.add([
        stage.stage, Quantities.count(stage.tasks), Quantities.count(stage.all),
        Quantities.duration(milliseconds: stage.milliseconds),
      ])
    }
    var out = scope.tasks > 0 ? table.lines(style) : ["No task has to run again."]
    for (title, paths) in [
      ("Left as it is, outside the store", scope.externalFiles), ("Left as it is, a download", scope.downloads),
    ] {
      for path in paths.prefix(5) { out.append("\(title): \(path)") }
      if paths.count > 5 { out.append("\(title): \(Quantities.count(paths.count - 5)) more files") }
    }
    let copies = Set(targets.relatives.values.flatMap { $0 }.map { ExactText($0) })
      .subtracting(targets.ids.map { ExactText($0) })
    if !copies.isEmpty {
      out.append(
        "\(Quantities.plural(copies.count, "other document")) duplicated them; --copies removes such copies too.")
    }
    return out
  }

  var json: JSONValue {
    let places = Dictionary(grouping: targets.places, by: \.document)
    return [
      "documents": .list(
        targets.ids.enumerated().map { number, id in
          [
            "id": .string(id), "textBytes": targets.textBytes[number].map { .integer($0) } ?? .null,
            "copies": .strings((targets.relatives[number] ?? []).sorted()),
            "places": .list(
              (places[number] ?? []).map {
                ["stage": .string($0.stage), "file": .string($0.file), "held": .string($0.form.rawValue)]
              }),
          ]
        }),
      "missing": .strings(targets.missing), "recorded": .integer(recorded),
      "stages": .list(
        scope.stages.map {
          [
            "stage": .string($0.stage), "tasks": .integer($0.tasks), "of": .integer($0.all),
            "milliseconds": .integer($0.milliseconds),
          ]
        }),
      "tasks": .integer(scope.tasks), "externalFiles": .strings(scope.externalFiles),
      "downloads": .strings(scope.downloads),
    ]
  }
}

/// What a removal did.
struct RemoveOutcome {
  var report: RemoveReport?
  var record: String?
  var promoted: [PromotedDocument] = []
  var began = 0
  var rebuilt = 0
  var proof: RemovalProof?

  private var milliseconds: Int { (rebuilt - began) / 1_000_000 }

  func lines(_ style: Style, store: String) -> [String] {
    var out: [String] = []
    if report != nil { out.append("rebuilt in \(Quantities.duration(milliseconds: milliseconds))") }
    for copy in promoted.prefix(5) { out.append("'\(copy.stage)' keeps \(copy.id) in its place") }
    if promoted.count > 5 { out.append("… and \(Quantities.count(promoted.count - 5)) more copies") }
    guard let proof else { return out }
    for item in proof.deleted.prefix(20) { out.append("deleted \(item.path) (\(Quantities.bytes(item.bytes)))") }
    if proof.deleted.count > 20 { out.append("deleted \(Quantities.count(proof.deleted.count - 20)) more") }
    let unread = proof.search.unread
    for item in unread.prefix(20) {
      out.append(style.yellow("not read, or only as it is: \(item.path): \(item.reason)"))
    }
    if unread.count > 20 { out.append(style.yellow("… and \(Quantities.count(unread.count - 20)) more")) }
    for item in proof.left.prefix(20) { out.append(style.red("still held: ") + Self.words(item)) }
    if proof.left.count > 20 {
      out.append(style.red("still held by \(Quantities.count(proof.left.count - 20)) more files"))
    }
    if !proof.sharers.isEmpty {
      out.append("passages of them stand in other documents too, such as")
      out += proof.sharers.sorted().prefix(3).map { "  \($0)" }
    }
    let search = proof.search
    let what =
      "\(Quantities.plural(search.documents, "document")) and \(Quantities.plural(search.passages, "passage")) in "
      + "\(Quantities.plural(search.files, "file")), \(Quantities.bytes(search.bytes)), searched in "
      + Quantities.duration(milliseconds: search.milliseconds)
    let verdict =
      proof.isGone
      ? style.green("gone")
      : proof.left.isEmpty ? style.red("not proven, since not everything was read") : style.red("not gone")
    out.append(verdict + ": " + what)
    if let record { out.append("recorded: \(store)/removed/\(record).json") }
    return out
  }

  /// Whose output it is, and what takes it away.
  static func owners(_ pipelines: [String]) -> String {
    let variants = pipelines.compactMap { PipelineVariant.variant(of: $0) }
    let others = pipelines.filter { PipelineVariant.variant(of: $0) == nil }
    var out: [String] = []
    if !others.isEmpty {
      out.append("an output of \(others.joined(separator: ", ")); run this command with that pipeline file")
    }
    if !variants.isEmpty {
      let options = variants.map { "--variant \($0)" }.joined(separator: " and ")
      out.append("an output of an ablation; `pipeline prune --ablations`, or run this command with \(options)")
    }
    return out.joined(separator: "; ")
  }

  private static func words(_ item: RemovalProof.Remainder) -> String {
    let what = [
      item.ids > 0 ? Quantities.plural(item.ids, "id") : nil,
      item.passages > 0 ? Quantities.plural(item.passages, "passage") : nil,
    ].compactMap { $0 }.joined(separator: " and ")
    let place =
      switch item.place {
      case .output: Self.owners(item.pipelines)
      case .download: "a download; remove it at its source and download again, or delete the stage's output"
      case .older: "an older output; the removal deletes it, without --check and --keep-older"
      case .state: "what the stage keeps between runs; delete the folder if it can be fetched again"
      case .log: "a log; the removal deletes it, without --check and --keep-older"
      case .database: "the database of runs"
      case .other: "not an output"
      }
    return "\(item.path): \(what) (\(place))"
  }

  var json: JSONValue {
    [
      "plan": report?.json ?? .null, "record": record.map { .string($0) } ?? .null,
      "seconds": .number(Double(milliseconds) / 1000),
      "promoted": .list(promoted.map { ["stage": .string($0.stage), "id": .string($0.id)] }),
      "proof": proof?.json ?? .null,
    ]
  }
}
