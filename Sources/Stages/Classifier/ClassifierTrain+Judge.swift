import PipelineKit
import ShardKit
import TextKit

/// Measures and calibrates the classifier by the documents that each fold's classifier had not seen, and writes it.
extension ClassifierTrain {
  /// What the folds said of the documents.
  struct HeldOut {
    var margins: [Double]
    var labels: [Bool]
    var folds: [Int]

    func of(_ isWanted: (Int) -> Bool) -> (margins: [Double], labels: [Bool]) {
      let places = folds.indices.filter { isWanted(folds[$0]) }
      return (places.map { margins[$0] }, places.map { labels[$0] })
    }
  }

  func judge(_ workspace: Workspace) throws {
    let held = try heldOut(workspace)
    guard let whole = workspace.files("fits").first(where: { $0.name.hasSuffix(".safetensors") }) else {
      throw StageError(.ledger, "task \(workspace.task.key)", "it was planned without the classifier of all documents")
    }
    var file = try ClassifierFile(whole.path)
    file.calibration = Calibration(options.calibration, margins: held.margins, labels: held.labels)
    try file.write(workspace, to: Self.classifier, name: ClassifierFile.name)
    let report = ClassifierReport(
      held, method: options.calibration, folds: options.folds, features: file.model.scales.count { $0 != 0 },
      grams: try DecidingGrams(file.model, count: options.topGrams, in: workspace))
    try workspace.write(Self.metrics, name: "classifier.json", Array(report.json.prettyText().utf8))
    try workspace.write(Self.report, name: "classifier.md", Array(report.markdown.utf8))
    try workspace.write(Self.report, name: "precision-recall.svg", Array(report.picture.utf8))
    try workspace.write(Self.report, name: "grams.tsv", Array(report.grams.table.utf8))
    for (name, value) in report.figures { workspace.metric(name, value) }
  }

  private func heldOut(_ workspace: Workspace) throws -> HeldOut {
    let documents = try CountedDocuments(workspace.files(.main), traits: shape.traits.count)
    let folds = documents.folds(options.folds, seed: UInt64(options.seed))
    var margins = [Double](repeating: .nan, count: folds.count)
    for (fold, file) in workspace.files("fits").filter({ $0.name.hasSuffix(".margins") }).enumerated() {
      var rows = folds.indices.lazy.filter { Int(folds[$0]) == fold }.makeIterator()
      try forEachRecord(of: file.path, as: Double.self) { margin in
        if let row = rows.next() { margins[row] = margin }
      }
    }
    guard margins.allSatisfy(\.isFinite) else {
      throw StageError(
        .input, "documents", "some were judged by no fold: they changed since they were counted",
        hint: "Run again, and do not change inputs during a run.")
    }
    return HeldOut(margins: margins, labels: documents.rows.map(\.isPositive), folds: folds.map { Int($0) })
  }
}

/// The n-grams with the largest weights, by name.
struct DecidingGrams {
  struct Gram {
    var text: String
    var weight: Double
    /// Occurrences in the texts that were read for the names.
    var occurrences: Int
  }

  /// Largest weights first.
  var positive: [Gram] = []
  var negative: [Gram] = []

  /// Texts are read for names until they have this size: an n-gram that decides is in many.
  private static let enough = 64 << 20

  init(_ model: LinearClassifier, count: Int, in workspace: Workspace) throws {
    let ordered = model.weights.indices.filter { model.weights[$0] != 0 }
      .sorted { (model.weights[$0], $0) < (model.weights[$1], $1) }
    let lowest = ordered.prefix { model.weights[$0] < 0 }.prefix(count)
    let highest = ordered.reversed().prefix { model.weights[$0] > 0 }.prefix(count)
    let names = try Self.names(of: Set(lowest + highest), model, workspace)
    func gram(_ feature: Int) -> Gram {
      // Of the n-grams with one number, the one that occurs most often.
      let known = (names[feature] ?? [:]).max { ($0.value, $1.key) < ($1.value, $0.key) }
      return Gram(
        text: known?.key.text ?? "(number \(feature))", weight: Double(model.weights[feature]),
        occurrences: known?.value ?? 0)
    }
    positive = highest.map(gram)
    negative = lowest.map(gram)
  }

  private static func names(
    of features: Set<Int>, _ model: LinearClassifier, _ workspace: Workspace
  ) throws -> [Int: [ExactText: Int]] {
    var names: [Int: [ExactText: Int]] = [:]
    guard !features.isEmpty else { return names }
    let counter = GramCounter(model.shape)
    var isWanted = [Bool](repeating: false, count: model.shape.features)
    for feature in features { isWanted[feature] = true }
    let stream = workspace.documents(workspace.files("texts"), counted: false)
    var document = Document()
    var bytes = 0
    while bytes < enough, try stream.next(&document) {
      bytes += document.text.count
      document.text.withUnsafeBufferPointer { text in
        counter.forEachGram(of: text, where: { isWanted[$0] }) { feature, scalars in
          let text = String(String.UnicodeScalarView(scalars.compactMap { Unicode.Scalar($0) }))
          names[feature, default: [:]][ExactText(text), default: 0] += 1
        }
      }
    }
    return names
  }

  /// With a heading; tab-separated.
  var table: String {
    let rows = (positive + negative).map { gram in
      "\(Self.visible(gram.text))\t\(fixed(gram.weight, 4))\t\(gram.occurrences)"
    }
    return (["n-gram\tweight\toccurrences"] + rows).map { $0 + "\n" }.joined()
  }

  /// A space as ␣, which would not be seen.
  static func visible(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x21 ? "␣" : $0 }))
  }
}
