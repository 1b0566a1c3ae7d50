public import ShardKit

/// One example of a GLUE task.
public struct GLUEExample: Equatable, Sendable {
  public var text: String
  public var pair: String?
  /// A label's name, or a number.
  public var label: JSONValue

  /// As a line of examples.
  public var line: [UInt8] {
    var members = [JSONMember("label", label), JSONMember("text", .string(text))]
    if let pair { members.append(JSONMember("textPair", .string(pair))) }
    return Array(JSONValue.object(members).text().utf8) + [0x0A]
  }
}

/// Reads GLUE's files as they were released: tables with tabs between the columns, in which quotation marks mean nothing,
/// with a first row of names but for CoLA; or the Parquet files that the Hub makes of them.
public struct GLUEReader {
  private let task: GLUETask
  /// Of MRPC as it was released by its authors: the pairs of the development set, which its training file contains.
  private let developmentPairs: Set<String>
  /// Rows that were left out, because they lack columns or their label is none of the task's.
  public private(set) var leftOut = 0

  /// - Parameter developmentPairs: a file `dev_ids.tsv`; nil: there is none.
  public init(_ task: GLUETask, developmentPairs path: String? = nil) throws {
    self.task = task
    var pairs: Set<String> = []
    if let path {
      let lines = LineReader(try openSource(path))
      while let line = try lines.next() { pairs.insert(String(decoding: line, as: UTF8.self)) }
    }
    developmentPairs = pairs
  }

  public enum Part: Sendable { case training, development }

  /// Calls `body` with each example of a file.
  /// - Parameter part: of a file that holds both, as MRPC's.
  /// - Throws: `ShardError` if the file cannot be read, lacks a column, or more than a hundredth of its rows are left out;
  ///   what `body` throws.
  public mutating func forEach(_ path: String, _ part: Part, _ body: (GLUEExample) throws -> Void) throws {
    var rows = 0
    let before = leftOut
    let lines = LineReader(try openLines(path), maximumLineBytes: 64 << 20)
    let isTable = try ParquetFile.isOne(path)
    var columns: Columns? = task == .cola && !isTable ? Columns(text: 3, label: 1) : nil
    while let line = try lines.next() {
      if isTable {
        rows += 1
        try take(Self.example(task, JSONValue.parse(Array(line)).value), body)
        continue
      }
      let fields = line.split(separator: 0x09, omittingEmptySubsequences: false).map {
        String(decoding: $0, as: UTF8.self)
      }
      guard let columns else {
        columns = try Columns(task, fields, path)
        continue
      }
      rows += 1
      if !developmentPairs.isEmpty, fields.count > 2 {
        guard developmentPairs.contains("\(fields[1])\t\(fields[2])") == (part == .development) else { continue }
      }
      try take(example(fields, columns), body)
    }
    guard (leftOut - before) * 100 <= rows else {
      throw ShardError(
        .malformed, path, "\(leftOut - before) of \(rows) rows lack columns, or their label is none of \(task.title)'s",
        hint: "Give \(task.title)'s files as GLUE's authors released them.")
    }
  }

  private mutating func take(_ example: GLUEExample?, _ body: (GLUEExample) throws -> Void) throws {
    if let example { try body(example) } else { leftOut += 1 }
  }

  private func example(_ fields: [String], _ columns: Columns) -> GLUEExample? {
    guard columns.last < fields.count, let label = Self.label(task, fields[columns.label]) else { return nil }
    return GLUEExample(text: fields[columns.text], pair: columns.pair.map { fields[$0] }, label: label)
  }

  /// A name, or the number of one; of STS-B a score.
  private static func label(_ task: GLUETask, _ text: String) -> JSONValue? {
    guard case .singleLabel(let labels) = task.task else {
      return Double(text).flatMap { (0...5).contains($0) ? .number($0) : nil }
    }
    if labels.contains(text) { return .string(text) }
    return Int(text).flatMap { labels.indices.contains($0) ? .string(labels[$0]) : nil }
  }

  /// A row of the Hub's files.
  private static func example(_ task: GLUETask, _ json: JSONValue) -> GLUEExample? {
    let names = Columns.names(task, isHub: true)
    guard let text = json[names.text]?.string, let value = json["label"],
      let label = label(task, value.integer.map { String($0) } ?? value.double.map { "\($0)" } ?? value.string ?? "")
    else { return nil }
    guard let pair = names.pair else { return GLUEExample(text: text, label: label) }
    guard let second = json[pair]?.string else { return nil }
    return GLUEExample(text: text, pair: second, label: label)
  }

  /// Places of what is read among a row's fields.
  private struct Columns {
    var text: Int
    var pair: Int?
    var label: Int

    var last: Int { max(text, pair ?? 0, label) }

    init(text: Int, label: Int) {
      self.text = text
      self.label = label
    }

    init(_ task: GLUETask, _ header: [String], _ path: String) throws {
      let names = Self.names(task, isHub: false)
      func place(_ name: String) throws -> Int {
        guard let place = header.firstIndex(of: name) else {
          throw ShardError(
            .malformed, path, "has no column '\(name)'",
            hint:
              "Its first row should name the columns, as in \(task.title)'s files of GLUE. Test sets have no labels.")
        }
        return place
      }
      text = try place(names.text)
      pair = try names.pair.map(place)
      label = try place(names.label)
    }

    static func names(_ task: GLUETask, isHub: Bool) -> (text: String, pair: String?, label: String) {
      switch task {
      case .cola, .sst2: ("sentence", nil, "label")
      case .mrpc: isHub ? ("sentence1", "sentence2", "label") : ("#1 String", "#2 String", "Quality")
      case .stsb: ("sentence1", "sentence2", isHub ? "label" : "score")
      case .qqp: ("question1", "question2", isHub ? "label" : "is_duplicate")
      case .mnli: isHub ? ("premise", "hypothesis", "label") : ("sentence1", "sentence2", "gold_label")
      case .qnli: ("question", "sentence", "label")
      case .rte: ("sentence1", "sentence2", "label")
      }
    }
  }
}
