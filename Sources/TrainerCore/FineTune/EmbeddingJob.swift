public import ShardKit

/// How a sentence's vector is computed from those of its tokens.
public enum Pooling: String, CaseIterable, Codable, Sendable {
  /// The mean over all tokens, including special ones.
  case mean
  /// The first token's.
  case cls
  /// The first token's, through BERT's pooler: a linear layer and tanh.
  case pooler
}

/// Texts to be turned into vectors, or to be searched. A stage writes the job, a worker process reads it.
public struct EmbeddingJob: JSONRecord, Equatable, Sendable {
  public static let writesNull = true

  /// Folder of model.json and weights.safetensors.
  public var checkpoint = ""
  public var tokenizer = ""
  public var dictionary: String?
  /// JSON lines with `text`, and optionally `title` and an id.
  public var texts = ""
  /// Keys, joined by dots, that lead to the second text of a pair; empty: single texts.
  public var pair = ""
  /// Before each text, such as "query: ".
  public var prefix = ""
  public var pooling = Pooling.mean
  public var maximumLength = 512
  public var normalizes = false
  /// Whether the head of a fine-tuned model scores the texts; its output takes the place of their vectors. That of
  /// a text without the second one that `pair` asks for is not a number.
  public var scores = false
  /// Vectors that the texts are searched for; empty: the texts' own vectors are written.
  public var queries = ""
  /// Measures of a search, each for itself; empty: the sum of products alone.
  public var measures: [SearchMeasure] = []
  /// Texts that are kept for each query.
  public var top = 100
  public var device = "cpu"
  public var precision = Parameters.Precision.float32
  public var threads = 1
  public var result = ""

  public init() {}

  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member.
  public init(path: String) throws { try self.init(jsonFile: path) }
}
