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
    let texts = Labels.allCases.map { workspace.files($0.role).map(\.path) }
    let grams = try DecidingGrams(file.model, count: options.topGrams, texts: texts) { try workspace.control.check() }
    let report = ClassifierReport(
      held, method: options.calibration, folds: options.folds, features: file.model.scales.count { $0 != 0 },
      grams: grams)
    try workspace.write(Self.metrics, name: "classifier.json", Array(report.json.prettyText().utf8))
    try workspace.write(Self.report, name: "classifier.md", Array(report.markdown.utf8))
    try workspace.write(Self.report, name: "precision-recall.svg", Array(report.picture.utf8))
    try workspace.write(Self.report, name: "grams.tsv", Array(report.grams.table.utf8))
    for (name, value) in report.figures { workspace.metric(name, value) }
  }

  private func heldOut(_ workspace: Workspace) throws -> HeldOut {
    let documents = try CountedDocuments(workspace.files(.main), shape)
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
    /// White space as ␣; with ^ before or $ after one at a sentence's beginning or end, ^^ and $$ at the text's; of an
    /// n-gram that was not found, its number.
    var name: String
    var weight: Double
    /// Occurrences in the texts that were read for the names.
    var occurrences: Int
  }

  /// Largest weights first.
  var positive: [Gram] = []
  var negative: [Gram] = []

  /// - Parameters:
  ///   - texts: paths of documents, input by input.
  ///   - bytes: how much of their texts is read for names, an equal part of each input and of each file within it: an
  ///     n-gram that decides is in many.
  ///   - check: called between documents; may throw to stop.
  init(
    _ model: LinearClassifier, count: Int, texts: [[String]], bytes: Int = 64 << 20, check: () throws -> Void = {}
  ) throws {
    let ordered = model.weights.indices.filter { model.weights[$0] != 0 }
      .sorted { (model.weights[$0], $0) < (model.weights[$1], $1) }
    let lowest = ordered.prefix { model.weights[$0] < 0 }.prefix(count)
    let highest = ordered.reversed().prefix { model.weights[$0] > 0 }.prefix(count)
    let features = Array(lowest) + Array(highest)
    var names = GramNames(of: features, model.shape)
    if !features.isEmpty {
      try Self.forEachPart(of: texts.filter { !$0.isEmpty }, bytes) { files, bytes in
        try Self.forEachPart(of: files, bytes) { file, bytes in
          try check()
          return try names.read(file, bytes, check)
        }
      }
    }
    func gram(_ feature: Int) -> Gram {
      let known = names.mostFrequent(feature)
      return Gram(
        name: known.map { Self.visible($0.text) } ?? "(number \(feature))", weight: Double(model.weights[feature]),
        occurrences: known?.occurrences ?? 0)
    }
    positive = highest.map(gram)
    negative = lowest.map(gram)
  }

  /// Divides bytes evenly; what one of the parts leaves is for those after it.
  /// - Parameter body: returns how many it has taken of those that are its part.
  @discardableResult
  private static func forEachPart<Part>(
    of parts: [Part], _ bytes: Int, _ body: (Part, Int) throws -> Int
  ) rethrows -> Int {
    var left = bytes
    for (place, part) in parts.enumerated() { left -= try body(part, max(0, left) / (parts.count - place)) }
    return bytes - left
  }

  /// With a heading; tab-separated.
  var table: String {
    let rows = (positive + negative).map { gram in
      "\(gram.name)\t\(fixed(gram.weight, 4))\t\(gram.occurrences)"
    }
    return (["n-gram\tweight\toccurrences"] + rows).map { $0 + "\n" }.joined()
  }

  /// A space as ␣, which would not be seen.
  private static func visible(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x21 ? "␣" : $0 }))
  }
}

/// The n-grams that texts have for some features.
private struct GramNames {
  private var names: [Int: [ExactText: Int]] = [:]
  private let isWanted: [Bool]
  private let counter: GramCounter

  init(of features: [Int], _ shape: GramShape) {
    counter = GramCounter(shape)
    var isWanted = [Bool](repeating: false, count: shape.features)
    for feature in features { isWanted[feature] = true }
    self.isWanted = isWanted
  }

  /// Reads documents of a file until their texts have some size: one at least.
  /// - Returns: the size of the texts that were read.
  mutating func read(_ path: String, _ bytes: Int, _ check: () throws -> Void) throws -> Int {
    let reader = try DocumentReader(path: path), isWanted = isWanted
    var document = Document()
    var taken = 0
    repeat {
      guard try reader.next(&document) else { break }
      try check()
      taken += document.text.count
      document.text.withUnsafeBufferPointer { text in
        counter.forEachGram(of: text, where: { isWanted[$0] }) { feature, name in
          names[feature, default: [:]][ExactText(name), default: 0] += 1
        }
      }
    } while taken < bytes
    return taken
  }

  /// Of the n-grams with one number, the one that occurs most often; nil if no text had one.
  func mostFrequent(_ feature: Int) -> (text: String, occurrences: Int)? {
    let known = (names[feature] ?? [:]).max { ($0.value, $1.key) < ($1.value, $0.key) }
    return known.map { ($0.key.text, $0.value) }
  }
}
