public import PipelineKit
import ShardKit
import TextKit

/// Trains a vocabulary of word pieces, byte pairs or unigrams on documents: counts words in parallel, then learns.
public struct TokenizerTrain: Stage {
  public struct Options: StageOptions {
    @Option(
      "The model: 'wordpiece' as of BERT, 'bpe': byte pairs, 'unigram': the most probable pieces as of SentencePiece.")
    public var model = Model.wordpiece
    @Option("Number of tokens in the vocabulary.", in: 16...1 << 20) public var vocabularySize = 32_768
    @Option("Number of characters to keep, the most frequent first.", in: 1...1 << 19) public var alphabetLimit = 7_000
    @Option("Minimum occurrences of a pair that is merged; not for unigrams.", in: 1...1 << 40) public
      var minimumFrequency = 2
    @Option(
      "How text is split into words. For wordpiece: 'scripts' at white space, punctuation and script changes, 'mecab' into "
        + "morphemes, 'uncased' as BERT's, in lower case without accents, 'cased' with them. For bpe and unigram: "
        + "'metaspace' at spaces, written ▁. For bpe: 'bytes' by a pattern, into bytes. null: scripts for wordpiece, "
        + "metaspace for the others."
    )
    public var preTokenizer: PreTokenizer? = nil
    @Option("Folder of the MeCab dictionary. null: the system default.") public var mecabDictionary: String? = nil
    @Option("The first tokens of the vocabulary. They must include [UNK], [CLS] and [SEP].")
    public var specialTokens = WordPieceTrainer.bertTokens
    @Option("Number of reserved tokens [unused0], [unused1], … after the special tokens.", in: 0...10_000)
    public var unusedTokens = 0
    @Option(
      "Adds both a word-initial and a continuation token for each character, so that known characters always encode.")
    public var seedAlphabet = true
    @Option("Adds tokens for the 256 bytes, with which metaspace writes what it does not know instead of [UNK].")
    public var byteFallback = true
    @Option("Characters of the longest token of bpe and unigram; for 'bytes' three times as many bytes.", in: 1...64)
    public var longestToken = 16
    @Option("Maximum sequence length of models, recorded in the tokenizer's configuration.", in: 8...1 << 24)
    public var maximumLength = 512
    @Option(
      "Memory for distinct words while pairs are merged. Beyond it, the rarest words are left out with a warning.",
      in: .mebibytes(16)...ByteCount.gibibytes(1 << 10))
    public var trainingMemory = ByteCount.gibibytes(1)
    @Option(
      "Memory for one task's words before they are spilled to disk.", in: .mebibytes(1)...ByteCount.gibibytes(1 << 10),
      affectsOutput: false)
    public var countingMemory = ByteCount.mebibytes(256)
    @Option(
      "Threads that unigrams are learned on; the result is the same with any number. 0: one for each processor.",
      in: 0...1024, affectsOutput: false)
    public var threads = 0

    public init() {}
  }

  public enum Model: String, CaseIterable, OptionChoice { case wordpiece, bpe, unigram }

  public enum PreTokenizer: String, CaseIterable, OptionChoice {
    case scripts, mecab, uncased, cased, metaspace, bytes
    var words: WordPieceTokenizer.Words {
      switch self {
      case .mecab: .mecab
      case .uncased: .uncased
      case .cased: .cased
      case .scripts, .metaspace, .bytes: .scripts
      }
    }
    /// nil for WordPiece.
    var format: SubwordFormat? {
      switch self {
      case .scripts, .mecab, .uncased, .cased: nil
      case .metaspace: .metaspace
      case .bytes: .bytes
      }
    }

    static func choices(for model: Model) -> [PreTokenizer] {
      switch model {
      case .wordpiece: [.scripts, .mecab, .uncased, .cased]
      case .bpe: [.metaspace, .bytes]
      case .unigram: [.metaspace]
      }
    }
  }

  public static let name = "tokenizer.train"
  public static let revision = 4
  public static let summary =
    "Trains a vocabulary of word pieces, byte pairs or unigrams and writes tokenizer.json and its configuration."
  static let documents = Input<Documents>("documents", "The texts to train on.")
  static let counts = Output<Intermediate>("counts", "Counted words, in sorted runs.", hidden: true)
  static let tokenizer = Output<TokenizerFiles>(
    "tokenizer", "The tokenizer, in the format of Hugging Face's libraries.")
  public static let inputs = [documents.port]
  public static let outputs = [counts.port, tokenizer.port]
  public enum Phase: String, StagePhase { case count, train }

  public static func options(of phase: Phase) -> Set<String>? {
    phase == .count ? ["model", "preTokenizer", "mecabDictionary"] : nil
  }

  let options: Options
  let preTokenizer: PreTokenizer

  public init(options: Options) {
    self.options = options
    preTokenizer = options.preTokenizer ?? PreTokenizer.choices(for: options.model)[0]
  }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.mecabDictionary) }

  public func validate() throws {
    let choices = PreTokenizer.choices(for: options.model)
    guard choices.contains(preTokenizer) else {
      throw StageError(
        .options, "preTokenizer", "'\(preTokenizer.rawValue)' does not go with the model '\(options.model.rawValue)'",
        hint: "Use \(choices.map(\.rawValue).joined(separator: " or ")).")
    }
    for token in ["[UNK]", "[CLS]", "[SEP]"] where !options.specialTokens.contains(token) {
      throw StageError(.options, "specialTokens", "\(token) is missing")
    }
    guard Set(options.specialTokens).count == options.specialTokens.count, !options.specialTokens.contains("") else {
      throw StageError(.options, "specialTokens", "a token is empty or occurs twice")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .count:
      let words = WordsIdentity(
        words: try WordReader.identity(preTokenizer.words, dictionary: options.mecabDictionary))
      return try TaskPlan.grouped(
        context.files(Self.documents), bytes: 64 << 20, memoryBytes: options.countingMemory.bytes * 3 / 2
      ).map { try $0.with(payload: words) }
    case .train:
      return [
        TaskPlan(
          key: "vocabulary", inputs: [.main: context.files(Self.counts)],
          memoryBytes: options.trainingMemory.bytes + options.trainingMemory.bytes / 8 + learningBytes
        ).using(cores: options.model == .unigram ? max(1, options.threads) : 1)
      ]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .count: try count(workspace)
    case .train: try train(workspace)
    }
  }

  /// Besides the words: the pieces of a unigram vocabulary, their trie and each thread's sums.
  private var learningBytes: Int { options.model == .unigram ? 512 << 20 : 0 }

  // MARK: Counting

  private func count(_ workspace: Workspace) throws {
    let split = try words()
    let stream = workspace.documents()
    var words = WordCounts()
    var document = Document()
    var runs = 0
    while try stream.next(&document) {
      try document.text.withUnsafeBufferPointer { try split($0) { words.addSoon($0) } }
      words.settle()
      workspace.consume(bytes: document.text.count)
      // Hash tables double when they grow.
      if words.memoryBytes > options.countingMemory.bytes / 2 {
        try spill(words, run: runs, workspace)
        words = WordCounts()
        runs += 1
      }
    }
    if words.count > 0 { try spill(words, run: runs, workspace) }
  }

  /// What splits a text into words.
  private func words() throws -> (UnsafeBufferPointer<UInt8>, (UnsafeBufferPointer<UInt8>) -> Void) throws -> Void {
    if let format = preTokenizer.format {
      let reader = try SubwordReader(format)
      return { try reader.forEachWord($0, $1) }
    }
    let reader = try wordReader()
    return { try reader.forEachWord($0, $1) }
  }

  /// What splits words for a WordPiece vocabulary.
  func wordReader() throws -> WordReader {
    try WordReader(preTokenizer.words, dictionary: options.mecabDictionary)
  }

  private func spill(_ words: borrowing WordCounts, run: Int, _ workspace: Workspace) throws {
    let name = "\(workspace.task.key)-\(TaskPlan.padded(run))" + WordCountRuns.fileSuffix
    let file = try workspace.file(Self.counts, name)
    let sink = ZstdSink(file, level: 1)
    try WordCountRuns.write(words, to: sink)
    try workspace.publish(Self.counts, file, through: sink, name: name)
  }

  // MARK: Training

  private func train(_ workspace: Workspace) throws {
    let words = try merged(workspace)
    workspace.metric("distinct words", Double(words.distinctWords))
    workspace.metric("words", Double(words.occurrences))
    if words.droppedWords > 0 {
      workspace.warn(
        "rare-words-left-out",
        "\(words.droppedWords) distinct words with fewer than \(words.minimumCount) occurrences were left out to stay "
          + "within trainingMemory (\(options.trainingMemory)); characters are counted in all words")
    }
    switch options.model {
    case .wordpiece: try trainWordPieces(words, workspace)
    case .bpe: try trainBytePairs(words, workspace)
    case .unigram: try trainUnigrams(words, workspace)
    }
  }

  private func merged(_ workspace: Workspace) throws -> TrainingWords {
    var words = TrainingWords(
      memoryBytes: options.trainingMemory.bytes, bytesPerSymbol: options.model == .unigram ? 24 : 9,
      readsBytes: preTokenizer == .bytes)
    var sinceCheck = 0
    var stop: (any Error)?
    try WordCountRuns.merge(
      workspace.files(.main).map(\.path), temporaryDirectory: try workspace.temporaryDirectory()
    ) { (word, count) throws(ShardError) in
      words.add(word, count: count)
      sinceCheck += 1
      if sinceCheck == 1 << 16, stop == nil {
        sinceCheck = 0
        do { try workspace.control.check() } catch { stop = error }
      }
    }
    if let stop { throw stop }
    return words
  }
}
