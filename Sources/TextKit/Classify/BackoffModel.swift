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
  /// Words of the longest n-grams.
  public let order: Int

  /// Opens a model; an ARPA file may be compressed.
  /// - Throws: `ShardError` if the file cannot be read (`.malformed` if it is not such a model, or does not know where
  ///   sentences begin and end: `<s>`, `</s>`; `.unsupported` if it is in a form of KenLM's that is not read).
  public init(_ path: String) throws(ShardError) {
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
    let known: Bool
    switch form {
    case .hashed(let table): known = Self.knowsSentences(table)
    case .probing(let table): known = Self.knowsSentences(table)
    case .trie(let table): known = Self.knowsSentences(table)
    }
    guard known else {
      throw ShardError(
        .malformed, path, "the model lacks one of the words '<s>' and '</s>', so that it cannot score sentences",
        hint: "Train it with sentences' beginnings and ends, as lmplz and SRILM's ngram-count do by default.")
    }
  }

  private static func knowsSentences<Table: NGramTable>(_ table: Table) -> Bool {
    NGramScorer<Table>.word("<s>", table) != 0 && NGramScorer<Table>.word("</s>", table) != 0
  }

  /// Writes the table of an ARPA file, to be opened without reading the text again.
  /// - Throws: what opening the file and writing throw.
  public static func compile(_ path: String, to sink: FileSink) throws(ShardError) {
    guard case .hashed(let table) = try BackoffModel(path).form else { return }
    try table.write(to: sink)
  }

  /// Whether a file is one of KenLM's build_binary, by how it begins; false if it cannot be read.
  public static func isBinary(_ path: String) -> Bool { (try? FileForm(path)) == .kenLM }
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

  public init(_ model: BackoffModel) {
    switch model.form {
    case .hashed(let table): form = .hashed(NGramScorer(table))
    case .probing(let table): form = .probing(NGramScorer(table))
    case .trie(let table): form = .trie(NGramScorer(table))
    }
  }

  /// Scores every line of a text as a sentence: its words, and that it ends after them. Lines without words do not count.
  public func add(_ text: UnsafeBufferPointer<UInt8>, _ unit: BackoffModel.Unit, to score: inout BackoffModel.Score) {
    switch form {
    case .hashed(let scorer): scorer.add(text, unit, to: &score)
    case .probing(let scorer): scorer.add(text, unit, to: &score)
    case .trie(let scorer): scorer.add(text, unit, to: &score)
    }
  }
}
