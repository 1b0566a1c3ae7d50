import PipelineKit
import ShardKit

/// A model's scores by the titles of a table's columns, measured here or published by others.
struct ModelScores: Equatable, Sendable {
  var model: String
  /// Where published scores are from; empty: they were measured here.
  var source = ""
  var scores: [String: Double]
  /// Of scores that are means over seeds.
  var deviations: [String: Double] = [:]

  /// What a measurement that is wired as a baseline says, as `ScoreTable` writes it; nil for other JSON.
  init?(measured json: JSONValue) {
    guard let model = json["model"]?.string, let scores = json["scores"]?.members else { return nil }
    self.model = model
    self.scores = Self.numbers(scores)
    deviations = Self.numbers(json["deviations"]?.members ?? [])
  }

  init(_ model: String, source: String = "", _ scores: [String: Double], deviations: [String: Double] = [:]) {
    (self.model, self.source, self.scores, self.deviations) = (model, source, scores, deviations)
  }

  private static func numbers(_ members: [JSONMember]) -> [String: Double] {
    Dictionary(members.compactMap { m in m.value.double.map { (m.key, $0) } }, uniquingKeysWith: { first, _ in first })
  }

  /// - Throws: `StageError` (`input`) that names the file if it is not JSON.
  static func json(_ file: ArtifactFile) throws -> JSONValue {
    let text = try FileSystem.read(file.path, limit: 1 << 24)
    do { return try JSONValue.parse(text).value } catch {
      throw StageError(
        .input, file.name, "is not JSON at byte \(error.offset): \(error.message)",
        hint: "Give a file of scores as JSON.")
    }
  }

  /// Adds a row to others; scores of one model from one source become one row.
  /// - Throws: `StageError` (`input`) if the model has a score twice, or from two sources.
  static func add(_ row: ModelScores, to rows: inout [ModelScores], _ file: String) throws {
    guard let place = rows.firstIndex(where: { $0.isNamed(row.model) }) else { return rows.append(row) }
    func twice(_ what: String) -> StageError {
      StageError(
        .input, file, "'\(row.model)' has \(what) twice, the second time in \(file)",
        hint: "Give each model a name of its own ('model' of the evaluations, \"model\" of published scores).")
    }
    guard rows[place].source.isExactly(row.source) else { throw twice("a row") }
    if let title = row.scores.keys.sorted().first(where: { rows[place].scores[$0] != nil }) {
      throw twice("'\(title)'")
    }
    rows[place].scores.merge(row.scores) { first, _ in first }
    rows[place].deviations.merge(row.deviations) { first, _ in first }
  }

  func isNamed(_ name: String) -> Bool { model.isExactly(name) }

  func has(_ titles: [String]) -> Bool { titles.contains { scores[$0] != nil } }

  /// Reads a file of published scores: a list of objects with model, source and scores by title.
  /// - Throws: `StageError` that says which entry is wrong.
  static func published(_ file: ArtifactFile) throws -> [ModelScores] {
    func wrong(_ message: String) -> StageError {
      StageError(
        .input, file.name, message,
        hint:
          "Give a list of {\"model\": …, \"source\": …, \"scores\": {\"JSTS Spearman\": 0.9}}, by the table's titles.")
    }
    guard let list = try json(file).array else {
      throw wrong("is not a list of published scores")
    }
    return try list.enumerated().map { place, entry in
      guard let model = entry["model"]?.string, let source = entry["source"]?.string, !source.isEmpty,
        let scores = entry["scores"]?.members, scores.allSatisfy({ $0.value.double?.isFinite == true })
      else { throw wrong("entry \(place + 1) lacks its model, its source or scores that are numbers") }
      return ModelScores(model, source: source, numbers(scores))
    }
  }
}

/// A model's scores beside those of others, with differences (Δ) from one of them.
struct ScoreTable: Sendable {
  var columns: [String]
  var own: ModelScores
  /// Rows above the model's own.
  var others: [ModelScores]
  /// The row that differences are from; nil: there are none.
  var baseline: ModelScores?
  var digits = 3
  /// What scores are multiplied by in the table: 100 for percent.
  var scale = 1.0

  /// Header and rows in Markdown; with a baseline each column has a column of differences after it.
  var lines: [String] { Self.lines(columns, others + [own], baseline, bold: own.model, digits: digits, scale: scale) }

  static func lines(
    _ columns: [String], _ rows: [ModelScores], _ baseline: ModelScores?, bold: String, digits: Int, scale: Double
  ) -> [String] {
    let titles = columns.flatMap { baseline == nil ? [$0] : [$0, "Δ"] }
    var lines = ["| model | " + titles.joined(separator: " | ") + " |"]
    lines.append("|---|" + String(repeating: "--:|", count: titles.count))
    for row in rows {
      let cells = columns.flatMap { column -> [String] in
        let cell = cell(row, column, digits: digits, scale: scale)
        guard let baseline else { return [cell] }
        return [cell, row == baseline ? "" : difference(row, baseline, column, digits: digits, scale: scale)]
      }
      let name = row.model.replacing("|", with: "\\|")
      lines.append("| \(row.isNamed(bold) ? "**\(name)**" : name) | " + cells.joined(separator: " | ") + " |")
    }
    return lines
  }

  private static func cell(_ row: ModelScores, _ column: String, digits: Int, scale: Double) -> String {
    guard let score = row.scores[column] else { return "–" }
    let spread = row.deviations[column].map { " ± \(fixed($0 * scale, digits))" } ?? ""
    return fixed(score * scale, digits) + spread
  }

  /// `+0.012`, `−0.003`, or a dash if either score is missing.
  static func difference(
    _ row: ModelScores, _ baseline: ModelScores, _ column: String, digits: Int, scale: Double
  ) -> String {
    guard let score = row.scores[column], let other = baseline.scores[column] else { return "–" }
    return signed((score - other) * scale, digits)
  }

  static func signed(_ value: Double, _ digits: Int) -> String {
    (value < 0 ? "−" : "+") + fixed(abs(value), digits)
  }

  /// What the differences are from, and where published scores are from; each a paragraph.
  var remarks: [String] {
    var lines: [String] = []
    if let baseline {
      lines += ["Δ: the difference from \(baseline.model)" + (baseline.source.isEmpty ? "." : ", as published."), ""]
    }
    var sources: [(source: String, models: [String])] = []
    for row in others where !row.source.isEmpty {
      if let place = sources.firstIndex(where: { $0.source.isExactly(row.source) }) {
        sources[place].models.append(row.model)
      } else {
        sources.append((row.source, [row.model]))
      }
    }
    if sources.count == 1 { lines += ["Published scores: \(sources[0].source).", ""] }
    if sources.count > 1 {
      lines +=
        ["Published scores:", ""] + sources.map { "- \($0.models.joined(separator: ", ")): \($0.source)" } + [""]
    }
    return lines
  }

  /// Members of a measurement's JSON: the scores by column, and the baseline with its own.
  var members: [JSONMember] {
    func numbers(_ values: [String: Double]) -> JSONValue {
      .object(columns.compactMap { column in values[column].map { JSONMember(column, .number($0)) } })
    }
    var members = [JSONMember("scores", numbers(own.scores))]
    if !own.deviations.isEmpty { members.append(JSONMember("deviations", numbers(own.deviations))) }
    if let baseline {
      var differences: [String: Double] = [:]
      for column in columns {
        guard let score = own.scores[column], let other = baseline.scores[column] else { continue }
        differences[column] = score - other
      }
      members.append(
        JSONMember(
          "baseline",
          [
            "model": .string(baseline.model), "source": .string(baseline.source), "scores": numbers(baseline.scores),
            "differences": numbers(differences),
          ]))
    }
    return members
  }
}
