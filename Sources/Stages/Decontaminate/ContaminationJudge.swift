import ShardKit
import TextKit

/// A question, and the numbers of its texts in the index; -1 for one that is too short to be found.
struct IndexedQuestion: Codable, Equatable {
  var benchmark: String
  var file: String
  var id: String
  var texts: [Int]
  /// For reports, shortened.
  var shown: String
  private static let shownCharacters = 300

  init(_ question: TestQuestion, _ texts: [Int]) {
    benchmark = question.benchmark
    file = question.file
    id = question.id
    self.texts = texts
    let all = question.texts.joined(separator: " / ")
    shown = all.count > Self.shownCharacters ? all.prefix(Self.shownCharacters) + "…" : all
  }

  var isFindable: Bool { texts.contains { $0 >= 0 } }
}

/// The questions of all test sets, and whose each text is.
struct QuestionTable {
  private(set) var questions: [IndexedQuestion] = []
  private var owners: [Int: [Int]] = [:]

  init(_ path: String) throws {
    try JSONLines.forEach(path) { (question: IndexedQuestion) in
      for text in Set(question.texts) where text >= 0 { owners[text, default: []].append(questions.count) }
      questions.append(question)
    }
  }

  /// The numbers of the questions that have a text, ascending: by test set, file and place.
  func owners(of text: Int) -> [Int] { owners[text] ?? [] }
}

/// Decides which shared passages make a document contaminated.
struct ContaminationJudge {
  /// How much of a question's text a document holds.
  struct Finding: Equatable {
    var text: Int
    /// The fraction of the text's letters that are in shared passages.
    var share: Double
    /// The document's passages of that text.
    var passages: [FoundPassage]
  }

  private let index: PassageIndex
  private let share: Double
  private let commonDocuments: Int
  /// Documents that hold each passage, by text.
  private var counts: [Int: [Int]] = [:]

  init(index: PassageIndex, share: Double, commonDocuments: Int) {
    self.index = index
    self.share = share
    self.commonDocuments = commonDocuments
  }

  /// Counts the passages of a document, each once.
  mutating func count(_ document: MatchedDocument) {
    for (text, found) in Self.byText(document) {
      let passages = index.passages(of: text)
      var counts = self.counts.removeValue(forKey: text) ?? Array(repeating: 0, count: passages.count)
      for place in held(passages, found) { counts[place] += 1 }
      self.counts[text] = counts
    }
  }

  /// The texts that the document holds enough of, and those of which it holds only common phrases; in the order of
  /// their numbers. Every document must have been counted.
  func judge(_ document: MatchedDocument) -> (guilty: [Finding], common: [Int]) {
    var guilty: [Finding] = [], common: [Int] = []
    for (text, found) in Self.byText(document) {
      let passages = index.passages(of: text), counts = counts[text] ?? []
      let held = held(passages, found)
      let rare = held.filter { commonDocuments == 0 || counts[$0] <= commonDocuments }
      let all = Double(index.letters(of: text).count)
      let fraction = Double(Self.letters(of: rare.map { passages[$0] })) / all
      if fraction >= share, !rare.isEmpty {
        guilty.append(Finding(text: text, share: fraction, passages: found))
      } else if Double(Self.letters(of: held.map { passages[$0] })) / all >= share {
        common.append(text)
      }
    }
    return (guilty, common)
  }

  private static func byText(_ document: MatchedDocument) -> [(key: Int, value: [FoundPassage])] {
    Dictionary(grouping: document.matches, by: \.text).sorted { $0.key < $1.key }
  }

  /// The places of the passages that lie within what was found, ascending.
  private func held(_ passages: [Range<Int>], _ found: [FoundPassage]) -> [Int] {
    passages.indices.filter { place in
      found.contains { $0.from <= passages[place].lowerBound && passages[place].upperBound <= $0.to }
    }
  }

  /// The letters in any of the ranges, which ascend.
  private static func letters(of ranges: [Range<Int>]) -> Int {
    var end = 0, sum = 0
    for range in ranges {
      sum += max(0, range.upperBound - max(end, range.lowerBound))
      end = max(end, range.upperBound)
    }
    return sum
  }
}

/// What is to be done to a document: the content of a line of `verdicts`.
struct ContaminationVerdict: Codable, Equatable {
  struct Question: Codable, Equatable {
    var benchmark: String
    var question: String
    var share: Double
  }

  /// Of its file, from 0.
  var row: Int
  /// The largest share first, then in the order of the sets.
  var questions: [Question]
  /// Bytes of the passages: pairs of start and end.
  var spans: [[Int]]
  /// More questions are counted, not listed.
  static let most = 100

  /// Nil if the document is not contaminated.
  init?(_ document: MatchedDocument, _ guilty: [ContaminationJudge.Finding], _ table: QuestionTable) {
    guard !guilty.isEmpty else { return nil }
    row = document.row
    var best: [Int: Double] = [:]
    for finding in guilty {
      for owner in table.owners(of: finding.text) { best[owner] = max(best[owner] ?? 0, finding.share) }
    }
    questions = best.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.most).map { number, share in
      let question = table.questions[number]
      return Question(benchmark: question.benchmark, question: question.id, share: share)
    }
    spans = guilty.flatMap(\.passages).map { [$0.start, $0.end] }
  }
}
