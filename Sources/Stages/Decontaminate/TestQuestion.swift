import PipelineKit
import ShardKit
import TrainerCore

/// A question of a test set: the texts that a training corpus should not hold.
struct TestQuestion: Codable, Equatable {
  var benchmark: String
  /// Name of its file.
  var file: String
  /// As the set names it, else its number in the file, from 1.
  var id: String
  var texts: [String]
  var answers: [String] = []
}

/// Which members of a record are what.
struct TestFields: Equatable {
  /// Members with texts to find; empty: those of `usual` that a record has.
  var texts: [String] = []
  /// Members with answers; empty: the usual ones.
  var answers: [String] = []
  /// Whether passages that questions refer to are found too.
  var passages = false

  static let usual = [
    "question", "question1", "question2", "sentence", "sentence1", "sentence2", "query", "text", "input", "premise",
    "hypothesis", "prompt", "problem", "#1 String", "#2 String",
  ]
  static let usualPassages = ["context", "passage", "article", "document"]
  static let usualAnswers = ["answer", "answers", "output", "target"]
  static let ids = [
    "id", "_id", "q_id", "qid", "query_id", "question_id", "uid", "docid", "idx", "index", "sentence_pair_id",
    "task_id",
  ]

  /// Whether a column of a table with this name has texts.
  func isText(_ name: String) -> Bool {
    (texts.isEmpty ? Self.usual + (passages ? Self.usualPassages : []) : texts).contains(name)
  }

  func isAnswer(_ name: String) -> Bool { (answers.isEmpty ? Self.usualAnswers : answers).contains(name) }
}

extension TestQuestion {
  /// From a record; nil if it has no text.
  init?(_ json: JSONValue, _ fields: TestFields, benchmark: String, file: String, number: Int) {
    let members = json.members ?? []
    texts = members.filter { fields.isText($0.key) }.flatMap { Self.strings($0.value) }
    guard !texts.isEmpty else { return nil }
    self.benchmark = benchmark
    self.file = file
    id = TestFields.ids.lazy.compactMap { json[$0].flatMap(TextRecord.name) }.first ?? "\(number)"
    answers = Self.answers(json, members, fields)
  }

  /// A text, or the texts of a list, or of SQuAD's `{"text": […]}`.
  private static func strings(_ value: JSONValue) -> [String] {
    value.string.map { [$0] } ?? value.array?.flatMap(strings) ?? value["text"].map(strings) ?? []
  }

  /// Answers by name; with choices, the one that the label or the answer names by its number.
  private static func answers(_ json: JSONValue, _ members: [JSONMember], _ fields: TestFields) -> [String] {
    let named = members.filter { fields.isAnswer($0.key) }.flatMap { strings($0.value) }
    guard fields.answers.isEmpty, let number = (json["label"] ?? json["answer"])?.integer, number >= 0 else {
      return named
    }
    let list = (json["choices"] ?? json["options"]).map(strings) ?? []
    let choice = list.indices.contains(number) ? list[number] : json["choice\(number)"]?.string
    return named + (choice.map { [$0] } ?? [])
  }
}

/// Reads the files of test sets: JSON lines, Parquet, JSON (SQuAD's form, llm-jp-eval's `samples`, a list of records),
/// tables (CSV, TSV) and plain lists of texts.
struct TestSetReader {
  var fields: TestFields

  private static let endings = [".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".csv", ".tsv", ".txt"]
  private static let compressions = [".gz", ".zst", ".bz2", ".xz", ".lz4"]
  /// More than any published test set.
  private static let largestDocument = 1 << 30

  /// The ending that tells a file's form; nil for a file that holds no questions, such as a licence.
  static func ending(_ name: String) -> String? {
    var name = name.lowercased()
    if let compression = compressions.first(where: name.hasSuffix) { name.removeLast(compression.count) }
    return endings.first(where: name.hasSuffix)
  }

  /// Calls `body` with each question of a file.
  /// - Throws: `StageError` or `ShardError` if the file cannot be read or has no questions; what `body` throws.
  func forEach(_ file: ArtifactFile, of benchmark: String, _ body: (TestQuestion) throws -> Void) throws {
    let form = Self.ending(file.name)
    var count = 0
    func take(_ question: TestQuestion) throws {
      count += 1
      try body(question)
    }
    func read(_ json: JSONValue, _ number: Int) throws {
      if let question = TestQuestion(json, fields, benchmark: benchmark, file: file.name, number: number) {
        try take(question)
      }
    }
    switch form {
    case ".csv", ".tsv":
      try forEachRow(file, isTabbed: form == ".tsv") { columns, number in
        try read(.object(columns.map { JSONMember($0.name, .string($0.value)) }), number)
      }
    case ".txt":
      let lines = LineReader(try openSource(file.path), maximumLineBytes: 16 << 20)
      while let line = try lines.next() {
        let text = String(decoding: line, as: UTF8.self)
        if !line.isEmpty {
          try take(TestQuestion(benchmark: benchmark, file: file.name, id: "\(lines.number)", texts: [text]))
        }
      }
    default:
      if let document = try document(file) {
        try questions(document, file, benchmark, take, read)
      } else {
        try JSONRecords.forEach(file, maximumLineBytes: 64 << 20, read)
      }
    }
    guard count == 0 else { return }
    throw StageError(
      .input, file.name, "has no question: none of its records has a text under a usual name",
      hint:
        "Name the members with texts in \"fields\"; usual names are \(TestFields.usual.prefix(9).joined(separator: ", "))."
    )
  }

  // MARK: JSON

  /// The file as one JSON value; nil if it is JSON lines or a Parquet file.
  private func document(_ file: ArtifactFile) throws -> JSONValue? {
    guard try !ParquetFile.isOne(file.path) else { return nil }
    let lines = LineReader(try openSource(file.path), maximumLineBytes: Self.largestDocument)
    guard let line = try lines.next() else { return nil }
    if let first = try? JSONValue.parse(Array(line)).value {
      let isWhole = first.array != nil || first["samples"]?.array != nil || first["data"]?.array != nil
      return isWhole ? first : nil
    }
    do { return try JSONValue.parse(try openSource(file.path).readAll(limit: Self.largestDocument)).value } catch let
      error as JSONSyntaxError
    {
      throw StageError(.input, file.name, "is not JSON at byte \(error.offset): \(error.message)")
    }
  }

  private func questions(
    _ document: JSONValue, _ file: ArtifactFile, _ benchmark: String, _ take: (TestQuestion) throws -> Void,
    _ read: (JSONValue, Int) throws -> Void
  ) throws {
    if document["data"]?.array?.contains(where: { $0["paragraphs"] != nil }) == true {
      return try forEachPassage(file, benchmark, take)
    }
    let records = document.array ?? document["samples"]?.array ?? document["data"]?.array ?? [document]
    for (number, record) in records.enumerated() {
      if let text = record.string {
        try take(TestQuestion(benchmark: benchmark, file: file.name, id: "\(number + 1)", texts: [text]))
      } else {
        try read(record, number + 1)
      }
    }
  }

  /// SQuAD's form, through the reader that evaluation uses.
  private func forEachPassage(
    _ file: ArtifactFile, _ benchmark: String, _ take: (TestQuestion) throws -> Void
  ) throws {
    var last: [UInt8] = []
    for case .answer(let passage) in try BenchmarkExamples.read(.jsquad, path: file.path) {
      var question = TestQuestion(
        benchmark: benchmark, file: file.name, id: passage.id, texts: [passage.question],
        answers: passage.answers.map(\.text))
      // Several questions share a paragraph.
      if fields.passages, passage.context != last {
        question.texts.append(String(decoding: passage.context, as: UTF8.self))
        last = passage.context
      }
      try take(question)
    }
  }

  // MARK: Tables

  /// Calls `body` with the values of each row by name. Without a header that names a text, each column is a text: what is
  /// a number or a label is too short to be found.
  private func forEachRow(
    _ file: ArtifactFile, isTabbed: Bool, _ body: ([(name: String, value: String)], Int) throws -> Void
  ) throws {
    var names: [String]?
    func row(_ values: [String], _ number: Int) throws {
      guard let header = names else {
        let isHeader = values.contains(where: fields.isText)
        names = isHeader ? values : []
        if !isHeader { try row(values, number) }
        return
      }
      let text = fields.texts.first ?? TestFields.usual[0]
      let named = values.enumerated().map { place, value in
        (name: header.isEmpty ? text : place < header.count ? header[place] : "", value: value)
      }
      try body(named, number)
    }
    if isTabbed {
      // GLUE's tables have no quotes.
      let lines = LineReader(try openSource(file.path), maximumLineBytes: 16 << 20)
      while let line = try lines.next() {
        let values = line.split(separator: 9, omittingEmptySubsequences: false).map {
          String(decoding: $0, as: UTF8.self)
        }
        try row(values, lines.number)
      }
    } else {
      let reader = CSVReader(try openSource(file.path))
      while let record = try reader.next() { try row(record.strings, reader.number) }
    }
  }
}
