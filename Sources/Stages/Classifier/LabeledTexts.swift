import PipelineKit
import ShardKit
import TrainerCore

/// Texts with labels in files of JSON lines, and the fold of each. Reads them again for each use; keeps a few bytes each.
struct LabeledTexts {
  /// The member of a line with the second text of a pair.
  static let pairKey = "textPair"

  private let files: [ArtifactFile]
  let task: TextTask
  /// What is known of each text, as `TextScores` takes it.
  private(set) var targets: [[Double]] = []
  private(set) var foldOfRow: [Int] = []

  /// - Parameter label: a name, a list of names, or a number.
  static func line(text: [UInt8], pair: [UInt8]? = nil, label: JSONValue) -> [UInt8] {
    func string(_ bytes: [UInt8]) -> JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }
    let members = [JSONMember("label", label), JSONMember("text", string(text))]
    return Array(JSONValue.object(members + (pair.map { [JSONMember(pairKey, string($0))] } ?? [])).text().utf8) + [
      0x0A
    ]
  }

  /// - Parameters:
  ///   - wanted: the labels; empty: those that occur, in byte order.
  ///   - folds: texts are dealt out by a hash of the text (or pair), label by label if each has one, so that folds have alike
  ///     shares of each. Equal ones are in one fold, whatever their labels.
  /// - Throws: `StageError` (`.input`) if there are too few labels, or fewer different texts (of one label) than folds.
  init(_ files: [ArtifactFile], _ kind: TextTask.Kind, wanted: [String], folds: Int, seed: Int) throws {
    self.files = files
    var values: [JSONValue] = []
    var hashes: [UInt64] = []
    try Self.forEach(files) { line in
      values.append(line["label"] ?? .null)
      // A pair is told from its first text by the byte between them, which no text has.
      let text = (line["text"]?.string ?? "") + (line[Self.pairKey]?.string.map { "\u{0}" + $0 } ?? "")
      hashes.append(recordHash(Array("\(seed) \(text)".utf8)))
    }
    task = TextTask(kind, labels: wanted.isEmpty ? Self.names(values) : wanted)
    if kind != .regression {
      let least = kind == .singleLabel ? TunedTask.labelCounts.lowerBound : 1
      guard (least...TunedTask.labelCounts.upperBound).contains(task.labels.count) else {
        throw StageError(
          .input, "documents",
          "have \(task.labels.count) different labels, not \(least) to \(TunedTask.labelCounts.upperBound)",
          hint: "Check labelField, or name the labels with the option 'labels'.")
      }
    }
    guard !values.isEmpty else { throw StageError(.input, "documents", "have no labels", hint: "Check labelField.") }
    targets = try Self.targets(values, task)
    foldOfRow = [Int](repeating: 0, count: values.count)
    guard folds > 0 else { return }
    try deal(hashes, folds)
  }

  /// With the labels of a model.
  init(_ files: [ArtifactFile], _ task: TextTask) throws {
    try self.init(files, task.kind, wanted: task.labels, folds: 0, seed: 0)
  }

  private static func names(_ values: [JSONValue]) -> [String] {
    let names = values.flatMap { value in value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? [] }
    return Set(names.map { ExactText($0) }).sorted().map(\.text)
  }

  private static func targets(_ values: [JSONValue], _ task: TextTask) throws -> [[Double]] {
    let places = Dictionary(
      task.labels.enumerated().map { (ExactText($1), $0) }, uniquingKeysWith: { first, _ in first })
    return values.map { value in
      switch task {
      case .singleLabel: [value.string.flatMap { places[ExactText($0)] }.map { Double($0) } ?? 0]
      case .multiLabel:
        (value.array ?? []).reduce(into: [Double](repeating: 0, count: places.count)) { flags, name in
          if let place = name.string.flatMap({ places[ExactText($0)] }) { flags[place] = 1 }
        }
      case .regression: [value.double ?? 0]
      }
    }
  }

  /// The labels' places of the rows that have one each; 0 for all otherwise.
  private var strata: [Int] { task.kind == .singleLabel ? targets.map { Int($0[0]) } : targets.map { _ in 0 } }

  private mutating func deal(_ hashes: [UInt64], _ folds: Int) throws {
    var known: [UInt64: Int] = [:]
    let strata = strata
    for stratum in 0..<(task.kind == .singleLabel ? task.labels.count : 1) {
      let texts = Set(zip(strata, hashes).filter { $0.0 == stratum }.map(\.1)).sorted()
      guard texts.count >= folds else {
        let labeled = task.kind == .singleLabel ? "labeled '\(task.labels[stratum])'" : "labeled"
        throw StageError(
          .input, "documents", "\(texts.count) different texts are \(labeled), fewer than folds (\(folds))",
          hint: "Label more, or set fewer folds.")
      }
      for (place, text) in texts.enumerated() where known[text] == nil { known[text] = place % folds }
    }
    for row in hashes.indices { foldOfRow[row] = known[hashes[row]]! }
  }

  private static func forEach(_ files: [ArtifactFile], _ body: (JSONValue) throws -> Void) throws {
    for file in files {
      let lines = LineReader(try openSource(file.path), maximumLineBytes: 256 << 20)
      while let line = try lines.next() { try body(JSONValue.parse(Array(line)).value) }
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
      let bytes = Array(line.text().utf8) + [0x0A]
      try (foldOfRow[row] == fold ? own : others).write(bytes)
      row += 1
    }
    try own.commit()
    try others.commit()
  }
}
