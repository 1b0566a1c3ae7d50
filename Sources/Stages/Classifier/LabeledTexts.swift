import PipelineKit
import ShardKit
import TrainerCore

/// Texts with labels in files of JSON lines, and the fold of each. Reads them again for each use; keeps a few bytes each.
struct LabeledTexts {
  private struct Line: JSONRecord {
    var label: String
    var text: String
  }

  private let files: [ArtifactFile]
  /// In the order of the head's outputs.
  let labels: [String]
  private(set) var labelOfRow: [Int] = []
  private(set) var foldOfRow: [Int] = []

  static func line(text: [UInt8], label: String) -> [UInt8] {
    Array(Line(label: label, text: String(decoding: text, as: UTF8.self)).json.text().utf8) + [0x0A]
  }

  /// - Parameters:
  ///   - wanted: the labels; empty: those that occur, in byte order.
  ///   - folds: texts are dealt out by a hash of the text, label by label, so that folds have alike shares of each. Equal
  ///     texts are in one fold, whatever their labels.
  /// - Throws: `StageError` (`.input`) if there are fewer than two labels, or fewer different texts of one than folds.
  init(_ files: [ArtifactFile], wanted: [String], folds: Int, seed: Int) throws {
    self.files = files
    var names: [String] = []
    var hashes: [UInt64] = []
    try Self.forEach(files) { line in
      names.append(line.label)
      hashes.append(recordHash(Array("\(seed) \(line.text)".utf8)))
    }
    labels = wanted.isEmpty ? Set(names.map { ExactText($0) }).sorted().map(\.text) : wanted
    let places = Dictionary(labels.enumerated().map { (ExactText($1), $0) }, uniquingKeysWith: { first, _ in first })
    labelOfRow = names.map { places[ExactText($0)]! }
    guard TunedTask.labelCounts.contains(labels.count) else {
      throw StageError(
        .input, "documents", "have \(labels.count) different labels, not 2 to \(TunedTask.labelCounts.upperBound)",
        hint: "Check labelField, or name the labels with the option 'labels'.")
    }
    foldOfRow = [Int](repeating: 0, count: names.count)
    guard folds > 0 else { return }
    try deal(hashes, folds)
  }

  private mutating func deal(_ hashes: [UInt64], _ folds: Int) throws {
    var known: [UInt64: Int] = [:]
    for label in labels.indices {
      let texts = Set(zip(labelOfRow, hashes).filter { $0.0 == label }.map(\.1)).sorted()
      guard texts.count >= folds else {
        throw StageError(
          .input, "documents",
          "\(texts.count) different texts are labeled '\(labels[label])', fewer than folds (\(folds))",
          hint: "Label more, or set fewer folds.")
      }
      for (place, text) in texts.enumerated() where known[text] == nil { known[text] = place % folds }
    }
    for row in hashes.indices { foldOfRow[row] = known[hashes[row]]! }
  }

  private static func forEach(_ files: [ArtifactFile], _ body: (Line) throws -> Void) throws {
    for file in files {
      let lines = LineReader(try openSource(file.path), maximumLineBytes: 256 << 20)
      while let line = try lines.next() { try body(Line(json: JSONValue.parse(Array(line)).value)) }
    }
  }

  /// The rows of a fold, in order.
  func rows(ofFold fold: Int) -> [Int] { foldOfRow.indices.filter { foldOfRow[$0] == fold } }

  /// Writes the texts of a fold to one file, and all others to another one.
  /// - Parameter fold: -1: none.
  func split(fold: Int, own: String, others: String) throws {
    let (own, others) = (try FileSink(own), try FileSink(others))
    var row = 0
    try Self.forEach(files) { line in
      let bytes = Array(line.json.text().utf8) + [0x0A]
      try (foldOfRow[row] == fold ? own : others).write(bytes)
      row += 1
    }
    try own.commit()
    try others.commit()
  }
}
