import PipelineKit
import ShardKit
import TextKit

/// How texts are measured, for `filter.quality` and `score.quality`.
struct QualityMeasuring: StageOptions {
  enum GramCount: String, OptionChoice { case distinct, occurrences }

  @Option(
    "Longer documents are measured in pieces of about this size, cut at line ends. Each measure except "
      + "character counts is the median over the pieces, so that a long book is not dropped for one long sentence or "
      + "for repetitions far apart. 0: complete documents, as the presets' authors do.",
    in: ByteCount(0)...ByteCount.gibibytes(1))
  var pieceBytes = ByteCount(0)
  @Option(
    "How duplicate n-grams are counted: distinct n-grams of distinct ones (as in the code of Swallow, which the "
      + "preset's thresholds are for), or occurrences of all occurrences (as in its README).")
  var duplicateGrams = GramCount.distinct
  @Option("The metadata field with the URL.") var urlField = "url"
  @Option("Files of unwanted words, one per line, UTF-8. None by default.") var ngWords = InputFiles()
  @Option("Files of advertising phrases, one per line, instead of the built-in list.") var adPhrases = InputFiles()
  @Option("Files of forum phrases, one per line, instead of the built-in list.") var forumPhrases = InputFiles()
  @Option("Folder of MeCab's dictionary (UniDic, as HojiChar requires, or IPADIC). null: the system's default.")
  var mecabDictionary: String? = nil

  init() {}
}

extension QualityMeasuring {
  /// The libraries used for measures: another version may give other values.
  private struct Libraries: Codable {
    var mecabDictionary: String?
    var lz4: String?
  }

  /// See `Stage.namedFiles`.
  func namedFiles(needsNouns: Bool) -> [String: InputFiles] { dictionaryFiles(needsNouns ? mecabDictionary : nil) }

  /// A task per file of documents.
  /// - Throws: `StageError` if a list does not exist, or MeCab is needed and missing.
  func tasks(
    _ documents: Input<Documents>, nouns: Nouns?, needsLZ4: Bool, in context: PlanningContext
  ) throws -> [TaskPlan] {
    let ng = try context.files(ngWords)
    let ads = try context.files(adPhrases)
    let forum = try context.files(forumPhrases)
    let libraries = Libraries(
      mecabDictionary: try nouns.map { try mecab($0) { try NounCensus.dictionaryIdentity($0) } },
      lz4: needsLZ4 ? "\(CompressionRatio.lz4Version)" : nil)
    return try context.files(documents).enumerated().map { i, file in
      try TaskPlan(
        key: TaskPlan.padded(i), inputs: [.main: [file], "ng": ng, "ads": ads, "forum": forum], payload: libraries,
        memoryBytes: 96 << 20)
    }
  }

  /// - Throws: `StageError` if a list cannot be read, or MeCab is needed and missing.
  func measurer(_ workspace: Workspace, nouns: Nouns?) throws -> QualityMeasurer {
    func matcher(_ role: TaskInputs.Role, _ standard: [String]) throws -> PhraseMatcher {
      let lists = workspace.files(role)
      return PhraseMatcher(lists.isEmpty ? standard : try PhraseLists.read(lists))
    }
    return QualityMeasurer(
      QualityMeasurer.Phrases(
        ads: try matcher("ads", PhraseLists.ads), forum: try matcher("forum", PhraseLists.forum),
        ng: try matcher("ng", [])),
      countsOccurrences: duplicateGrams == .occurrences,
      nouns: try nouns.map { try mecab($0) { try NounCensus(dictionary: $0) } })
  }

  /// How a stage is told to count no nouns.
  struct Nouns {
    var option: String
    var way: String
  }

  private func mecab<R>(_ nouns: Nouns, _ body: (String?) throws -> R) throws -> R {
    do { return try body(mecabDictionary) } catch let error as TokenizerError {
      throw StageError(
        .environment, nouns.option, error.message, hint: "\(error.hint ?? MeCab.remedy), or \(nouns.way).")
    }
  }

  /// The top-level domain of a document's URL.
  func topLevelDomain(_ metadata: [UInt8]) -> String? {
    guard !metadata.isEmpty else { return nil }
    return (try? JSONValue.parse(metadata).value)?[urlField]?.string.flatMap { Stages.topLevelDomain(of: $0) }
  }
}
