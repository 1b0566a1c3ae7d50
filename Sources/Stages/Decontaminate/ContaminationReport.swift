import PipelineKit
import ShardKit

/// What was found, by test set and by question, as JSON and as Markdown.
struct ContaminationReport {
  /// A document with a question.
  private struct Example {
    var document: String
    var share: Double
    var start: Int
    var end: Int
    var matching: String

    /// The largest share first: the choice of examples does not depend on the order of the documents.
    static func precedes(_ a: Example, _ b: Example) -> Bool {
      if a.share != b.share { return a.share > b.share }
      return a.document == b.document ? a.start < b.start : a.document.utf8.lexicographicallyPrecedes(b.document.utf8)
    }

    var json: JSONValue {
      [
        "document": .string(document), "share": .number(share), "start": .integer(start), "end": .integer(end),
        "matching": .string(matching),
      ]
    }
  }

  private struct Entry {
    var documents = 0
    var examples: [Example] = []
  }

  /// Documents searched.
  var documents = 0
  private(set) var documentsFound = 0
  private let table: QuestionTable
  private let options: Decontaminate.Options
  /// By the question's number.
  private var found: [Int: Entry] = [:]
  /// Questions of which documents had only common phrases.
  private var common: [Int: Int] = [:]
  private static let mostExamples = 5
  private static let mostShown = 20

  init(_ table: QuestionTable, _ options: Decontaminate.Options) {
    self.table = table
    self.options = options
  }

  var questionsFound: Int { found.count }

  mutating func add(
    _ document: MatchedDocument, _ judged: (guilty: [ContaminationJudge.Finding], common: [Int])
  ) {
    if !judged.guilty.isEmpty { documentsFound += 1 }
    var best: [Int: ContaminationJudge.Finding] = [:]
    for finding in judged.guilty {
      for owner in table.owners(of: finding.text) where best[owner]?.share ?? 0 < finding.share {
        best[owner] = finding
      }
    }
    for (owner, finding) in best {
      let passage = finding.passages.max { ($0.to - $0.from, -$0.start) < ($1.to - $1.from, -$1.start) }!
      var entry = found[owner] ?? Entry()
      entry.documents += 1
      entry.examples.append(
        Example(
          document: document.id, share: finding.share, start: passage.start, end: passage.end, matching: passage.shown))
      entry.examples.sort(by: Example.precedes)
      entry.examples.removeLast(max(0, entry.examples.count - Self.mostExamples))
      found[owner] = entry
    }
    for owner in Set(judged.common.flatMap { table.owners(of: $0) }) where best[owner] == nil {
      common[owner, default: 0] += 1
    }
  }

  // MARK: Writing

  private struct Benchmark {
    var name: String
    var questions: Range<Int>
  }

  /// The questions of a test set follow one another.
  private var benchmarks: [Benchmark] {
    var out: [Benchmark] = []
    for (number, question) in table.questions.enumerated() {
      if out.last?.name != question.benchmark {
        out.append(Benchmark(name: question.benchmark, questions: number..<number))
      }
      out[out.count - 1].questions = out.last!.questions.lowerBound..<(number + 1)
    }
    return out
  }

  var json: JSONValue {
    let sets = benchmarks.map { JSONMember($0.name, json($0)) }
    return [
      "documents": .integer(documents), "documentsFound": .integer(documentsFound),
      "questionsFound": .integer(questionsFound), "action": .string(options.action.rawValue),
      "sets": .object(sets),
    ]
  }

  private func json(_ benchmark: Benchmark) -> JSONValue {
    let questions = benchmark.questions.compactMap { number -> JSONValue? in
      guard let entry = found[number] else { return nil }
      let question = table.questions[number]
      return [
        "question": .string(question.id), "file": .string(question.file), "text": .string(question.shown),
        "documents": .integer(entry.documents), "examples": .list(entry.examples.map(\.json)),
      ]
    }
    let ignored = benchmark.questions.compactMap { number -> JSONValue? in
      guard let documents = common[number] else { return nil }
      let question = table.questions[number]
      return [
        "question": .string(question.id), "file": .string(question.file), "text": .string(question.shown),
        "documents": .integer(documents),
      ]
    }
    return [
      "questions": .integer(benchmark.questions.count),
      "tooShort": .integer(benchmark.questions.count { !table.questions[$0].isFindable }),
      "found": .integer(questions.count), "contaminated": .list(questions), "commonPhrases": .list(ignored),
    ]
  }

  var markdown: String {
    var lines = [
      "# Decontamination", "",
      "\(documentsFound) of \(documents) documents hold a question of a test set (\(options.action.rawValue)).", "",
      "| test set | questions | too short to be found | found in the corpus | only as common phrases |",
      "|---|---:|---:|---:|---:|",
    ]
    for benchmark in benchmarks {
      let short = benchmark.questions.count { !table.questions[$0].isFindable }
      let found = benchmark.questions.count { self.found[$0] != nil }
      let ignored = benchmark.questions.count { common[$0] != nil }
      lines.append("| \(benchmark.name) | \(benchmark.questions.count) | \(short) | \(found) | \(ignored) |")
    }
    for benchmark in benchmarks { lines += section(benchmark) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func section(_ benchmark: Benchmark) -> [String] {
    let numbers = benchmark.questions.filter { found[$0] != nil }
    guard !numbers.isEmpty else { return [] }
    var lines = [
      "", "## \(benchmark.name)", "", "| question | documents | share | document | matching text |",
      "|---|---:|---:|---|---|",
    ]
    for number in numbers.prefix(Self.mostShown) {
      let entry = found[number]!, example = entry.examples[0], question = table.questions[number]
      lines.append(
        "| \(Self.cell(question.id)): \(Self.cell(question.shown)) | \(entry.documents) | \(fixed(example.share, 2)) | "
          + "\(Self.cell(example.document)) | \(Self.cell(example.matching)) |")
    }
    if numbers.count > Self.mostShown {
      lines += ["", "\(numbers.count - Self.mostShown) more in decontamination.json."]
    }
    return lines
  }

  /// A text in a cell of a table.
  private static func cell(_ text: String) -> String {
    text.replacing("|", with: "\\|").replacing("\n", with: " ").replacing("\r", with: " ")
  }
}
