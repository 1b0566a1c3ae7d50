public import PipelineKit
import ShardKit
import TextKit

/// Trains a WordPiece vocabulary on documents: counts words in parallel, then merges pairs.
public struct TokenizerTrain: Stage {
  public struct Options: StageOptions {
    @Option("Number of tokens in the vocabulary.", in: 16...1 << 20) public var vocabularySize = 32_768
    @Option("Number of characters to keep, the most frequent first.", in: 1...1 << 19) public var alphabetLimit = 7_000
    @Option("Minimum occurrences of a pair that is merged.", in: 1...1 << 40) public var minimumFrequency = 2
    @Option(
      "How text is split into words: 'scripts' at white space, punctuation and script changes, 'mecab' into morphemes; "
        + "'uncased' as BERT's, in lower case without accents, 'cased' with them."
    )
    public var preTokenizer = PreTokenizer.scripts
    @Option("Folder of the MeCab dictionary. null: the system default.") public var mecabDictionary: String? = nil
    @Option("The first tokens of the vocabulary. They must include [UNK], [CLS] and [SEP].")
    public var specialTokens = WordPieceTrainer.bertTokens
    @Option("Number of reserved tokens [unused0], [unused1], … after the special tokens.", in: 0...10_000)
    public var unusedTokens = 0
    @Option(
      "Adds both a word-initial and a continuation token for each character, so that known characters always encode.")
    public var seedAlphabet = true
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

    public init() {}
  }

  public enum PreTokenizer: String, CaseIterable, OptionChoice {
    case scripts, mecab, uncased, cased
    var words: WordPieceTokenizer.Words {
      switch self {
      case .scripts: .scripts
      case .mecab: .mecab
      case .uncased: .uncased
      case .cased: .cased
      }
    }
  }

  public static let name = "tokenizer.train"
  public static let revision = 2
  public static let summary =
    "Trains a WordPiece vocabulary and writes tokenizer.json, vocab.txt and their configuration."
  static let documents = Input<Documents>("documents", "The texts to train on.")
  static let counts = Output<Intermediate>("counts", "Counted words, in sorted runs.", hidden: true)
  static let tokenizer = Output<TokenizerFiles>(
    "tokenizer", "The tokenizer, in the format of Hugging Face's libraries.")
  public static let inputs = [documents.port]
  public static let outputs = [counts.port, tokenizer.port]
  public enum Phase: String, StagePhase { case count, train }

  public static func options(of phase: Phase) -> Set<String>? {
    phase == .count ? ["preTokenizer", "mecabDictionary"] : nil
  }

  let options: Options

  public init(options: Options) { self.options = options }

  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.mecabDictionary) }

  public func validate() throws {
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
        words: try WordReader.identity(options.preTokenizer.words, dictionary: options.mecabDictionary))
      return try TaskPlan.grouped(
        context.files(Self.documents), bytes: 64 << 20, memoryBytes: options.countingMemory.bytes * 3 / 2
      ).map { try $0.with(payload: words) }
    case .train:
      return [
        TaskPlan(
          key: "vocabulary", inputs: [.main: context.files(Self.counts)],
          memoryBytes: options.trainingMemory.bytes + options.trainingMemory.bytes / 8)
      ]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .count: try count(workspace)
    case .train: try train(workspace)
    }
  }

  // MARK: Counting

  private func count(_ workspace: Workspace) throws {
    let reader = try WordReader(options.preTokenizer.words, dictionary: options.mecabDictionary)
    let stream = workspace.documents()
    var words = WordCounts()
    var document = Document()
    var runs = 0
    while try stream.next(&document) {
      try document.text.withUnsafeBufferPointer { try reader.forEachWord($0) { words.add($0) } }
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
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = options.vocabularySize
    trainer.alphabetLimit = options.alphabetLimit
    trainer.minimumFrequency = Int64(options.minimumFrequency)
    let unused = (0..<options.unusedTokens).map { "[unused\($0)]" }
    trainer.specialTokens = options.specialTokens + unused
    trainer.seedsAlphabet = options.seedAlphabet
    let result = try trainer.train(words) { try workspace.control.check() }
    workspace.metric("tokens", Double(result.tokens.count))
    workspace.metric("characters", Double(result.alphabet))
    workspace.metric("merges", Double(result.merges))
    if result.tokens.count < options.vocabularySize {
      workspace.warn(
        "vocabulary-not-full",
        "the texts yield only \(result.tokens.count) of the \(options.vocabularySize) requested tokens")
    }
    var tokenizer = try WordPieceTokenizer(
      tokens: result.tokens, specialTokens: trainer.specialTokens, words: options.preTokenizer.words)
    let reader = try WordReader(options.preTokenizer.words, dictionary: options.mecabDictionary)
    if let dictionary = reader.dictionary { tokenizer.dictionary = MeCabRequirement(dictionary) }
    var files = HuggingFaceTokenizerFiles(tokenizer)
    files.maximumLength = options.maximumLength
    for (name, bytes) in files.contents { try workspace.write(Self.tokenizer, name: name, bytes) }
  }

  private func merged(_ workspace: Workspace) throws -> TrainingWords {
    var words = TrainingWords(memoryBytes: options.trainingMemory.bytes)
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
