import Glibc
public import ShardKit

/// An n-gram language model with backoff: an ARPA file as KenLM's lmplz, SRILM and others write it, a binary file of KenLM's
/// build_binary, or the table that `compile` makes of an ARPA file.
///
/// Binary files and tables are mapped into memory, so that tasks share them. Safe to use from several threads.
public final class BackoffModel: Sendable {
  /// What the model's words are.
  public enum Unit: Sendable {
    /// What stands between white space.
    case words
    /// Single characters, without white space.
    case characters
  }

  /// What a text was given.
  public struct Score: Equatable, Sendable {
    /// The sum of the logarithms to base 10, with that of each sentence's end.
    public var logarithm = 0.0
    /// With the sentences' ends.
    public var tokens = 0
    /// Tokens that the model does not know.
    public var unknown = 0

    public init() {}

    /// NaN without tokens.
    public var perplexity: Double { pow(10, -logarithm / Double(tokens)) }
  }

  enum Form {
    case hashed(HashedNGrams)
    case probing(KenLMProbing)
    case trie(KenLMTrie)
  }

  let form: Form
  /// The file.
  let path: String
  /// Words of the longest n-grams.
  public let order: Int

  /// Opens a model; an ARPA file may be compressed.
  /// - Throws: `ShardError` if the file cannot be read (`.malformed` if it is not such a model, or does not know where
  ///   sentences begin and end: `<s>`, `</s>`; `.unsupported` if it is in a form of KenLM's that is not read).
  public init(_ path: String) throws(ShardError) {
    self.path = path
    switch try FileForm(path) {
    case .kenLM:
      let file = try KenLMFile(path)
      form = try file.kind == .probing ? .probing(KenLMProbing(file)) : .trie(KenLMTrie(file))
      order = file.counts.count
    case .table:
      let table = try HashedNGrams(mapped: path)
      (form, order) = (.hashed(table), table.order)
    case .other:
      var reader = try ARPAReader(path)
      let table = try reader.read()
      (form, order) = (.hashed(table), table.order)
    }
    switch form {
    case .hashed(let table): try checkSentences(table)
    case .probing(let table): try checkSentences(table)
    case .trie(let table): try checkSentences(table)
    }
  }

  private func checkSentences<Table: NGramTable>(_ table: Table) throws(ShardError) {
    let (start, end) = (NGramScorer<Table>.word("<s>", table), NGramScorer<Table>.word("</s>", table))
    try checkFullness()
    guard start != 0, end != 0 else {
      throw ShardError(
        .malformed, path, "the model lacks one of the words '<s>' and '</s>', so that it cannot score sentences",
        hint: "Train it with sentences' beginnings and ends, as lmplz and SRILM's ngram-count do by default.")
    }
    guard table.unigram(start).weights.backoff.isFinite, table.unigram(end).weights.logarithm.isFinite else {
      throw notFinite("'<s>' or '</s>'")
    }
  }

  /// - Throws: `ShardError` (`.unsupported`) if hash tables were found to have too few empty slots.
  fileprivate func checkFullness() throws(ShardError) {
    guard case .probing(let table) = form, table.isTooFull else { return }
    throw ShardError(
      .unsupported, path, "its hash tables are damaged or too full: there are too few empty slots to find n-grams",
      hint: "Make it anew with 'build_binary -p 1.5 probing' or 'build_binary trie'.")
  }

  fileprivate func notFinite(_ what: String) -> ShardError {
    ShardError(
      .malformed, path, "is damaged: its weights give \(what) no finite probability",
      hint: "Make it anew with build_binary, or take the ARPA file.")
  }

  /// Writes the table of an ARPA file, to be opened without reading the text again.
  /// - Throws: what opening the file and writing throw; `ShardError` (`.unsupported`) for a binary file, which needs no table.
  public static func compile(_ path: String, to sink: FileSink) throws(ShardError) {
    guard case .hashed(let table) = try BackoffModel(path).form else {
      throw ShardError(
        .unsupported, path, "is a file of build_binary, not an ARPA file", hint: "Score with it as it is.")
    }
    try table.write(to: sink)
  }

  /// Whether a file is one of KenLM's build_binary, by how it begins.
  /// - Throws: `ShardError` if it cannot be read.
  public static func isBinary(_ path: String) throws(ShardError) -> Bool { try FileForm(path) == .kenLM }
}

/// What a file with a model is, by how it begins.
enum FileForm {
  case kenLM, table, other

  init(_ path: String) throws(ShardError) {
    let file = try MappedFile(path)
    if file.bytes.starts(with: KenLMFile.magic) {
      self = .kenLM
    } else {
      self = file.bytes.starts(with: HashedNGrams.magic) ? .table : .other
    }
  }
}

/// Scores texts by a model. Not safe to use from several threads: make one per thread.
public final class BackoffScorer {
  private enum Form {
    case hashed(NGramScorer<HashedNGrams>)
    case probing(NGramScorer<KenLMProbing>)
    case trie(NGramScorer<KenLMTrie>)
  }

  private let form: Form
  private let model: BackoffModel

  public init(_ model: BackoffModel) {
    self.model = model
    switch model.form {
    case .hashed(let table): form = .hashed(NGramScorer(table))
    case .probing(let table): form = .probing(NGramScorer(table))
    case .trie(let table): form = .trie(NGramScorer(table))
    }
  }

  /// Scores every line of a text as a sentence: its words, and that it ends after them. Lines without words do not count.
  /// - Throws: `ShardError` if the model gives no score: `.malformed` if its weights are not finite, `.unsupported` if its
  ///   hash tables are too full.
  public func add(
    _ text: UnsafeBufferPointer<UInt8>, _ unit: BackoffModel.Unit, to score: inout BackoffModel.Score
  ) throws(ShardError) {
    switch form {
    case .hashed(let scorer): scorer.add(text, unit, to: &score)
    case .probing(let scorer): scorer.add(text, unit, to: &score)
    case .trie(let scorer): scorer.add(text, unit, to: &score)
    }
    try model.checkFullness()
    guard score.tokens == 0 || score.perplexity.isFinite else { throw model.notFinite("a text") }
  }
}
