import PipelineKit
import ShardKit
import TrainerCore

/// A report of how well a model labels texts: figures, labels one by one, and a picture.
struct LabelPage {
  static let pictureName = "classifier.svg"
  private static let pageName = "classifier.md"
  /// Labels in the tables and the picture at most, the most frequent first.
  private static let shown = 40

  private let judged: LabelScores
  private let subject: String
  private let scores: TextScores

  /// - Parameter subject: the texts it is measured on.
  init(_ judged: LabelScores, of subject: String) {
    self.judged = judged
    self.subject = subject
    scores = judged.scores
  }

  func write(_ workspace: Workspace, to output: Output<Report>) throws {
    try workspace.write(output, name: Self.pageName, Array(markdown.utf8))
    try workspace.write(
      output, name: Self.pictureName, Array(LabelPicture(scores, places: places, subject).markup.utf8))
  }

  /// The labels that are shown, in the model's order.
  private var places: [Int] {
    let counts: [Int] =
      switch scores.tally {
      case .labels(let confusion): confusion.labels.map { confusion.having($0) + confusion.given($0) }
      case .flags(let flags): flags.counts.map { $0.having + $0.given }
      case .numbers: []
      }
    return counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }.prefix(Self.shown).sorted()
  }

  var markdown: String {
    var lines = [
      "# Classifier", "", "\(Self.cell(subject)): \(grouped(judged.texts)) texts.", "", "| | |", "|---|---|",
    ]
    lines += judged.figures.filter { $0.name != "texts" }.map { "| \(Self.title($0.name)) | \(fixed($0.value, 4)) |" }
    lines += ["", "![\(picture)](\(Self.pictureName))", ""]
    switch scores.tally {
    case .labels(let confusion):
      lines += table(
        places.map { ($0, confusion.having($0), confusion.precision($0), confusion.recall($0), confusion.f1($0)) })
    case .flags(let flags):
      lines += table(
        places.map { place in
          let counts = flags.counts[place]
          return (place, counts.having, counts.precision, counts.recall, counts.f1)
        })
    case .numbers: break
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var picture: String {
    switch scores.tally {
    case .labels: "Confusion matrix"
    case .flags: "F1 of each label"
    case .numbers: "Numbers of the model by those that are known"
    }
  }

  private func table(_ rows: [(place: Int, texts: Int, Double, Double, Double)]) -> [String] {
    let labels = scores.task.labels
    let head = ["## By label", "", "| label | texts | precision | recall | F1 |", "|---|--:|--:|--:|--:|"]
    let lines = rows.map { row in
      "| \(Self.cell(labels[row.place])) | \(row.texts) | \(fixed(row.2, 3)) | \(fixed(row.3, 3)) | \(fixed(row.4, 3)) |"
    }
    let rest = labels.count - rows.count
    return head + lines + (rest > 0 ? ["", "\(rest) rarer labels are in classifier.json."] : [])
  }

  static func title(_ name: String) -> String {
    switch name {
    case "macroF1": "macro F1"
    case "microF1": "micro F1"
    case "f1": "F1 of the second label"
    case "matthews": "Matthews' correlation"
    case "exactMatch": "all labels right"
    case "auc": "AUC"
    case "brier": "Brier score"
    case "pearson": "Pearson's r"
    case "spearman": "Spearman's ρ"
    case "rootMeanSquaredError": "root mean squared error"
    default: name
    }
  }

  private static func cell(_ text: String) -> String {
    text.prefix(80).map { character in
      switch character {
      case "|": "\\|"
      case "\n", "\r", "\r\n": " "
      case "<": "&lt;"
      default: String(character)
      }
    }.joined()
  }
}

/// A confusion matrix, F1 of each label as bars, or numbers of the model by known ones.
struct LabelPicture {
  private let scores: TextScores
  private let places: [Int]
  private let subject: String

  /// - Parameter places: of the labels that are shown.
  init(_ scores: TextScores, places: [Int], _ subject: String) {
    self.scores = scores
    self.places = places
    self.subject = subject
  }

  private static let left = 150.0, top = 56.0

  var markup: String {
    switch scores.tally {
    case .labels(let confusion): matrix(confusion)
    case .flags(let flags): bars(flags)
    case .numbers(let known, let said): points(known, said)
    }
  }

  private func name(_ place: Int) -> String {
    let label = scores.task.labels[place]
    return label.count > 18 ? label.prefix(17) + "…" : label
  }

  private func head(_ title: String, in svg: inout SVGDocument) {
    svg.text(title, x: 16, y: 24, kind: "head")
    svg.text(subject, x: 16, y: 42, kind: "small")
  }

  /// Rows are the labels that texts have, columns those they were given; the shade is the share of the row.
  private func matrix(_ confusion: LabelConfusion) -> String {
    let side = max(22.0, min(64, 520 / Double(max(1, places.count)))), size = side * Double(places.count)
    var svg = SVGDocument(width: Self.left + size + 24, height: Self.top + size + 110)
    head("Confusion matrix, accuracy \(fixed(confusion.accuracy, 3))", in: &svg)
    for (row, label) in places.enumerated() {
      let y = Self.top + side * Double(row), all = confusion.having(label)
      svg.text(name(label), x: Self.left - 8, y: y + side / 2 + 4, kind: "small", anchor: "end")
      for (column, given) in places.enumerated() {
        let count = confusion.counts[label][given], share = LabelConfusion.share(count, of: all)
        let x = Self.left + side * Double(column)
        let tip = "\(scores.task.labels[label]), given \(scores.task.labels[given]): \(count) of \(all)"
        svg.box(x: x, y: y, width: side - 2, height: side - 2, kind: "empty", tip: tip)
        svg.add(
          "<rect class=\"\(row == column ? "right" : "wrong")\" x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" "
            + "width=\"\(fixed(side - 2, 1))\" height=\"\(fixed(side - 2, 1))\" fill-opacity=\"\(fixed(share, 3))\"/>")
        guard count > 0, side >= 30 else { continue }
        svg.text(
          "\(count)", x: x + side / 2 - 1, y: y + side / 2 + 4, kind: share > 0.5 ? "light" : "small", anchor: "middle")
      }
      let x = Self.left + side * (Double(row) + 0.5), foot = Self.top + size + 12
      svg.add(
        "<text class=\"small\" text-anchor=\"end\" transform=\"translate(\(fixed(x + 4, 1)) \(fixed(foot, 1))) rotate(-45)\">"
          + "\(markupEscaped(name(label)))</text>")
    }
    svg.text("rows: labels of the texts; columns: labels given", x: 16, y: Self.top + size + 102, kind: "small")
    return svg.markup(kind: "confusion", title: "Confusion matrix", style: Self.style)
  }

  private func bars(_ flags: LabelFlags) -> String {
    let width = 420.0, row = 24.0
    var svg = SVGDocument(width: Self.left + width + 80, height: Self.top + row * Double(places.count) + 24)
    head("F1 of each label: micro \(fixed(flags.microF1, 3)), macro \(fixed(flags.macroF1, 3))", in: &svg)
    for (number, place) in places.enumerated() {
      let counts = flags.counts[place], y = Self.top + row * Double(number)
      let tip = "precision \(fixed(counts.precision, 3)), recall \(fixed(counts.recall, 3)), \(counts.having) texts"
      svg.text(name(place), x: Self.left - 8, y: y + 13, kind: "small", anchor: "end")
      svg.box(x: Self.left, y: y, width: width, height: row - 6, kind: "empty")
      svg.box(x: Self.left, y: y, width: width * counts.f1, height: row - 6, kind: "right", tip: tip)
      svg.text(fixed(counts.f1, 3), x: Self.left + width + 8, y: y + 13, kind: "small")
    }
    return svg.markup(kind: "confusion", title: "F1 of each label", style: Self.style)
  }

  /// At most 2,000 points, evenly spaced.
  private func points(_ known: [Double], _ said: [Double]) -> String {
    let side = 420.0, left = 70.0
    let all = known + said, low = all.min() ?? 0, high = max(all.max() ?? 1, low + 1e-9)
    var svg = SVGDocument(width: left + side + 24, height: Self.top + side + 56)
    head(
      "Pearson \(fixed(Correlation.pearson(said, known), 3)), Spearman \(fixed(Correlation.spearman(said, known), 3))",
      in: &svg)
    func place(_ x: Double, _ y: Double) -> SVGDocument.Place {
      (left + (x - low) / (high - low) * side, Self.top + (high - y) / (high - low) * side)
    }
    svg.box(x: left, y: Self.top, width: side, height: side, kind: "empty")
    svg.line([place(low, low), place(high, high)], kind: "even")
    for number in stride(from: 0, to: known.count, by: max(1, known.count / 2000)) {
      svg.dot(
        place(known[number], said[number]), kind: "right",
        tip: "known \(fixed(known[number], 3)), model \(fixed(said[number], 3))")
    }
    for value in [low, high] {
      svg.text(fixed(value, 2), x: left - 8, y: place(low, value).y + 4, kind: "small", anchor: "end")
      svg.text(fixed(value, 2), x: place(value, low).x, y: Self.top + side + 18, kind: "small", anchor: "middle")
    }
    svg.text("known", x: left + side / 2, y: Self.top + side + 38, kind: "small", anchor: "middle")
    svg.text("model", x: 16, y: Self.top + side / 2, kind: "small")
    return svg.markup(kind: "confusion", title: "Numbers of the model by those that are known", style: Self.style)
  }

  private static let style = """
    .page { fill: #fff } text { font: 12px system-ui, sans-serif; fill: #333 } .head { font-size: 14px; font-weight: 600 }
    .small { font-size: 11px; fill: #555 } .light { font-size: 11px; fill: #fff } .empty { fill: #eef1f4 }
    .right { fill: #2a6f97 } .wrong { fill: #c0392b } .even { stroke: #999; stroke-dasharray: 4 3; fill: none }
    """
}
