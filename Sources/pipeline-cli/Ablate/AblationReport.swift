import PipelineKit
import ShardKit

/// The table of an ablation: per measure and variant the mean over the seeds, its spread, and the difference from the
/// unchanged pipeline.
struct AblationReport {
  struct Row {
    var measure: String
    var label: String
    var numbers: [Double]
    var statistics: SampleStatistics
    /// From the unchanged pipeline, seed by seed; nil for that pipeline itself, or without a common seed.
    var difference: SampleStatistics?
    /// Whether both were measured on the same data and in the same way.
    var isComparable: Bool

    /// Whether it is the same score with every seed, as of a variant with the same data.
    var isSame: Bool { difference.map { $0.mean == 0 && $0.deviation ?? 0 == 0 } ?? false }

    /// Whether the interval of the difference leaves out 0; nil if there is no interval, or no noise to compare with.
    var isBeyondNoise: Bool? {
      guard isComparable, let difference, let half = difference.halfInterval, half > 0 || isSame else { return nil }
      return abs(difference.mean) > half
    }
  }

  let scores: AblationScores
  let rows: [Row]
  /// Batches of as many samples differ in their tokens by a little, with the seed too.
  private static let tolerance = 0.02

  init(_ scores: AblationScores) {
    self.scores = scores
    rows = scores.measures.flatMap { measure in
      scores.variants.enumerated().compactMap { place, variant -> Row? in
        let numbers = variant.runs.compactMap { $0.values[measure] }
        guard let statistics = SampleStatistics(numbers) else { return nil }
        let stage = measure.prefix { $0 != " " }
        return Row(
          measure: measure, label: variant.label, numbers: numbers, statistics: statistics,
          difference: place == 0 ? nil : SampleStatistics(scores.differences(measure, variant)),
          isComparable: !variant.incomparable.contains { $0 == stage })
      }
    }
  }

  func lines(_ style: Style) -> [String] {
    var table = TextTable([
      ("score", .left), ("variant", .left), ("mean", .right), ("± sd", .right), ("seeds", .right),
      ("difference", .right), ("± 95 %", .right), ("", .left),
    ])
    var last = ""
    for row in rows {
      let figures = row.difference.map { [signed($0.mean), $0.halfInterval.map(figure) ?? "?"] } ?? ["", ""]
      table.add(
        [
          row.measure == last ? "" : row.measure, row.label, figure(row.statistics.mean),
          row.statistics.deviation.map(figure) ?? "?", "\(row.statistics.count)",
        ] + figures + [verdict(row, style)])
      last = row.measure
    }
    return table.lines(style) + [""] + data(style) + notes.map { style.yellow("note: ") + $0 }
  }

  private func verdict(_ row: Row, _ style: Style) -> String {
    guard row.difference != nil else { return "" }
    guard row.isComparable else { return style.yellow("measured otherwise") }
    if row.isSame { return style.dim("the same") }
    guard let isBeyondNoise = row.isBeyondNoise else { return "" }
    return isBeyondNoise ? style.bold("beyond the noise") : style.dim("within the noise")
  }

  /// What the models were trained on.
  private func data(_ style: Style) -> [String] {
    var table = TextTable([
      ("variant", .left), ("runs", .right), ("tokens of the data", .right), ("trained on", .right), ("passes", .right),
    ])
    for variant in scores.variants {
      let run = variant.runs.first
      let passes = run?.trained.flatMap { trained in run?.available.map { trained / $0 } }
      table.add([
        variant.label, "\(variant.runs.count)", run?.available.map { Quantities.count(Int($0)) } ?? "?",
        run?.trained.map { Quantities.count(Int($0)) } ?? "?", passes.map { fixed($0, 2) } ?? "?",
      ])
    }
    return table.lines(style)
  }

  /// What a reader has to know before believing the table.
  var notes: [String] {
    var out: [String] = []
    let trained = scores.variants.flatMap { $0.runs.compactMap(\.trained) }
    if let least = trained.min(), let most = trained.max(), most - least > Self.tolerance * most {
      out.append("the models were trained on different numbers of tokens")
    }
    let missing = scores.variants.filter { $0.runs.count < $0.wanted }
    if !missing.isEmpty {
      out.append("runs failed, and are missing, of: \(missing.map(\.label).joined(separator: ", "))")
    }
    let gaps = rows.filter { row in
      row.numbers.count < scores.variants.first { $0.label == row.label }?.runs.count ?? 0
    }
    if !gaps.isEmpty {
      out.append(
        "some runs have no number for these scores: "
          + gaps.map { "\($0.measure) of \($0.label)" }.joined(separator: ", "))
    }
    let others = Set(scores.variants.flatMap(\.incomparable)).sorted()
    if !others.isEmpty {
      out.append(
        "variants change what these stages measure on, or how, so their scores cannot be compared: "
          + others.joined(separator: ", ") + ". Split off the test data before the stage that varies.")
    }
    if scores.hasSeeds, (scores.variants.map(\.runs.count).max() ?? 0) < 2 {
      out.append("one seed tells nothing of the noise; give several with --seeds")
    }
    return out
  }

  private func figure(_ value: Double) -> String { fixed(value, abs(value) >= 100 ? 1 : 4) }
  private func signed(_ value: Double) -> String { (value >= 0 ? "+" : "") + figure(value) }

  // MARK: JSON

  var json: JSONValue {
    [
      "rows": .list(rows.map(json)),
      "variants": .list(
        scores.variants.map { variant in
          [
            "variant": .string(variant.label), "measuredOtherwise": .strings(variant.incomparable),
            "runs": .list(
              variant.runs.map { run in
                [
                  "seed": run.seed.map { .integer($0) } ?? .null, "trainedTokens": number(run.trained),
                  "availableTokens": number(run.available),
                  "scores": .object(
                    scores.measures.compactMap { name in run.values[name].map { JSONMember(name, .number($0)) } }),
                ]
              }),
          ]
        }),
      "notes": .strings(notes),
    ]
  }

  private func json(_ row: Row) -> JSONValue {
    [
      "score": .string(row.measure), "variant": .string(row.label), "mean": .number(row.statistics.mean),
      "standardDeviation": number(row.statistics.deviation), "seeds": .integer(row.statistics.count),
      "difference": number(row.difference?.mean), "halfInterval95": number(row.difference?.halfInterval),
      "isComparable": .bool(row.isComparable), "isBeyondNoise": row.isBeyondNoise.map { .bool($0) } ?? .null,
    ]
  }

  private func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
}
