import PipelineKit
import ShardKit

/// What every scoring stage writes beside its measures.
struct ScorerOptions: StageOptions {
  @Option(
    "Fields of the metadata to write beside the measures, as texts of few distinct values, for gates to compare and to "
      + "group by: domain, dedup_meta.lang. The document's source and its number of characters are always written.")
  var fields = ["domain"]
  @Option("Fields of the metadata that hold numbers, to be used like measures.") var numbers: [String] = []
  @Option(
    "Text before the measures' names, such as \"edu.\", so that two scoring stages of one kind can be told apart.")
  var prefix = ""

  init() {}
}

/// Writes the measures of one file of documents.
final class SignalsOutput {
  private let options: ScorerOptions
  private let file: FileSink
  private let writer: SignalsWriter
  private let workspace: Workspace
  private let output: Output<Signals>
  private let reader: MetadataReader
  private var textBytes: Int64 = 0

  static let characters = "characters"
  static let source = "source"

  /// - Parameters:
  ///   - measures: names of the measures, without the prefix.
  ///   - texts: names of further columns of texts, without the prefix.
  init(
    _ workspace: Workspace, to output: Output<Signals>, _ options: ScorerOptions, measures: [String],
    texts: [String] = []
  ) throws {
    self.options = options
    self.workspace = workspace
    self.output = output
    file = try workspace.file(output, workspace.task.key + ".signals")
    let numberNames = [Self.characters] + options.numbers + measures.map { options.prefix + $0 }
    let textNames = [Self.source] + options.fields + texts.map { options.prefix + $0 }
    let columns = numberNames.map { SignalColumn($0, .number) } + textNames.map { SignalColumn($0, .text) }
    writer = try SignalsWriter(file, columns: columns)
    reader = MetadataReader(options.numbers + options.fields)
  }

  /// - Parameter measures: in the order of the names; NaN for none.
  /// - Throws: what writing throws.
  func write(_ document: borrowing Document, _ measures: [Double], texts more: [String] = []) throws {
    var texts = [String(decoding: document.source, as: UTF8.self)] + options.fields.map { _ in "" }
    var numbers = [Double(MixMeasure.characters(document.text))] + options.numbers.map { _ in .nan }
    let count = options.numbers.count
    reader.read(document.metadata) { path, value, kind in
      if path < count {
        let number = kind == .number ? Double(String(decoding: value, as: UTF8.self)) : nil
        // 1e999 is a number in JSON, but none to compute with.
        numbers[path + 1] = number.flatMap { $0.isFinite ? $0 : nil } ?? .nan
      } else if kind == .string || kind == .number {
        texts[path - count + 1] = String(decoding: value, as: UTF8.self)
      }
    }
    try writer.append(id: document.id, numbers: numbers + measures, texts: texts + more)
    textBytes += Int64(document.text.count)
    workspace.consume(bytes: document.text.count)
  }

  /// Publishes the file.
  /// - Throws: what writing throws.
  func finish() throws {
    try writer.finish()
    try workspace.publish(
      output, file, name: workspace.task.key + ".signals", documents: writer.hashes.count, textBytes: textBytes,
      ids: writer.hashes)
  }
}

extension ScorerOptions {
  /// What rules call a measure of each label: `stem`. and the label, or its place among the labels if it has other
  /// characters than letters, digits, _ and '.'.
  static func columns(_ stem: String, _ labels: [String]) -> [String] {
    labels.enumerated().map { place, label in
      let name = "\(stem).\(label)"
      return GateParser.isName(name) ? name : "\(stem).\(place)"
    }
  }

  /// - Throws: `StageError` (`.options`) if two columns would have the same name, or one that rules cannot write.
  func validate(measures: [String], texts: [String] = []) throws(StageError) {
    var seen: Set<String> = [SignalsOutput.characters, SignalsOutput.source]
    for name in (measures + texts).map({ prefix + $0 }) + numbers + fields {
      guard GateParser.isName(name) else {
        throw StageError(
          .options, measures.isEmpty || fields.contains(name) ? "fields" : "prefix",
          "'\(name)' cannot be written in the rules of a gate", hint: "Use letters, digits, _ and . only.")
      }
      guard seen.insert(name).inserted else {
        throw StageError(.options, "prefix", "two columns would be named '\(name)'", hint: "Set a prefix.")
      }
    }
  }
}
