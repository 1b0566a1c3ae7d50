public import PipelineKit
import ShardKit
import TextKit

/// Finds what a corpus shares with test sets, and drops it, cuts it out or marks it.
///
/// Four phases: *index* reads the test sets, *search* finds their passages in the documents, *judge* decides by
/// question (and ignores phrases that many documents have), *apply* writes the documents. Another threshold reads no text
/// again. Every match is compared letter by letter: no hash decides.
public struct Decontaminate: Stage {
  public enum Action: String, OptionChoice { case drop, cut, tag }

  public struct Options: StageOptions {
    @Option(
      "The test sets by name, each a file, a folder or a list: JSON lines, Parquet, JSON (SQuAD's form, llm-jp-eval's "
        + "samples), CSV, TSV, or plain text with one text per line.", required: true, holdsRecords: false)
    public var sets: [String: InputFiles] = [:]
    @Option(
      "drop: removes the document; cut: removes the sentences that hold the passage; tag: lists the questions in the "
        + "metadata, under contamination.")
    public var action = Action.drop
    @Option(
      "Letters of a passage: what a text has to share with a question, without white space and punctuation.",
      in: 10...1000)
    public var characters = 30
    @Option("The same in words, for questions that are mostly in Latin letters.", in: 4...200) public var words = 13
    @Option(
      "Questions shorter than a passage are found as a whole if they have this many letters; shorter ones, only next to "
        + "one of their answers.", in: 6...1000)
    public var minimumCharacters = 10
    @Option("The same in words, for questions that are mostly in Latin letters.", in: 2...200)
    public var minimumWords = 5
    @Option("Letters between a short question and its answer, at most.", in: 0...10_000) public var answerDistance = 100
    @Option(
      "The fraction of a question's text that a document must hold, in passages, to count as contaminated.", in: 0...1)
    public var share = 0.5
    @Option(
      "A passage that more documents have is a common phrase, not a question, and does not count. 0: all count.",
      in: 0...1 << 40)
    public var commonDocuments = 100
    @Option("Also finds the passages that questions are about (context, passage, article, document).")
    public var passages = false
    @Option("The members of records with texts to find; empty: question, sentence1, query, text, input and the like.")
    public var fields: [String] = []
    @Option("The members of records with answers; empty: answer, answers, output, target, or the choice of the label.")
    public var answerFields: [String] = []
    @Option("With cut: documents with fewer bytes left are dropped.", in: 0...1_000_000) public var minimumBytes = 1

    public init() {}
  }

  public static let name = "decontaminate"
  public static let revision = 1
  public static let summary = "Drops, cuts or tags what a corpus shares with test sets, and reports it by question."
  static let documents = Input<Documents>("documents", "The documents to search.")
  static let kept = Output<Documents>("documents", "The documents without the questions, or with tags.")
  static let report = Output<Report>(
    "report", "decontamination.json and .md: by test set and question, the documents with the matching text.")
  static let passageIndex = Output<Intermediate>("passages", "The passages of the questions.", hidden: true)
  static let questions = Output<Intermediate>("questions", "The questions and their texts' numbers.", hidden: true)
  static let index = Output<Signatures>("index", "Ids and lengths of the documents.", hidden: true)
  static let matches = Output<Intermediate>("matches", "What each document shares with the questions.", hidden: true)
  static let verdicts = Output<Intermediate>("verdicts", "The contaminated documents, by input file.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [
    kept.port, report.port, passageIndex.port, questions.port, index.port, matches.port, verdicts.port,
  ]
  public enum Phase: String, StagePhase { case index, search, judge, apply }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .index: ["characters", "words", "minimumCharacters", "minimumWords", "passages", "fields", "answerFields"]
    case .search: ["answerDistance"]
    case .judge: ["share", "commonDocuments", "action"]
    case .apply: ["action", "minimumBytes", "share"]
    }
  }

  let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    for name in options.sets.keys.sorted() where name.wholeMatch(of: #/[a-z0-9][a-z0-9._-]{0,63}/#) == nil {
      throw StageError(
        .options, "sets", "'\(name)' is no name for a test set: it becomes part of the reason of drops",
        hint: "Use lowercase letters, digits, '-', '_' and '.'.")
    }
    guard options.minimumCharacters > options.characters else { return }
    throw StageError(
      .options, "minimumCharacters", "is \(options.minimumCharacters), above characters (\(options.characters))")
  }

  // MARK: Tasks

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let inputs = context.files(Self.documents)
    let questions = context.files(Self.questions), index = context.files(Self.index)
    switch phase {
    case .index: return [try indexTask(context)]
    case .search:
      let passages = context.files(Self.passageIndex)
      return TaskPlan.perFile(inputs, memoryBytes: 64 << 20 + Int(passages.reduce(0) { $0 + $1.bytes }))
        .map { $0.with(inputs: ["passages": passages]) }
    case .judge:
      let files = questions + context.files(Self.passageIndex)
      let memoryBytes = 64 << 20 + 4 * Int(files.reduce(0) { $0 + $1.bytes })
      return [
        TaskPlan(
          key: "all",
          inputs: [
            "questions": questions, "passages": context.files(Self.passageIndex), "index": index,
            "matches": context.files(Self.matches),
          ], memoryBytes: memoryBytes)
      ]
    case .apply:
      return zip(inputs, zip(index, context.files(Self.verdicts))).enumerated().map { part, files in
        TaskPlan(
          key: TaskPlan.padded(part),
          inputs: [.main: [files.0], "index": [files.1.0], "verdicts": [files.1.1]])
      }
    }
  }

  private func indexTask(_ context: PlanningContext) throws -> TaskPlan {
    var roles: TaskInputs = [:]
    var bytes: Int64 = 0
    for name in options.sets.keys.sorted() {
      let files = try context.files(options.sets[name]!).filter { TestSetReader.ending($0.name) != nil }
      guard !files.isEmpty else {
        throw StageError(
          .input, "sets.\(name)", "has no file that ends with .json, .jsonl, .parquet, .csv, .tsv or .txt",
          hint: "Name the files, or rename them after what they are.")
      }
      roles += [TaskInputs.Role(name): files]
      bytes += files.reduce(0) { $0 + $1.bytes }
    }
    // A letter takes three bytes in a file and about a hundred here; files may be compressed.
    return TaskPlan(key: "sets", inputs: roles, memoryBytes: 64 << 20 + 60 * Int(bytes))
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .index: try indexSets(workspace)
    case .search: try search(workspace)
    case .judge: try judge(workspace)
    case .apply: try VerdictFilter(options: options).run(workspace, to: Self.kept)
    }
  }

  private func indexSets(_ workspace: Workspace) throws {
    let reader = TestSetReader(
      fields: TestFields(texts: options.fields, answers: options.answerFields, passages: options.passages))
    var builder = PassageIndexBuilder(
      PassageRule(
        characters: options.characters, words: options.words, minimumCharacters: options.minimumCharacters,
        minimumWords: options.minimumWords))
    let list = try workspace.file(Self.questions, "questions.jsonl")
    for name in options.sets.keys.sorted() {
      for file in workspace.files(TaskInputs.Role(name)) {
        try reader.forEach(file, of: name) { question in
          let answers = question.answers.map { Array($0.utf8) }
          let numbers = question.texts.map { text in
            if case .indexed(let number) = builder.add(Array(text.utf8), answers: answers) { return number }
            return -1
          }
          if numbers.allSatisfy({ $0 < 0 }) { workspace.warn("too-short", "\(name): \(question.texts[0])") }
          try list.write(line: IndexedQuestion(question, numbers))
        }
        try workspace.control.check()
      }
    }
    try workspace.publish(Self.questions, list, name: "questions.jsonl")
    let index = try workspace.file(Self.passageIndex, "sets.passages")
    try builder.write(to: index)
    try workspace.publish(Self.passageIndex, index, name: "sets.passages")
  }

  private func search(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let rowFile = try workspace.file(Self.index, key + ".index"),
      found = try workspace.file(Self.matches, key + ".jsonl")
    var rows = IndexWriter(rowFile)
    var search = DocumentSearch(
      index: try PassageIndex(try workspace.file("passages").path), answerDistance: options.answerDistance)
    let stream = workspace.documents(counted: false)
    var document = Document()
    while try stream.next(&document) {
      let matches = search.matches(in: document.text)
      if !matches.isEmpty {
        try found.write(line: MatchedDocument(row: rows.count, id: document.idString, matches: matches))
      }
      try rows.append(document, priority: 0)
    }
    try rows.finish()
    try workspace.publish(Self.index, rowFile, name: key + ".index", documents: rows.count)
    try workspace.publish(Self.matches, found, name: key + ".jsonl")
  }

  private func judge(_ workspace: Workspace) throws {
    let questions = try QuestionTable(try workspace.file("questions").path)
    var judge = ContaminationJudge(
      index: try PassageIndex(try workspace.file("passages").path), share: options.share,
      commonDocuments: options.commonDocuments)
    let files = workspace.files(Self.matches)
    for file in files { try JSONLines.forEach(file.path) { judge.count($0) } }
    var report = ContaminationReport(questions, options)
    for (part, file) in files.enumerated() {
      let name = TaskPlan.padded(part) + ".jsonl"
      let out = try workspace.file(Self.verdicts, name)
      try JSONLines.forEach(file.path) { (document: MatchedDocument) in
        let judged = judge.judge(document)
        report.add(document, judged)
        if let verdict = ContaminationVerdict(document, judged.guilty, questions) { try out.write(line: verdict) }
      }
      try workspace.publish(Self.verdicts, out, name: name)
    }
    report.documents = workspace.files(Self.index).reduce(0) { $0 + $1.documents }
    try workspace.write(Self.report, name: "decontamination.json", Array(report.json.prettyText().utf8))
    try workspace.write(Self.report, name: "decontamination.md", Array(report.markdown.utf8))
    workspace.metric("questions-found", Double(report.questionsFound))
    workspace.metric("documents-found", Double(report.documentsFound))
  }
}

/// Lines of JSON, each one value of a type.
enum JSONLines {
  /// Calls `body` with each value of a file.
  static func forEach<Value: Decodable>(_ path: String, _ body: (Value) throws -> Void) throws {
    let lines = LineReader(try openSource(path))
    while let line = try lines.next() { try body(try JSONValue.parse(Array(line)).value.decode()) }
  }
}

extension FileSink {
  /// Writes a value as one line of JSON.
  func write(line value: some Encodable) throws {
    try write(Array(try JSONValue.encoding(value).text().utf8) + [0x0A])
  }
}
