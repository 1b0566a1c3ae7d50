public import PipelineKit
import ShardKit
import TextKit

/// Drops documents with too many words of a list.
///
/// A word counts only as a whole word: by MeCab's words, or without MeCab as far as scripts show it. So a listed アス is not
/// found in アスパラガス. MeCab splits only lines that contain a listed word's characters.
public struct FilterToxicity: PassingStage, SinglePhaseStage {
  public static let name = "filter.toxicity"
  public static let revision = 1
  public static let summary = "Drops documents with too many words of a list, matched as whole words."
  static let documents = Input<Documents>("documents", "The documents to judge.")
  static let kept = Output<Documents>("documents", "The documents within the thresholds.")
  public static let inputs = [documents.port]
  public static let outputs = [kept.port]
  public static var passed: Input<Documents> { documents }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    if let limit = options.maximumMatches, limit < 0 {
      throw StageError(.options, "maximumMatches", "it is \(limit)", hint: "Give 0 or more, or null for no limit.")
    }
    if options.maximumMatches == nil, options.maximumFraction == nil, options.mode == .drop {
      throw StageError(
        .options, "maximumMatches", "both thresholds are off, so nothing would be dropped",
        hint: "Set \"maximumMatches\" or \"maximumFraction\", or \"mode\": \"score\".")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    if options.wordLists.isEmpty, options.words.isEmpty {
      throw StageError(
        .options, "wordLists", "there are no words", hint: "Name files with one word per line, or give \"words\".")
    }
    let lists = try context.files(options.wordLists)
    let dictionary = options.boundaries == .mecab ? try mecab().dictionaryIdentity() : ""
    return try context.files(Self.documents).enumerated().map { i, file in
      try TaskPlan(
        key: TaskPlan.padded(i), inputs: [.main: [file], "words": lists], payload: ["mecab": dictionary],
        memoryBytes: 128 << 20)
    }
  }

  public var namedFiles: [String: InputFiles] {
    dictionaryFiles(options.boundaries == .mecab ? options.mecabDictionary : nil)
  }

  private func mecab() throws -> MeCab {
    do { return try MeCab(dictionary: options.mecabDictionary) } catch {
      throw StageError(
        .environment, "boundaries", error.message,
        hint: "\(error.hint ?? MeCab.remedy), or set \"boundaries\": \"script\".")
    }
  }

  public func pass(_ workspace: Workspace) throws -> DocumentPass {
    let words = options.words + (try PhraseLists.read(workspace.files("words")))
    var census = ToxicityCensus(
      PhraseMatcher(words), boundaries: options.boundaries == .mecab ? WordBoundaries(try mecab()) : nil)
    let output = try workspace.documents(to: Self.kept)
    return DocumentPass { document in
      let measured = census.measure(document.text)
      if let failure = census.failure { throw StageError(.input, try workspace.file().path, failure.message) }
      workspace.metric("matches", Double(measured.matches))
      if options.mode == .score {
        setMember("toxicity", measured.json, ofObject: &document.metadata)
        try output.write(document)
      } else if let reason = reason(measured) {
        try workspace.drop(document, reason)
      } else {
        try output.write(document)
      }
    }
  }

  private func reason(_ measured: ToxicityCensus.Measure) -> DropReason? {
    let words = measured.words.prefix(5).joined(separator: ", ")
    if let limit = options.maximumMatches, measured.matches > limit {
      return DropReason("listed-words", value: Double(measured.matches), threshold: Double(limit), detail: words)
    }
    if let limit = options.maximumFraction, measured.fraction > limit {
      return DropReason("listed-word-fraction", value: measured.fraction, threshold: limit, detail: words)
    }
    return nil
  }
}

extension FilterToxicity {
  public struct Options: StageOptions {
    @Option("Files of words, one per line, UTF-8. Latin letters match in either case and width.")
    var wordLists = InputFiles()
    @Option("More words.") var words: [String] = []
    @Option(
      "What a whole word is. mecab: MeCab's words, one or several of them. script: katakana not next to katakana, Latin "
        + "letters not next to Latin letters, one kanji not next to kanji; all else anywhere.")
    var boundaries = Boundaries.mecab
    @Option("Folder of MeCab's dictionary. null: the system's default.") var mecabDictionary: String? = nil
    @Option("Documents with more matches are dropped. null: off.") var maximumMatches: Int? = 0
    @Option("Documents with a larger fraction (0…1) of their characters in matches are dropped. null: off.")
    var maximumFraction: Double? = nil
    @Option("drop: drops documents. score: keeps all, and writes the measures to 'metadata.toxicity'.")
    var mode = Mode.drop

    public init() {}

    enum Boundaries: String, OptionChoice { case mecab, script }
    enum Mode: String, OptionChoice { case drop, score }
  }
}

/// Counts listed words in texts.
struct ToxicityCensus {
  struct Measure {
    var matches = 0
    /// The fraction of characters in matches.
    var fraction = 0.0
    /// The different words, in the order of the text; at most 100.
    var words: [String] = []

    var json: JSONValue {
      [
        "matches": .integer(matches), "fraction": .number((fraction * 1e6).rounded() / 1e6),
        "words": .strings(words),
      ]
    }
  }

  private let matcher: PhraseMatcher
  private let boundaries: WordBoundaries?
  private let text = DecodedText()
  var failure: TokenizerError? { boundaries?.failure }

  init(_ matcher: PhraseMatcher, boundaries: WordBoundaries?) {
    self.matcher = matcher
    self.boundaries = boundaries
  }

  mutating func measure(_ bytes: [UInt8]) -> Measure {
    bytes.withUnsafeBufferPointer { bytes in
      text.load(bytes)
      boundaries?.load(bytes)
      var out = Measure(), characters = 0, seen: Set<Int> = []
      matcher.forEachMatch(text, where: boundaries.map { boundaries in { boundaries.areWords($0) } }) { phrase, range in
        out.matches += 1
        characters += range.count
        if seen.count < 100, seen.insert(phrase).inserted { out.words.append(matcher.phrase(phrase)) }
      }
      out.fraction = text.count > 0 ? Double(characters) / Double(text.count) : 0
      return out
    }
  }
}
